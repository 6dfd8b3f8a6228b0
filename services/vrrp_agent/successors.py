"""Hear who announces the addresses of an instance that leaves: its successor has them now."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Set

from vipbus.runtime.poller import Poller
from vrrp_agent import arp, bpf, neighbour_advertisement
from vrrp_agent.interfaces import Interfaces

log = logging.getLogger(__name__)

_BATCH = 256
"""Frames taken at a time, so that a flood cannot hold the loop."""


class Ear:
    """A packet socket that hears announcements of one kind on one Ethernet device.

    A packet socket hears what is for all nodes whatever addresses are on the device, and sees the sender's
    hardware address; a raw ICMPv6 socket would do neither.
    """

    def __init__(self, device: str, *, six: bool) -> None:
        self._read = neighbour_advertisement.announced if six else arp.announced
        # made with protocol 0, which receives nothing, and hooked up once, by bind, for this device alone
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
        )
        try:
            if six:
                bpf.attach(self._socket, neighbour_advertisement.HEARD)
            self._socket.bind((device, neighbour_advertisement.ETH_P_IPV6 if six else arp.ETH_P_ARP))
            self.hardware: bytes = self._socket.getsockname()[4]
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, for epoll."""
        return self._socket.fileno()

    def heard(self) -> list[tuple[bytes, str]]:
        """Give who has announced what since the last call: hardware addresses and addresses."""
        found: list[tuple[bytes, str]] = []
        for _ in range(_BATCH):
            try:
                frame = self._socket.recv(2048)
            except OSError:  # nothing left, or the device went down
                break
            announced = self._read(frame)
            if announced is not None:
                found.append(announced)
        return found

    def close(self) -> None:
        """Close it, in a thread: the kernel lets a packet socket's close wait for an RCU grace period."""
        threading.Thread(target=self._socket.close, name="close", daemon=True).start()


class Successors:
    """Listening sockets on each device that somebody leaves."""

    def __init__(
        self, poller: Poller, on_announced: Callable[[str, str], None], interfaces: Interfaces
    ) -> None:
        """``on_announced`` is called with a device and an address that another host announced there."""
        self._poller = poller
        self._on_announced = on_announced
        self._interfaces = interfaces
        self._ears: dict[str, list[Ear]] = {}

    @property
    def watching(self) -> bool:
        """True while some device is heard."""
        return bool(self._ears)

    def watch(self, devices: Set[str]) -> None:
        """Hear these devices from now on, and no others."""
        for device in set(self._ears) - devices:
            for ear in self._ears.pop(device):
                self._poller.remove(ear.fileno())
                ear.close()
        for device in devices - set(self._ears):
            ears = self._ears[device] = []
            for six in (False, True):
                try:
                    ear = Ear(device, six=six)
                except OSError as error:
                    log.debug("a successor is not heard on %s: %s", device, error)
                    continue
                ears.append(ear)
                self._poller.add(ear.fileno(), self._hearing(device, ear))

    def _hearing(self, device: str, ear: Ear) -> Callable[[], None]:
        def hear() -> None:
            link = self._interfaces.link(device)
            # a successor speaks with the virtual MAC that this device has too; anywhere else it is an
            # echo of our own
            shared = link is not None and link.kind in ("macvlan", "ipvlan")
            for hardware, address in ear.heard():
                if shared or hardware != ear.hardware:
                    self._on_announced(device, address)

        return hear
