"""Advertisements as they cross a switch, with the kernel's time stamps, while they do."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from dataclasses import dataclass
from itertools import takewhile

from tests.lab.namespace import BRIDGE, Namespace

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h
_SO_ATTACH_FILTER = 26
_ETH_P_IP = 0x0800
_VRRP = 112
_TIMESPEC = struct.Struct("=qq")
_STATISTICS = struct.Struct("=II")
_ETHERNET, _IP_HEADER = 14, 20

_FILTER = (
    (0x30, 0, 0, _ETHERNET + 9),  # load the byte that names the protocol
    (0x15, 0, 1, _VRRP),  # VRRP: go on, else skip one
    (0x06, 0, 0, 0xFFFF),  # take it whole
    (0x06, 0, 0, 0),  # take nothing
)
"""A classic filter (bpf(2)): the probes that cross the switch thousands of times a second wake nobody."""


@dataclass(frozen=True)
class Heard:
    """One advertisement."""

    at: int
    """Nanoseconds since 1970, when the switch had it."""
    source: str
    virtual_router_id: int
    priority: int


class Listener:
    """Hears a switch from a thread of its own; a context."""

    def __init__(self, switch: Namespace) -> None:
        with switch.entered():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_IP)
            )
        code = b"".join(struct.pack("=HBBI", *line) for line in _FILTER)
        _attach(self._socket, code)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 23)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((BRIDGE, _ETH_P_IP))
        self._socket.settimeout(0.1)
        self.heard: list[Heard] = []
        """Everything so far, in the order of the wire."""
        self._last: dict[tuple[int, str], Heard] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener")

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()

    def last(self, virtual_router_id: int, source: str) -> Heard | None:
        """Give the last advertisement of one router."""
        return self._last.get((virtual_router_id, source))

    def heard_since(self, moment: int) -> list[Heard]:
        """Give what was heard since a moment (nanoseconds since 1970), in the order of the wire."""
        found = list(takewhile(lambda each: each.at >= moment, reversed(self.heard)))
        return found[::-1]

    def lost(self) -> int:
        """Count the packets that found the buffer full since the last call."""
        _, dropped = _STATISTICS.unpack(self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return int(dropped)

    def _listen(self) -> None:
        while not self._done.is_set():
            try:
                frame, ancillary, _, _ = self._socket.recvmsg(256, 64)
            except TimeoutError:
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            message = _ETHERNET + (frame[_ETHERNET] & 0x0F) * 4
            heard = Heard(
                at=seconds * 10**9 + nanoseconds,
                source=socket.inet_ntoa(frame[_ETHERNET + 12 : _ETHERNET + 16]),
                virtual_router_id=frame[message + 1],
                priority=frame[message + 2],
            )
            self._last[heard.virtual_router_id, heard.source] = heard
            self.heard.append(heard)


def _attach(listening: socket.socket, code: bytes) -> None:
    # struct sock_fprog holds a pointer, so the code must live for the length of the call
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
