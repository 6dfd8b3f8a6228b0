"""Hear who announces the addresses of an instance that leaves: its successor has them now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set

from vrrp_agent.arp import ArpSocket
from vrrp_agent.poller import Poller

log = logging.getLogger(__name__)


class Successors:
    """A listening ARP socket on each device that somebody leaves."""

    def __init__(self, poller: Poller, on_announced: Callable[[str, str], None]) -> None:
        """``on_announced`` is called with a device and an address that another host announced there."""
        self._poller = poller
        self._on_announced = on_announced
        self._sockets: dict[str, ArpSocket] = {}

    def watch(self, devices: Set[str]) -> None:
        """Hear these devices from now on, and no others."""
        for device in set(self._sockets) - devices:
            watch = self._sockets.pop(device)
            self._poller.remove(watch.fileno())
            watch.close()
        for device in devices - set(self._sockets):
            try:
                watch = ArpSocket(device, listening=True)
            except OSError as error:
                log.debug("a successor is not heard on %s: %s", device, error)
                continue
            self._sockets[device] = watch
            self._poller.add(watch.fileno(), self._hearing(device, watch))

    def _hearing(self, device: str, watch: ArpSocket) -> Callable[[], None]:
        def hear() -> None:
            for address in watch.heard():
                self._on_announced(device, address)

        return hear
