"""Gratuitous ARP: how neighbours learn that an address has moved (RFC 826, RFC 5227 section 2.3)."""

from __future__ import annotations

import socket
import struct
import threading

from vipbus.contracts import VirtualAddress
from vrrp_agent.timing import GARP_REPEAT

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETH_P_ARP = 0x0806
_ETH_P_IP = 0x0800
_BROADCAST = b"\xff" * 6
_REQUEST = 1


def gratuitous(hardware: bytes, address: str) -> bytes:
    """Write a broadcast ARP request whose sender and target address are both ``address``."""
    protocol = socket.inet_aton(address)
    return _ETHERNET.pack(_BROADCAST, hardware, _ETH_P_ARP) + _ARP.pack(
        1, _ETH_P_IP, 6, 4, _REQUEST, hardware, protocol, bytes(6), protocol
    )


def announced(frame: bytes) -> tuple[bytes, str] | None:
    """Read who announces which address: the sender of a gratuitous ARP; None for any other frame."""
    if len(frame) < _ETHERNET.size + _ARP.size:
        return None
    _, _, kind = _ETHERNET.unpack_from(frame)
    if kind != _ETH_P_ARP:
        return None
    hardware_type, protocol_type, _, _, _, hardware, sender, _, target = _ARP.unpack_from(
        frame, _ETHERNET.size
    )
    if (hardware_type, protocol_type) != (1, _ETH_P_IP) or sender != target:
        return None
    return hardware, socket.inet_ntoa(sender)


class ArpSocket:
    """Sends on one Ethernet interface, and with ``listening`` hears what others announce there."""

    def __init__(self, interface: str, *, listening: bool = False) -> None:
        # made with protocol 0, which receives nothing: what only sends fills no buffer, and what listens
        # is hooked up once, by bind, for this interface alone
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
        )
        try:
            self._socket.bind((interface, _ETH_P_ARP if listening else 0))
            self.hardware: bytes = self._socket.getsockname()[4]
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def announce(self, addresses: tuple[str, ...], repeat: int) -> None:
        """Send a burst: every address once, then all of them again, ``repeat`` times.

        Raises:
            OSError: the interface is gone or down.
        """
        frames = [gratuitous(self.hardware, address) for address in addresses]
        for _ in range(repeat):
            for frame in frames:
                self._socket.send(frame)

    def heard(self) -> list[str]:
        """Give the addresses that other hosts have announced since the last call."""
        found: list[str] = []
        while True:
            try:
                frame = self._socket.recv(2048)
            except OSError:  # nothing left, or the interface went down
                return found
            sender = announced(frame)
            if sender is not None and sender[0] != self.hardware:
                found.append(sender[1])

    def close(self) -> None:
        """Close it, in a thread: the kernel lets a packet socket's close wait for an RCU grace period."""
        threading.Thread(target=self._socket.close, name="close", daemon=True).start()


class Neighbours:
    """The ARP sockets of every device, kept open: opening and closing one costs more than a burst."""

    def __init__(self) -> None:
        self._speaking: dict[str, ArpSocket] = {}

    def announce(self, addresses: tuple[VirtualAddress, ...]) -> str:
        """Announce addresses on their devices; return what went wrong, in words."""
        problems = []
        for device in sorted({each.dev for each in addresses}):
            on_it = tuple(each.address for each in addresses if each.dev == device)
            try:
                try:
                    self._speaker(device).announce(on_it, GARP_REPEAT)
                except OSError:  # the device may have been made anew, with another index
                    self._forget(device)
                    self._speaker(device).announce(on_it, GARP_REPEAT)
            except OSError as error:
                problems.append(f"no gratuitous ARP on {device}: {error.strerror}")
        return "; ".join(problems)

    def _speaker(self, device: str) -> ArpSocket:
        speaker = self._speaking.get(device)
        if speaker is None:
            speaker = self._speaking[device] = ArpSocket(device)
        return speaker

    def _forget(self, device: str) -> None:
        speaker = self._speaking.pop(device, None)
        if speaker is not None:
            speaker.close()
