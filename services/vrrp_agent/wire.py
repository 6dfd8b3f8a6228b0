"""One interface as the instances on it use it: its sockets, and who is meant by a packet."""

from __future__ import annotations

from collections.abc import Callable

from vrrp_agent import metrics
from vrrp_agent.packet import Advertisement, Drop, Expected, decode
from vrrp_agent.poller import Poller
from vrrp_agent.sockets import Receiver, Sender

Listener = Callable[[Advertisement], None]

_BATCH = 4096
"""Packets taken at a time: more than the kernel's buffer holds, so a flood cannot hold the loop."""


class Wire:
    """Both sockets of an interface, opened again when the interface or its address became another."""

    def __init__(self, interface: str, poller: Poller) -> None:
        self.interface = interface
        self.sender: Sender | None = None
        self._receiver: Receiver | None = None
        self._index = 0
        self._poller = poller
        self._expected: dict[int, Expected] = {}
        self._listeners: dict[int, Listener] = {}

    def expect(self, identifier: int, expected: Expected, listener: Listener) -> None:
        """Hand the advertisements for a virtual router to a listener from now on."""
        self._expected[identifier] = expected
        self._listeners[identifier] = listener

    def dismiss(self, identifier: int) -> bool:
        """Hear no more for a virtual router; close and return True when it was the last one here."""
        self._expected.pop(identifier, None)
        self._listeners.pop(identifier, None)
        if self._expected:
            return False
        self._close_receiver()
        self._close_sender()
        return True

    def open(self, index: int, source: str) -> None:
        """Make sure of both sockets.

        Raises:
            OSError: the interface is gone, or has lost the address, in this moment.
        """
        if self._receiver is None or index != self._index:
            self._close_receiver()
            self._close_sender()
            self._receiver = Receiver(self.interface, index)
            self._index = index
            self._poller.add(self._receiver.fileno(), self.hear)
        if self.sender is None or self.sender.source != source:
            self._close_sender()
            self.sender = Sender(self.interface, index, source)

    def hear(self) -> None:
        """Take every packet that has arrived and hand on those that are advertisements for us."""
        for _ in range(_BATCH):
            if self._receiver is None:  # what one packet led to may have closed it
                return
            datagram = self._receiver.receive()
            if datagram is None:
                return
            found = decode(datagram, self._expected)
            if isinstance(found, Drop):
                self._dropped(found)
            elif self.sender is not None and found.source == self.sender.source:
                self._dropped(Drop.OWN)
            else:
                self._listeners[found.virtual_router_id](found)

    def _dropped(self, reason: Drop) -> None:
        metrics.PACKETS_DROPPED.add(interface=self.interface, reason=reason.value)

    def _close_receiver(self) -> None:
        if self._receiver is not None:
            self._poller.remove(self._receiver.fileno())
            self._receiver.close()
            self._receiver = None

    def _close_sender(self) -> None:
        if self.sender is not None:
            self.sender.close()
            self.sender = None
