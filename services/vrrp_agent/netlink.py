"""Netlink's framing: messages, attributes, answers (netlink(7)). Whatever the bytes, nothing raises."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_DUMP_INTR = 0x10
"""The list changed while it was read: it is not whole."""
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")

_FLAGS_AT, _SEQUENCE_AT = 6, 8
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 10, 11, 12
_RTATTR = struct.Struct("=HH")
_KIND_MASK = 0x3FFF
"""Without NLA_F_NESTED and NLA_F_NET_BYTEORDER."""
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_NLMSGERR_ATTR_MSG = 1


class Message(NamedTuple):
    """One message of a datagram."""

    kind: int
    flags: int
    sequence: int
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What became of a request; ``code`` is an errno, 0 when it was done."""

    sequence: int
    code: int
    text: str = ""
    """The kernel's own words, where it has any."""


def messages(data: bytes) -> Iterator[Message]:
    """Read the messages of a datagram, as far as they are whole."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            return
        yield Message(kind, flags, sequence, data[at + HEADER.size : at + length])
        at += (length + 3) & ~3


def attributes(body: bytes, at: int = 0) -> Iterator[tuple[int, bytes]]:
    """Read the attributes that follow a fixed part of ``at`` bytes."""
    while at + _RTATTR.size <= len(body):
        length, kind = _RTATTR.unpack_from(body, at)
        if length < _RTATTR.size:
            return
        yield kind & _KIND_MASK, body[at + _RTATTR.size : at + length]
        at += (length + 3) & ~3


def integer(value: bytes | None) -> int:
    """Read an attribute that is a number of this host's order; 0 when there is none."""
    return int.from_bytes(value[:8], "little" if _LITTLE else "big") if value else 0


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def text(value: bytes | None) -> str:
    """Read an attribute that is a name."""
    return value.split(b"\0", 1)[0].decode(errors="replace") if value else ""


def address(value: bytes | None) -> str:
    """Read an attribute that is an IPv4 or IPv6 address; empty when it is neither."""
    if value is not None and len(value) in (4, 16):
        return socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)
    return ""


def answer(message: Message) -> Answer | None:
    """Read an acknowledgement or a refusal; None when the message is neither."""
    if message.kind != NLMSG_ERROR or len(message.body) < 4 + HEADER.size:
        return None
    (code,) = struct.unpack_from("=i", message.body)
    length, _, _, _, _ = HEADER.unpack_from(message.body, 4)
    said = ""
    if message.flags & _NLM_F_ACK_TLVS:
        at = 4 + (HEADER.size if message.flags & _NLM_F_CAPPED else (length + 3) & ~3)
        said = text(dict(attributes(message.body, at)).get(_NLMSGERR_ATTR_MSG))
    return Answer(message.sequence, -code if code < 0 else 0, said)


def route_socket() -> socket.socket:
    """Open a socket to route netlink whose refusals carry the kernel's words and not the request.

    Raises:
        OSError: the kernel gives none.
    """
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
        try:
            opened.setsockopt(_SOL_NETLINK, option, 1)
        except OSError:  # an older kernel: its refusals are numbers, its lists longer
            continue
    return opened


def request(through: socket.socket, requests: Sequence[bytes]) -> list[Answer]:
    """Send requests at once, with an acknowledgement asked of the last alone.

    The socket does not block: the kernel has answered when send returns. The answers' sequences count the
    requests from 0, and what is not among them was done.
    """
    batch = bytearray()
    for number, request in enumerate(requests):
        start = len(batch)
        batch += request
        struct.pack_into("=I", batch, start + _SEQUENCE_AT, number)
        if number == len(requests) - 1:
            (flags,) = struct.unpack_from("=H", batch, start + _FLAGS_AT)
            struct.pack_into("=H", batch, start + _FLAGS_AT, flags | NLM_F_ACK)
        batch += bytes(-len(batch) % 4)
    last = len(requests) - 1
    answers: list[Answer] = []
    try:
        through.send(batch)
        while not answers or answers[-1].sequence != last:
            answers += [each for message in messages(through.recv(1 << 16)) if (each := answer(message))]
    except OSError as error:
        answers.append(Answer(last, error.errno or errno.EIO, "netlink"))
    return [each for each in answers if each.sequence <= last]


def in_words(found: Answer) -> str:
    """Say why a request was refused."""
    return os.strerror(found.code) + (f" ({found.text})" if found.text else "")
