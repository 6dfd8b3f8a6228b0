"""Services: IPVS_SVC_ATTR_* of linux/ip_vs.h, packed and unpacked in pairs.

Numbers stand in the host's byte order, except port and IPv4 netmask, which stand in the network's. A request
that adds or edits must carry every setting; one that names a service carries its identity alone.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Final

from ipvs_programmer import constants as c
from ipvs_programmer.codec.fields import (
    BE16,
    BE32,
    FAMILIES,
    FLAGS,
    U16,
    U32,
    Found,
    address,
    needed,
    number,
    text,
)
from ipvs_programmer.octets import MalformedError, attribute, attributes
from ipvs_programmer.table import Key, MarkKey, Service, ServiceKey

_SERVICE_KEY: Final = struct.Struct("=HHHxx HHHxx HH16s HH2sxx")
_MARK_KEY: Final = struct.Struct("=HHHxx HHI")
_ALL: Final = 0xFFFFFFFF


@lru_cache(maxsize=8192)
def pack_key(key: Key) -> bytes:
    """Pack a service's identity; every message about one of its destinations repeats it."""
    if isinstance(key, MarkKey):
        body = _MARK_KEY.pack(6, c.IPVS_SVC_ATTR_AF, key.family, 8, c.IPVS_SVC_ATTR_FWMARK, key.mark)
    else:
        body = _SERVICE_KEY.pack(
            *(6, c.IPVS_SVC_ATTR_AF, key.family),
            *(6, c.IPVS_SVC_ATTR_PROTOCOL, key.protocol),
            *(20, c.IPVS_SVC_ATTR_ADDR, socket.inet_pton(key.family, key.address)),
            *(6, c.IPVS_SVC_ATTR_PORT, BE16.pack(key.port)),
        )
    return attribute(c.IPVS_CMD_ATTR_SERVICE, body)


def pack_service(service: Service) -> bytes:
    """Pack a service with all its settings as the attribute IPVS_CMD_ATTR_SERVICE."""
    netmask = BE32 if service.key.family == socket.AF_INET else U32
    body = (
        pack_key(service.key)[4:]
        + attribute(c.IPVS_SVC_ATTR_SCHED_NAME, service.scheduler.encode() + b"\0")
        + attribute(c.IPVS_SVC_ATTR_FLAGS, FLAGS.pack(service.flags, _ALL))
        + attribute(c.IPVS_SVC_ATTR_TIMEOUT, U32.pack(service.timeout))
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
    found = nested(body)
    key = key_of(found)
    netmask = BE32 if key.family == socket.AF_INET else U32
    engine = found.get(c.IPVS_SVC_ATTR_PE_NAME)
    return Service(
        key=key,
        scheduler=text(needed(found, c.IPVS_SVC_ATTR_SCHED_NAME)),
        flags=_flags(needed(found, c.IPVS_SVC_ATTR_FLAGS)) & ~c.IP_VS_SVC_F_HASHED,
        timeout=number(found, c.IPVS_SVC_ATTR_TIMEOUT, U32),
        netmask=number(found, c.IPVS_SVC_ATTR_NETMASK, netmask),
        engine=text(engine) if engine is not None else "",
    )


def unpack_key(body: memoryview) -> Key:
    """Read a service's identity out of a message's attributes; as `unpack_service`."""
    return key_of(nested(body))


def nested(body: memoryview) -> Found:
    """Split the attribute IPVS_CMD_ATTR_SERVICE of a message; as `unpack_service`."""
    return attributes(needed(attributes(body), c.IPVS_CMD_ATTR_SERVICE))


def key_of(found: Found) -> Key:
    """Read a service's identity out of its attributes; as `unpack_service`."""
    family = number(found, c.IPVS_SVC_ATTR_AF, U16)
    if family not in FAMILIES:
        raise MalformedError(f"a service of the address family {family}")
    if c.IPVS_SVC_ATTR_FWMARK in found:
        return MarkKey(family, number(found, c.IPVS_SVC_ATTR_FWMARK, U32))
    return ServiceKey(
        number(found, c.IPVS_SVC_ATTR_PROTOCOL, U16),
        address(needed(found, c.IPVS_SVC_ATTR_ADDR), family),
        number(found, c.IPVS_SVC_ATTR_PORT, BE16),
    )


def _flags(value: memoryview) -> int:
    if len(value) != FLAGS.size:
        raise MalformedError(f"service flags of {len(value)} bytes that should have {FLAGS.size}")
    flags: int = FLAGS.unpack(value)[0]
    return flags
