"""Destinations: IPVS_DEST_ATTR_* of linux/ip_vs.h, packed and unpacked in pairs.

Numbers stand in the host's byte order, except the port and the tunnel's port, which stand in the network's.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any, Final

from ipvs_programmer import constants as c
from ipvs_programmer.codec.fields import (
    BE16,
    FAMILIES,
    I32,
    U8,
    U16,
    U32,
    Found,
    address,
    needed,
    number,
    number_or,
)
from ipvs_programmer.codec.form import Form
from ipvs_programmer.octets import MalformedError, attributes
from ipvs_programmer.table import (
    Checksum,
    Counts,
    Destination,
    DestinationKey,
    Forwarding,
    Tunnel,
    TunnelKind,
)

_DESTINATION: Final = struct.Struct("=HH HH16s HH2sxx HHHxx HHI HHi HHI HHI")
_TUNNEL: Final = struct.Struct("=HHBxxx HH2sxx HHHxx")
_AF_INET: Final[int] = socket.AF_INET.value
_NO_KIND: Final = memoryview(bytes(1))
_NOTHING: Final = memoryview(bytes(2))
_FIELDS: Final = (
    (c.IPVS_DEST_ATTR_ADDR, "16s"),
    (c.IPVS_DEST_ATTR_PORT, "H"),
    (c.IPVS_DEST_ATTR_ADDR_FAMILY, "H"),
    (c.IPVS_DEST_ATTR_FWD_METHOD, "I"),
    (c.IPVS_DEST_ATTR_WEIGHT, "i"),
    (c.IPVS_DEST_ATTR_U_THRESH, "I"),
    (c.IPVS_DEST_ATTR_L_THRESH, "I"),
    (c.IPVS_DEST_ATTR_TUN_TYPE, "B"),
    (c.IPVS_DEST_ATTR_TUN_PORT, "H"),
    (c.IPVS_DEST_ATTR_TUN_FLAGS, "H"),
)
"""What a destination is read from, where all of it is there (kernels from 5.3 on)."""
_FORWARDING: Final = {each.value: each for each in Forwarding}
_forms: Final[dict[int, Form | None]] = {}
"""How messages of a length were laid out, one or two of a kernel's; None: as an older kernel has them."""
_MOST_FORMS: Final = 8
_DESTINATION_KEY: Final = struct.Struct("=HH HH16s HH2sxx HHHxx")


def pack_destination_key(key: DestinationKey) -> bytes:
    """Pack a destination's identity as the attribute IPVS_CMD_ATTR_DEST."""
    return _DESTINATION_KEY.pack(
        *(_DESTINATION_KEY.size, c.IPVS_CMD_ATTR_DEST),
        *(20, c.IPVS_DEST_ATTR_ADDR, socket.inet_pton(key.family, key.address)),
        *(6, c.IPVS_DEST_ATTR_PORT, BE16.pack(key.port)),
        *(6, c.IPVS_DEST_ATTR_ADDR_FAMILY, key.family),
    )


def pack_destination(destination: Destination) -> bytes:
    """Pack a destination with all its settings as the attribute IPVS_CMD_ATTR_DEST."""
    key = destination.key
    family = key.family
    # a request that does not name a tunnel asks for the plain one, an edit too (ip_vs_genl_parse_dest)
    tunnel = _pack_tunnel(destination.tunnel) if destination.tunnel is not None else b""
    return (
        _DESTINATION.pack(
            *(_DESTINATION.size + len(tunnel), c.IPVS_CMD_ATTR_DEST),
            *(20, c.IPVS_DEST_ATTR_ADDR, socket.inet_pton(family, key.address)),
            *(6, c.IPVS_DEST_ATTR_PORT, BE16.pack(key.port)),
            *(6, c.IPVS_DEST_ATTR_ADDR_FAMILY, family),
            *(8, c.IPVS_DEST_ATTR_FWD_METHOD, destination.forwarding),
            *(8, c.IPVS_DEST_ATTR_WEIGHT, destination.weight),
            *(8, c.IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold),
            *(8, c.IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold),
        )
        + tunnel
    )


def _pack_tunnel(tunnel: Tunnel) -> bytes:
    return _TUNNEL.pack(
        *(5, c.IPVS_DEST_ATTR_TUN_TYPE, tunnel.kind),
        *(6, c.IPVS_DEST_ATTR_TUN_PORT, BE16.pack(tunnel.port)),
        *(6, c.IPVS_DEST_ATTR_TUN_FLAGS, tunnel.checksum),
    )


