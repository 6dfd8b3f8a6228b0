"""Ping many addresses at once from inside a namespace, without a process for each."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterable

from tests.lab.namespace import Namespace

_REQUEST = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}
_NUMBER = os.getpid() & 0xFFFF


def unanswered(namespace: Namespace, addresses: Iterable[str], within: float = 1.0) -> set[str]:
    """Send one echo request to each address; give those that have not answered in time (seconds)."""
    waiting = set(addresses)
    with (
        namespace.entered(),
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as four,
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as six,
    ):
        for address in waiting:
            family = 6 if ":" in address else 4
            try:
                (six if family == 6 else four).sendto(_request(family), (address, 0))
            except OSError:
                continue  # no answer, for a reason that the kernel knows already
        until = time.monotonic() + within
        while waiting and (left := until - time.monotonic()) > 0:
            for ready in select.select([four, six], [], [], left)[0]:
                packet, (source, *_) = ready.recvfrom(2048)
                if _is_reply(packet, 6 if ready is six else 4):
                    waiting.discard(source)
    return waiting


def _request(family: int) -> bytes:
    body = struct.pack("!BBHHH", _REQUEST[family], 0, 0, _NUMBER, 1)
    # the kernel fills in ICMPv6's checksum, not ICMP's (RFC 1071)
    total = sum(struct.unpack("!4H", body)) if family == 4 else 0
    total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xFFFF if family == 4 else 0) + body[4:]


def _is_reply(packet: bytes, family: int) -> bool:
    if family == 4:
        packet = packet[(packet[0] & 0x0F) * 4 :]
    return (
        len(packet) >= 8 and packet[0] == _REPLY[family] and struct.unpack_from("!H", packet, 4)[0] == _NUMBER
    )
