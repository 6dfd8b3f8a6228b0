"""The kernel's own bytes, recorded where it has IPVS and played back where there is none.

A recording holds what a read of the whole table received. Only the sequence numbers are made to fit, and that
is part of what is measured then.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from pathlib import Path
from typing import Any

from ipvs_programmer import constants as c
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.netlink import NetlinkSocket
from ipvs_programmer.octets import HEADER

_LENGTH = struct.Struct("=I")
_SEQUENCE_AT = 8
"""Bytes from the begin of a netlink message to its sequence number."""


class _Recorder(socket.socket):
    """A netlink socket that keeps what it receives, as one answer a send."""

    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.answers: list[list[bytes]] = []

    def send(self, data: Any, flags: int = 0) -> int:
        self.answers.append([])
        return super().send(data, flags)

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) -> Any:
        found = super().recvmsg_into(buffers, ancbufsize, flags)
        self.answers[-1].append(bytes(memoryview(buffers[0])[: found[0]]))
        return found


def record(path: Path) -> None:
    """Read the whole table of this thread's network namespace, and keep the kernel's bytes."""
    made: list[_Recorder] = []

    def make(*arguments: int) -> socket.socket:
        made.append(_Recorder(*arguments))
        return made[-1]

    kernel = IpvsKernel(lambda: NetlinkSocket(c.NETLINK_GENERIC, make))
    kernel.read()
    kernel.close()
    with path.open("wb") as file:
        for datagrams in made[0].answers:
            file.write(_LENGTH.pack(len(datagrams)))
            for datagram in datagrams:
                file.write(_LENGTH.pack(len(datagram)) + datagram)


class _Player:
    """Answers each send with what was received then."""

    def __init__(self, answers: deque[list[bytes]]) -> None:
        self._answers = answers
        self._waiting: deque[bytes] = deque()
        self._sequence = b""

    def bind(self, _address: tuple[int, int]) -> None:
        """Nothing is bound."""

    def close(self) -> None:
        """Nothing is open."""

    def setsockopt(self, *_arguments: object) -> None:
        """Nothing is to be set."""

    def getsockopt(self, _level: int, _option: int) -> int:
        """Give the size of any buffer."""
        return 8 << 20

    def send(self, datagram: bytes) -> int:
        """Take a request; the next answers wait then."""
        self._sequence = datagram[_SEQUENCE_AT : _SEQUENCE_AT + 4]
        self._waiting.extend(self._answers.popleft())
        return len(datagram)

    def recvmsg_into(self, buffers: list[bytearray]) -> tuple[int, list[Any], int, tuple[int, int]]:
        """Give the next datagram, with the sequence number that was asked with."""
        datagram = self._waiting.popleft()
        buffer = buffers[0]
        size, offset = len(datagram), 0
        buffer[:size] = datagram
        while offset < size:
            at = offset + _SEQUENCE_AT
            buffer[at : at + 4] = self._sequence
            offset += (HEADER.unpack_from(datagram, offset)[0] + 3) & ~3
        return size, [], 0, (0, 0)


def replayed(path: Path) -> IpvsKernel:
    """Make a kernel that can be read once, whole, and says what was recorded."""
    body = path.read_bytes()
    answers: deque[list[bytes]] = deque()
    offset = 0

    def number() -> int:
        nonlocal offset
        offset += 4
        found: int = _LENGTH.unpack_from(body, offset - 4)[0]
        return found

    while offset < len(body):
        datagrams = []
        for _ in range(number()):
            size = number()
            datagrams.append(body[offset : offset + size])
            offset += size
        answers.append(datagrams)
    player: Any = _Player(answers)
    return IpvsKernel(lambda: NetlinkSocket(c.NETLINK_GENERIC, lambda *_: player))
