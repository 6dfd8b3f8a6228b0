"""Advertisements on the wire: version 2 (RFC 3768 section 5) and version 3 for IPv4 (RFC 9568 section 5).

`decode` takes any bytes and says what they are or why they are dropped; it never raises.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections.abc import Mapping

import msgspec

PROTOCOL = 112
"""IPPROTO_VRRP (RFC 9568 section 5.1.1.4)."""
GROUP = "224.0.0.18"
"""Where IPv4 advertisements go (RFC 9568 section 5.1.1.2)."""
TTL = 255
"""A router drops whatever came with less: it crossed another router (RFC 9568 section 5.1.1.3)."""

_ADVERTISEMENT = 1
_IP_HEADER = 20
_HEADER = struct.Struct("!BBBBHH")
_AUTHENTICATION = 8
"""Bytes of authentication data that version 2 still ends with, all zero (RFC 3768 section 5.3.10)."""
_GROUP_BYTES = socket.inet_aton(GROUP)


class Drop(enum.StrEnum):
    """Why a packet is not an advertisement for us; the values are metric labels."""

    LENGTH = "length"
    TTL = "ttl"
    VERSION = "version"
    TYPE = "type"
    VRID = "vrid"
    COUNT = "count"
    CHECKSUM = "checksum"
    DESTINATION = "destination"
    AUTHENTICATION = "authentication"
    INTERVAL = "interval"
    OWN = "own"
    """It carries our own source address: a loop in the network, or a second host with our address."""


class Advertisement(msgspec.Struct, frozen=True, kw_only=True):
    """One router's claim to be active."""

    version: int
    virtual_router_id: int
    priority: int
    interval: float
    """Seconds between its advertisements."""
    addresses: tuple[str, ...]
    source: str
    """Its primary address on this link."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance takes part in, as far as a packet can contradict it."""

    version: int
    interval: float


def checksum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071) of an even number of bytes.

    The one's complement sum of 16-bit words is the number they form, modulo 2^16 - 1.
    """
    number = int.from_bytes(data, "big")
    return 0xFFFF - (number % 0xFFFF or 0xFFFF) if number else 0xFFFF


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Make what version 3 puts before the message for its checksum, as keepalived does for IPv4 too."""
    return source + destination + struct.pack("!BBH", 0, PROTOCOL, length)


def encode(advertisement: Advertisement) -> bytes:
    """Write an advertisement as the payload of an IP packet to `GROUP`.

    The interval is rounded to what the version can carry: seconds in version 2, hundredths in version 3.
    """
    addresses = b"".join(socket.inet_aton(address) for address in advertisement.addresses)
    first = advertisement.version << 4 | _ADVERTISEMENT
    if advertisement.version == 2:
        interval = round(advertisement.interval)  # the byte before it is authentication type 0
        trailer = bytes(_AUTHENTICATION)
        prefix = b""
    else:
        interval = round(advertisement.interval * 100)
        trailer = b""
        prefix = _pseudo_header(
            socket.inet_aton(advertisement.source), _GROUP_BYTES, _HEADER.size + len(addresses)
        )
    fields = (
        first,
        advertisement.virtual_router_id,
        advertisement.priority,
        len(advertisement.addresses),
        interval,
    )
    unsummed = _HEADER.pack(*fields, 0) + addresses + trailer
    return _HEADER.pack(*fields, checksum(prefix + unsummed)) + addresses + trailer


def decode(datagram: bytes, expected: Mapping[int, Expected]) -> Advertisement | Drop:
    """Read an IP packet from a raw socket, header included.

    ``expected`` names the virtual routers that this interface takes part in, by identifier. The order of
    the checks is RFC 9568 section 7.1 with keepalived's additions; the first that fails names the reason.
    """
    if len(datagram) < _IP_HEADER + _HEADER.size:
        return Drop.LENGTH
    start = (datagram[0] & 0x0F) * 4
    message = datagram[start:]
    if start < _IP_HEADER or len(message) < _HEADER.size:
        return Drop.LENGTH
    if datagram[8] != TTL:
        return Drop.TTL
    first, identifier, priority, count, interval, _ = _HEADER.unpack_from(message)
    version = first >> 4
    instance = expected.get(identifier)
    reason = (
        _refuse_header(first, instance)
        or _refuse_shape(version, count, len(message))
        or _refuse_content(version, datagram[12:16], datagram[16:20], message)
        or _refuse_interval(version, interval, instance)
    )
    if reason is not None:
        return reason
    return Advertisement(
        version=version,
        virtual_router_id=identifier,
        priority=priority,
        interval=float(interval & 0xFF) if version == 2 else (interval & 0x0FFF) / 100,
        addresses=tuple(
            socket.inet_ntoa(message[at : at + 4]) for at in range(_HEADER.size, _HEADER.size + 4 * count, 4)
        ),
        source=socket.inet_ntoa(datagram[12:16]),
    )


def _refuse_header(first: int, instance: Expected | None) -> Drop | None:
    if first >> 4 not in (2, 3):
        return Drop.VERSION
    if first & 0x0F != _ADVERTISEMENT:
        return Drop.TYPE
    if instance is None:
        return Drop.VRID
    return None if instance.version == first >> 4 else Drop.VERSION


def _refuse_shape(version: int, count: int, length: int) -> Drop | None:
    if count == 0:  # RFC 9568 section 5.2.5: one at least
        return Drop.COUNT
    whole = _HEADER.size + 4 * count + (_AUTHENTICATION if version == 2 else 0)
    return None if length == whole else Drop.LENGTH


def _refuse_content(version: int, source: bytes, destination: bytes, message: bytes) -> Drop | None:
    prefix = b"" if version == 2 else _pseudo_header(source, destination, len(message))
    if checksum(prefix + message):
        return Drop.CHECKSUM
    return None if destination == _GROUP_BYTES else Drop.DESTINATION


def _refuse_interval(version: int, field: int, instance: Expected | None) -> Drop | None:
    """Check the 16 bits that version 2 splits into authentication type and interval.

    Version 2 routers must agree on the interval (RFC 3768 section 7.1); version 3 learns it, but none of 0,
    which would make the active-down interval 0.
    """
    if version == 3:
        return None if field & 0x0FFF else Drop.INTERVAL
    if field >> 8:
        return Drop.AUTHENTICATION
    return None if instance is not None and field == round(instance.interval) else Drop.INTERVAL
