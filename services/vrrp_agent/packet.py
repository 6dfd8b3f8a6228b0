"""Advertisements on the wire.

Version 2 (RFC 3768 section 5; passwords RFC 2338 section 5.3.6) and version 3 for IPv4 and IPv6 (RFC 9568
section 5), with or without an authentication trailer.

`decode` takes any bytes and says what they are or why they are dropped; it never raises.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from vrrp_agent.checksum import checksum, pseudo_header
from vrrp_agent.datagram import Datagram
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected, pack

HEADER = 8
"""Bytes before the addresses, in either version."""

_ADVERTISEMENT = 1
_HEADER = struct.Struct("!BBBBHH")
_FIELDS = struct.Struct("!BBBBH")
"""The header up to its checksum."""
_MULTICAST_TTL = 255
_AUTHENTICATION = 8
"""Bytes of authentication data that version 2 ends with, all zero without one (RFC 3768 section 5.3.10)."""
_NO_AUTHENTICATION = bytes(_AUTHENTICATION)
_PASS = 1
"""Authentication type: a password in clear text (RFC 2338 section 5.3.6)."""
_TRAILER = 28
"""`vrrp_agent.authentication.TRAILER`, which is not imported where no key is configured."""


class Advertisement(msgspec.Struct, frozen=True, kw_only=True):
    """One router's claim to be active."""

    version: int
    family: int = 4
    virtual_router_id: int
    priority: int
    interval: float
    """Seconds between its advertisements."""
    addresses: tuple[str, ...]
    source: str
    """Its primary address on this link."""


# ---- writing


def compose(expected: Expected, priority: int) -> bytes:
    """Write an instance's advertisement as it is before the checksum, which depends on where it goes.

    The interval is rounded to what the version can carry: seconds in version 2, hundredths in version 3.
    Addresses keep their order: in IPv6 the first has to be the link-local one (RFC 9568 section 5.2.9).
    """
    if expected.version == 2:
        interval = (_PASS if expected.password else 0) << 8 | round(expected.interval)
        end = expected.password or _NO_AUTHENTICATION
    else:
        interval = round(expected.interval * 100)
        end = b""
    header = _HEADER.pack(
        expected.version << 4 | _ADVERTISEMENT,
        expected.virtual_router_id,
        priority,
        len(expected.addresses),
        interval,
        0,
    )
    return header + b"".join(map(pack, expected.addresses)) + end


def seal(
    unsummed: bytes, expected: Expected, source: bytes, destination: bytes, trailer: bytes = b""
) -> bytes:
    """Give a composed advertisement its checksum and its trailer; addresses are packed.

    The checksum is made here for IPv6 too, not by the kernel (IPV6_CHECKSUM): a receiving socket with that
    option throws away what is wrong before anybody can count it.
    """
    summed = unsummed + trailer if expected.family == 6 else unsummed
    prefix = _prefix(expected, source, destination, len(summed))
    return unsummed[:6] + checksum(prefix + summed).to_bytes(2, "big") + unsummed[8:] + trailer


def encode(advertisement: Advertisement, expected: Expected, destination: str) -> bytes:
    """Write any router's advertisement as the payload of an IP packet, without a trailer.

    ``expected`` gives what an advertisement does not show: the password, the kind of checksum.
    """
    told = msgspec.structs.replace(
        expected,
        family=advertisement.family,
        version=advertisement.version,
        virtual_router_id=advertisement.virtual_router_id,
        interval=advertisement.interval,
        addresses=advertisement.addresses,
    )
    unsummed = compose(told, advertisement.priority)
    return seal(unsummed, told, pack(advertisement.source), pack(destination))


def _prefix(expected: Expected, source: bytes, destination: bytes, length: int) -> bytes:
    if expected.version == 2 or not (expected.pseudo_header or expected.family == 6):
        return b""
    return pseudo_header(source, destination, length)


# ---- reading


