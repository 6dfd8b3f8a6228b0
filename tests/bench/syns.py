"""When connections begin, seen at the targets: each SYN on loopback with the kernel's time stamp."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from tests.lab.namespace import Namespace

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_IGNORE_OUTGOING = 23
"""Loopback shows each packet twice."""
_BUFFER = 64 << 20
_STAMP = struct.Struct("=qq")
# linux/bpf_common.h: of IPv4 (packet(7), SOCK_DGRAM: from its header on) TCP with SYN and without ACK
_FILTER = [
    (0x30, 0, 0, 9),  # A = protocol
    (0x15, 0, 5, 6),  # TCP, or drop
    (0xB1, 0, 0, 0),  # X = length of the header
    (0x50, 0, 0, 13),  # A = flags
    (0x54, 0, 0, 0x12),  # SYN and ACK of them
    (0x15, 0, 1, 0x02),  # SYN alone, or drop
    (0x06, 0, 0, 64),
    (0x06, 0, 0, 0),
]


class Syns:
    """What begins in a namespace, from when this was made."""

    def __init__(self, namespace: Namespace) -> None:
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _FILTER))
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        attached = struct.pack("@HP", len(_FILTER), ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)

    def gather(self, seconds: float) -> dict[bytes, list[float]]:
        """Watch for so long; give the times of each target's connections, in seconds, by its address."""
        until = time.monotonic() + seconds
        begun: dict[bytes, list[float]] = defaultdict(list)
        self._socket.settimeout(0.1)
        while time.monotonic() < until:
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(64, 64)
            except TimeoutError:
                continue
            full, nanoseconds = _STAMP.unpack(ancillary[0][2][: _STAMP.size])
            begun[packet[16:20]].append(full + nanoseconds * 1e-9)
        self._socket.close()
        return begun


def lateness(begun: Iterable[list[float]], interval: float) -> list[float]:
    """Give by how many seconds each time between two connections of a target exceeded the interval, or 0."""
    return [max(0.0, after - before - interval) for times in begun for before, after in pairwise(times)]
