"""Pack and unpack services and destinations: the attributes of linux/ip_vs.h, in pairs.

Numbers stand in the host's byte order, except port and IPv4 netmask, which stand in the network's. A request
that adds or edits must carry every setting; one that names a thing carries its identity alone.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final

from ipvs_programmer import constants as c
from ipvs_programmer.genetlink import command
from ipvs_programmer.netlink import MalformedError, attribute, attributes
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import (
    Counts,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    MarkKey,
    Service,
    ServiceKey,
)

_SERVICE_KEY: Final = struct.Struct("=HHHxx HHHxx HH16s HH2sxx")
_MARK_KEY: Final = struct.Struct("=HHHxx HHI")
_DESTINATION: Final = struct.Struct("=HH HH16s HH2sxx HHHxx HHI HHi HHI HHI")
_DESTINATION_KEY: Final = struct.Struct("=HH HH16s HH2sxx HHHxx")
_U16: Final = struct.Struct("=H")
_U32: Final = struct.Struct("=I")
_I32: Final = struct.Struct("=i")
_BE16: Final = struct.Struct("!H")
_BE32: Final = struct.Struct("!I")
_FLAGS: Final = struct.Struct("=II")
_ALL: Final = 0xFFFFFFFF
_FAMILIES: Final = (socket.AF_INET.value, socket.AF_INET6.value)


# ---- services


@lru_cache(maxsize=8192)
def _service_key(key: Key) -> bytes:
    """Pack a service's identity; every message about one of its destinations repeats it."""
    if isinstance(key, MarkKey):
        return _MARK_KEY.pack(6, c.IPVS_SVC_ATTR_AF, key.family, 8, c.IPVS_SVC_ATTR_FWMARK, key.mark)
    return _SERVICE_KEY.pack(
        *(6, c.IPVS_SVC_ATTR_AF, key.family),
        *(6, c.IPVS_SVC_ATTR_PROTOCOL, key.protocol),
        *(20, c.IPVS_SVC_ATTR_ADDR, socket.inet_pton(key.family, key.address)),
        *(6, c.IPVS_SVC_ATTR_PORT, _BE16.pack(key.port)),
    )


def pack_service_key(key: Key) -> bytes:
    """Pack a service's identity as the attribute IPVS_CMD_ATTR_SERVICE."""
    return attribute(c.IPVS_CMD_ATTR_SERVICE, _service_key(key))


def pack_service(service: Service) -> bytes:
    """Pack a service with all its settings as the attribute IPVS_CMD_ATTR_SERVICE."""
    netmask = _BE32 if service.key.family == socket.AF_INET else _U32
    body = (
        _service_key(service.key)
        + attribute(c.IPVS_SVC_ATTR_SCHED_NAME, service.scheduler.encode() + b"\0")
        + attribute(c.IPVS_SVC_ATTR_FLAGS, _FLAGS.pack(service.flags, _ALL))
        + attribute(c.IPVS_SVC_ATTR_TIMEOUT, _U32.pack(service.timeout))
        + attribute(c.IPVS_SVC_ATTR_NETMASK, netmask.pack(service.netmask))
    )
    if service.engine:
        body += attribute(c.IPVS_SVC_ATTR_PE_NAME, service.engine.encode() + b"\0")
    return attribute(c.IPVS_CMD_ATTR_SERVICE, body)


def unpack_service(body: memoryview) -> Service:
    """Read a service out of a message's attributes.

    Raises:
        MalformedError: it is none.
    """
    found = attributes(_nested(attributes(body), c.IPVS_CMD_ATTR_SERVICE))
    key = _unpack_key(found)
    flags, _mask = _number_pair(found, c.IPVS_SVC_ATTR_FLAGS)
    netmask = _BE32 if key.family == socket.AF_INET else _U32
    engine = found.get(c.IPVS_SVC_ATTR_PE_NAME)
    return Service(
        key=key,
        scheduler=_text(_nested(found, c.IPVS_SVC_ATTR_SCHED_NAME)),
        flags=flags & ~c.IP_VS_SVC_F_HASHED,
        timeout=_number(found, c.IPVS_SVC_ATTR_TIMEOUT, _U32),
        netmask=_number(found, c.IPVS_SVC_ATTR_NETMASK, netmask),
        engine=_text(engine) if engine is not None else "",
    )


def _unpack_key(found: dict[int, memoryview]) -> Key:
    family = _number(found, c.IPVS_SVC_ATTR_AF, _U16)
    if family not in _FAMILIES:
        raise MalformedError(f"a service of the address family {family}")
    if c.IPVS_SVC_ATTR_FWMARK in found:
        return MarkKey(family, _number(found, c.IPVS_SVC_ATTR_FWMARK, _U32))
    return ServiceKey(
        _number(found, c.IPVS_SVC_ATTR_PROTOCOL, _U16),
        _address(_nested(found, c.IPVS_SVC_ATTR_ADDR), family),
        _number(found, c.IPVS_SVC_ATTR_PORT, _BE16),
    )


# ---- destinations


def pack_destination_key(key: DestinationKey) -> bytes:
    """Pack a destination's identity as the attribute IPVS_CMD_ATTR_DEST."""
    return _DESTINATION_KEY.pack(
        *(_DESTINATION_KEY.size, c.IPVS_CMD_ATTR_DEST),
        *(20, c.IPVS_DEST_ATTR_ADDR, socket.inet_pton(key.family, key.address)),
        *(6, c.IPVS_DEST_ATTR_PORT, _BE16.pack(key.port)),
        *(6, c.IPVS_DEST_ATTR_ADDR_FAMILY, key.family),
    )