def decode(datagram: Datagram, expected: Expected, now: float = 0.0) -> Advertisement | Drop:
    """Read a packet for an instance.

    The order of the checks is keepalived's, within RFC 9568 section 7.1; the first that fails is the reason.
    A valid trailer may still be a replay: that is for `vrrp_agent.authentication.ReplayWindow`, after this.

    Args:
        datagram: What arrived.
        expected: The instance that it is for, by `vrrp_agent.directory.Directory`.
        now: Seconds since 1970; looked at only for trailers with a time window.
    """
    message = datagram.message
    if len(message) < HEADER:
        return Drop.LENGTH
    first, identifier, priority, count, interval = _FIELDS.unpack_from(message)
    if identifier != expected.virtual_router_id:
        return Drop.VRID
    multicast = datagram.multicast
    if multicast and datagram.ttl != _MULTICAST_TTL:
        return Drop.TTL
    version = expected.version
    if first >> 4 != version:
        return Drop.VERSION
    width = 16 if expected.family == 6 else 4
    end = HEADER + width * count + (_AUTHENTICATION if version == 2 else 0)
    reason = (
        _refuse_shape(datagram, end, expected, now)
        or (_refuse_version_2(interval, message[:end], expected) if version == 2 else None)
        or _refuse_fields(first, count, interval, expected)
        or _refuse_checksum(datagram, message if expected.family == 6 else message[:end], expected)
        or _refuse_cast(datagram, expected, multicast=multicast)
    )
    if reason:
        return reason
    text, family = (socket.AF_INET6, 6) if width == 16 else (socket.AF_INET, 4)
    return Advertisement(
        version=version,
        family=family,
        virtual_router_id=identifier,
        priority=priority,
        interval=float(interval & 0xFF) if version == 2 else (interval & 0x0FFF) / 100,
        addresses=tuple(
            [
                socket.inet_ntop(text, message[at : at + width])
                for at in range(HEADER, HEADER + width * count, width)
            ]
        ),
        source=socket.inet_ntop(text, datagram.source),
    )


def signed(datagram: Datagram, expected: Expected) -> bool:
    """Say whether a valid packet has a trailer (permissive instances take both)."""
    message = datagram.message
    width = 16 if expected.family == 6 else 4
    return len(message) != HEADER + width * message[3] + (_AUTHENTICATION if expected.version == 2 else 0)


def _refuse_shape(datagram: Datagram, end: int, expected: Expected, now: float) -> Drop | None:
    length, keyring = len(datagram.message), expected.keyring
    if keyring is None:
        return None if length == end else Drop.LENGTH
    if length == end + _TRAILER:
        return keyring.refuse(datagram.source, datagram.message, now)
    if length != end:
        return Drop.LENGTH
    return Drop.UNSIGNED if keyring.strict else None


def _refuse_version_2(field: int, message: bytes, expected: Expected) -> Drop | None:
    """Check authentication type, password and interval: version 2 routers must agree on all of them."""
    if field >> 8 != (_PASS if expected.password else 0):
        return Drop.AUTHENTICATION
    # under type 0 whatever stands in the data is ignored (RFC 3768 section 5.3.10)
    if expected.password and message[-_AUTHENTICATION:] != expected.password:
        return Drop.PASSWORD
    return None if field & 0xFF == round(expected.interval) else Drop.INTERVAL


def _refuse_fields(first: int, count: int, interval: int, expected: Expected) -> Drop | None:
    if first & 0x0F != _ADVERTISEMENT:
        return Drop.TYPE
    # RFC 9568 section 5.2.5 asks for one at least; an election without addresses has none on any router
    if not count and expected.addresses:
        return Drop.COUNT
    # version 3 learns the interval, but none of 0: that would make the active-down interval 0
    return Drop.INTERVAL if expected.version == 3 and not interval & 0x0FFF else None


def _refuse_checksum(datagram: Datagram, message: bytes, expected: Expected) -> Drop | None:
    prefix = _prefix(expected, datagram.source, datagram.destination, len(message))
    if not checksum(prefix + message):
        return None
    if expected.version == 3 and expected.family == 4:
        other = b"" if prefix else pseudo_header(datagram.source, datagram.destination, len(message))
        if not checksum(other + message):
            return Drop.PSEUDO_HEADER
    return Drop.CHECKSUM


def _refuse_cast(datagram: Datagram, expected: Expected, *, multicast: bool) -> Drop | None:
    if multicast:
        if not expected.group:
            return Drop.MULTICAST
        return None if datagram.destination == expected.packed_group else Drop.DESTINATION
    if expected.group:
        return Drop.UNICAST
    lives = expected.peers.get(datagram.source)
    if lives is None:
        return Drop.PEER if expected.only_peers else None
    return None if datagram.ttl in lives else Drop.TTL