def unpack_destination(body: memoryview, service_family: int) -> Destination:
    """Read a destination out of a message's attributes.

    ``service_family`` is that of its service: kernels before 3.18 do not name the destination's own.

    Raises:
        MalformedError: it is none.
    """
    form = _forms.get(len(body))
    if form is not None and (plain := _plain(form.read(body))) is not None:
        return plain
    found = nested(body)
    if len(body) not in _forms and len(_forms) < _MOST_FORMS:
        _forms[len(body)] = None
        with contextlib.suppress(LookupError):
            _forms[len(body)] = Form(body, c.IPVS_CMD_ATTR_DEST, _FIELDS)
    return Destination(
        key=key_of(found, service_family),
        forwarding=Forwarding(number(found, c.IPVS_DEST_ATTR_FWD_METHOD, U32) & c.IP_VS_CONN_F_FWD_MASK),
        weight=number(found, c.IPVS_DEST_ATTR_WEIGHT, I32),
        upper_threshold=number(found, c.IPVS_DEST_ATTR_U_THRESH, U32),
        lower_threshold=number(found, c.IPVS_DEST_ATTR_L_THRESH, U32),
        tunnel=_tunnel_of(found),
    )


def _plain(values: tuple[Any, ...] | None) -> Destination | None:
    """Make a destination of its `_FIELDS`; None: they are not all as usual, look at each."""
    if values is None:
        return None
    where, port, family, method, weight, upper, lower, *tunnel = values
    forwarding = _FORWARDING.get(method & c.IP_VS_CONN_F_FWD_MASK)
    if forwarding is None or family not in FAMILIES or any(tunnel):
        return None
    text = socket.inet_ntop(family, where[:4] if family == _AF_INET else where)
    return Destination(
        key=DestinationKey(text, socket.ntohs(port)),
        forwarding=forwarding,
        weight=weight,
        upper_threshold=upper,
        lower_threshold=lower,
    )


def _tunnel_of(found: Found) -> Tunnel | None:
    # kernels before 5.2 have no kinds of tunnels, those before 5.3 no flags
    kind = found.get(c.IPVS_DEST_ATTR_TUN_TYPE, _NO_KIND)
    port = found.get(c.IPVS_DEST_ATTR_TUN_PORT, _NOTHING)
    flags = found.get(c.IPVS_DEST_ATTR_TUN_FLAGS, _NOTHING)
    if kind == _NO_KIND and port == _NOTHING and flags == _NOTHING:
        return None
    return Tunnel(
        TunnelKind(number_or(found, c.IPVS_DEST_ATTR_TUN_TYPE, U8, 0)),
        number_or(found, c.IPVS_DEST_ATTR_TUN_PORT, BE16, 0),
        Checksum(number_or(found, c.IPVS_DEST_ATTR_TUN_FLAGS, U16, 0)),
    )


def unpack_destination_key(body: memoryview, service_family: int) -> DestinationKey:
    """Read a destination's identity out of a message's attributes; as `unpack_destination`."""
    return key_of(nested(body), service_family)


def unpack_counts(body: memoryview, service_family: int) -> tuple[DestinationKey, Counts]:
    """Read a destination's identity and connections out of a message; as `unpack_destination`."""
    found = nested(body)
    return key_of(found, service_family), counts_of(found)


def counts_of(found: Found) -> Counts:
    """Read a destination's connections out of its attributes; as `unpack_destination`."""
    return Counts(
        active=number(found, c.IPVS_DEST_ATTR_ACTIVE_CONNS, U32),
        inactive=number(found, c.IPVS_DEST_ATTR_INACT_CONNS, U32),
        persistent=number(found, c.IPVS_DEST_ATTR_PERSIST_CONNS, U32),
    )


def nested(body: memoryview) -> Found:
    """Split the attribute IPVS_CMD_ATTR_DEST of a message; as `unpack_destination`."""
    return attributes(needed(attributes(body), c.IPVS_CMD_ATTR_DEST))


def key_of(found: Found, service_family: int) -> DestinationKey:
    """Read a destination's identity out of its attributes; as `unpack_destination`."""
    family = number_or(found, c.IPVS_DEST_ATTR_ADDR_FAMILY, U16, service_family)
    if family not in FAMILIES:
        raise MalformedError(f"a destination of the address family {family}")
    return DestinationKey(
        address(needed(found, c.IPVS_DEST_ATTR_ADDR), family),
        number(found, c.IPVS_DEST_ATTR_PORT, BE16),
    )