def pack_destination(destination: Destination) -> bytes:
    """Pack a destination with all its settings as the attribute IPVS_CMD_ATTR_DEST."""
    key = destination.key
    family = key.family
    return _DESTINATION.pack(
        *(_DESTINATION.size, c.IPVS_CMD_ATTR_DEST),
        *(20, c.IPVS_DEST_ATTR_ADDR, socket.inet_pton(family, key.address)),
        *(6, c.IPVS_DEST_ATTR_PORT, _BE16.pack(key.port)),
        *(6, c.IPVS_DEST_ATTR_ADDR_FAMILY, family),
        *(8, c.IPVS_DEST_ATTR_FWD_METHOD, destination.forwarding),
        *(8, c.IPVS_DEST_ATTR_WEIGHT, destination.weight),
        *(8, c.IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold),
        *(8, c.IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold),
    )


def unpack_destination(body: memoryview, service_family: int) -> Destination:
    """Read a destination out of a message's attributes.

    ``service_family`` is that of its service: kernels before 3.18 do not name the destination's own.

    Raises:
        MalformedError: it is none.
    """
    found = attributes(_nested(attributes(body), c.IPVS_CMD_ATTR_DEST))
    method = _number(found, c.IPVS_DEST_ATTR_FWD_METHOD, _U32) & c.IP_VS_CONN_F_FWD_MASK
    try:
        forwarding = Forwarding(method)
    except ValueError:
        raise MalformedError(f"a destination with the forwarding method {method}") from None
    return Destination(
        key=_unpack_destination_key(found, service_family),
        forwarding=forwarding,
        weight=_number(found, c.IPVS_DEST_ATTR_WEIGHT, _I32),
        upper_threshold=_number(found, c.IPVS_DEST_ATTR_U_THRESH, _U32),
        lower_threshold=_number(found, c.IPVS_DEST_ATTR_L_THRESH, _U32),
    )


def unpack_counts(body: memoryview, service_family: int) -> tuple[DestinationKey, Counts]:
    """Read a destination's identity and connections out of a message; as `unpack_destination`."""
    found = attributes(_nested(attributes(body), c.IPVS_CMD_ATTR_DEST))
    return _unpack_destination_key(found, service_family), Counts(
        active=_number(found, c.IPVS_DEST_ATTR_ACTIVE_CONNS, _U32),
        inactive=_number(found, c.IPVS_DEST_ATTR_INACT_CONNS, _U32),
    )


def _unpack_destination_key(found: dict[int, memoryview], service_family: int) -> DestinationKey:
    family = service_family
    if c.IPVS_DEST_ATTR_ADDR_FAMILY in found:
        family = _number(found, c.IPVS_DEST_ATTR_ADDR_FAMILY, _U16)
    if family not in _FAMILIES:
        raise MalformedError(f"a destination of the address family {family}")
    return DestinationKey(
        _address(_nested(found, c.IPVS_DEST_ATTR_ADDR), family),
        _number(found, c.IPVS_DEST_ATTR_PORT, _BE16),
    )


# ---- requests


def pack_operation(operation: Operation) -> bytes:
    """Pack an operation as a generic netlink payload."""
    match operation:
        case AddDestination():
            return _request(
                c.IPVS_CMD_NEW_DEST,
                pack_service_key(operation.key) + pack_destination(operation.destination),
            )
        case EditDestination():
            return _request(
                c.IPVS_CMD_SET_DEST,
                pack_service_key(operation.key) + pack_destination(operation.destination),
            )
        case DeleteDestination():
            return _request(
                c.IPVS_CMD_DEL_DEST,
                pack_service_key(operation.key) + pack_destination_key(operation.destination),
            )
        case AddService():
            return _request(c.IPVS_CMD_NEW_SERVICE, pack_service(operation.service))
        case EditService():
            return _request(c.IPVS_CMD_SET_SERVICE, pack_service(operation.service))
        case DeleteService():
            return _request(c.IPVS_CMD_DEL_SERVICE, pack_service_key(operation.key))


def services_request() -> bytes:
    """Ask for every service; send it as a dump."""
    return _request(c.IPVS_CMD_GET_SERVICE)


def service_request(key: Key) -> bytes:
    """Ask for one service."""
    return _request(c.IPVS_CMD_GET_SERVICE, pack_service_key(key))


def destinations_request(key: Key) -> bytes:
    """Ask for a service's destinations; send it as a dump."""
    return _request(c.IPVS_CMD_GET_DEST, pack_service_key(key))


def _request(number: int, body: bytes = b"") -> bytes:
    return command(number, c.IPVS_GENL_VERSION, body)


# ---- attributes


def _nested(found: dict[int, memoryview], kind: int) -> memoryview:
    try:
        return found[kind]
    except KeyError:
        raise MalformedError(f"the attribute {kind} is missing") from None


def _number(found: dict[int, memoryview], kind: int, form: struct.Struct) -> int:
    value = _nested(found, kind)
    if len(value) != form.size:
        raise MalformedError(f"the attribute {kind} has {len(value)} bytes and should have {form.size}")
    number: int = form.unpack(value)[0]
    return number


def _number_pair(found: dict[int, memoryview], kind: int) -> tuple[int, int]:
    value = _nested(found, kind)
    if len(value) != _FLAGS.size:
        raise MalformedError(f"the attribute {kind} has {len(value)} bytes and should have {_FLAGS.size}")
    first, second = _FLAGS.unpack(value)
    return first, second


def _address(value: memoryview, family: int) -> str:
    size = 4 if family == socket.AF_INET else 16
    if len(value) < size:
        raise MalformedError(f"an address of {len(value)} bytes")
    return socket.inet_ntop(family, value[:size])


def _text(value: memoryview) -> str:
    try:
        return bytes(value).split(b"\0")[0].decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("a name that is no ASCII text") from None
