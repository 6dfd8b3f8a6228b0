"""A client that never stops asking: ICMP echo to virtual addresses, each answer written down.

``python probe.py EVERY DIRECTORY NAMESPACE=ADDRESS ...`` asks every address from its namespace each ``EVERY``
seconds. The kernel of whoever holds the address answers, so an answer says who owns it and nothing else.
``DIRECTORY/NAMESPACE-ADDRESS`` grows by one record an answer: when it was asked and when it came back, both
in nanoseconds since 1970 as two signed 64-bit integers. Arrival is the kernel's time stamp, so this process
may read late; asking late it may not, so it runs at a real-time priority above that of the routers.
``DIRECTORY/closely`` has a byte for each address: 0 asks it seldom, so that the machine has its time for
others.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

from tests.bench.stalls import realtime
from tests.lab.namespace import Namespace

PRIORITY = 10
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module has no name for it
_SO_RCVBUFFORCE = 33
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h
_REPLIES_ONLY = ~1 & 0xFFFFFFFF
"""A bit for each type that is not wanted; an echo reply is type 0."""
_TIMESPEC = struct.Struct("=qq")
_ECHO = struct.Struct("!BBHHHq")
_IP_HEADER = 20
SELDOM = 20
"""Turns between two questions to an address that nobody watches closely."""
CLOSELY = "closely"
"""The file that says which are."""
_FLUSH = 0.02
"""Seconds between two looks at what came back."""


def echo(sequence: int, sent: int) -> bytes:
    """Write an echo request (RFC 792) that carries the time at which it is sent."""
    unsummed = _ECHO.pack(8, 0, 0, 1, sequence & 0xFFFF, sent)
    rest = int.from_bytes(unsummed, "big") % 0xFFFF
    return _ECHO.pack(8, 0, 0xFFFF - rest, 1, sequence & 0xFFFF, sent)


class Target:
    """One virtual address, asked from one namespace."""

    def __init__(self, namespace: str, address: str, record: Path) -> None:
        with Namespace(namespace).entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", _REPLIES_ONLY))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        self._socket.connect((address, 0))
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def ask(self, sequence: int) -> None:
        """Send one request; an address that nobody owns may make that fail."""
        with contextlib.suppress(OSError):
            self._socket.send(echo(sequence, time.time_ns()))

    def collect(self) -> None:
        """Write down what has come back."""
        answers = array("q")
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(64, 64)
            except OSError:
                break
            if len(data) != _IP_HEADER + _ECHO.size:
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            answers.extend((_ECHO.unpack_from(data, _IP_HEADER)[5], seconds * 10**9 + nanoseconds))
        if answers:
            os.write(self._record, answers.tobytes())


def main(every: float, directory: Path, targets: Sequence[str]) -> None:
    """Ask until killed."""
    asked = [Target(*target.split("="), directory / record_name(target)) for target in targets]
    with (directory / CLOSELY).open("r+b") as file:
        closely = memoryview(mmap.mmap(file.fileno(), len(targets)))
    realtime(PRIORITY)
    number, at = 0, time.monotonic()
    collect_at = at
    while True:
        number += 1
        for target, close in zip(asked, closely, strict=True):
            if close or number % SELDOM == 0:
                target.ask(number)
        now = time.monotonic()
        if now >= collect_at:
            collect_at = now + _FLUSH
            for target in asked:
                target.collect()
        # what was missed is not made up for: a burst would say nothing
        at = max(at + every, time.monotonic())
        time.sleep(max(0.0, at - time.monotonic()))


def record_name(target: str) -> str:
    """Name the file in which a target's answers are written down."""
    return target.replace("=", "-")


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
