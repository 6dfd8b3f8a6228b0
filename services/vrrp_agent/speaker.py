"""How one instance advertises: its messages, ready for each destination, and the socket they go through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vrrp_agent.expected import Expected, pack
from vrrp_agent.packet import compose, seal
from vrrp_agent.senders import Mouth, Sender, Senders

if TYPE_CHECKING:
    from vrrp_agent.authentication import Sequence


class Speaker:
    """Speaks for an instance from one address; made anew when either becomes another."""

    def __init__(self, expected: Expected, mouth: Mouth, senders: Senders, sequence: Sequence | None) -> None:
        """Open the socket, or share the one that is there.

        Raises:
            OSError: the device is gone, or the address is not here.
        """
        self.expected = expected
        self.mouth = mouth
        self.source = mouth.source
        self.packed_source = pack(mouth.source)
        self._senders = senders
        self._sequence = sequence
        self._sender: Sender = senders.take(mouth)
        names = (expected.group,) if expected.group else expected.peer_names
        # all routers may have the same list of peers: this one is none of its own
        self._destinations = [
            (self._sender.destination(name), pack(name)) for name in names if pack(name) != self.packed_source
        ]
        self._composed: dict[int, bytes] = {}
        """By priority, without checksum."""
        self._sealed: dict[int, list[bytes]] = {}
        """By priority, one for each destination."""

    def send(self, priority: int) -> None:
        """Advertise to the group or to every peer; 0 says that this router leaves.

        Raises:
            OSError: somebody could not be told; the others have been.
        """
        failure: OSError | None = None
        for (destination, _), message in zip(self._destinations, self._messages(priority), strict=True):
            try:
                self._sender.send(message, destination)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Let go of the socket."""
        self._senders.give_back(self._sender)

    def _messages(self, priority: int) -> list[bytes]:
        """Give what goes to each destination; only a trailer is made anew for every advertisement."""
        keyring, sequence = self.expected.keyring, self._sequence
        sealed = self._sealed.get(priority)
        if sealed is not None:
            return sealed
        unsummed = self._composed.get(priority)
        if unsummed is None:
            unsummed = self._composed[priority] = compose(self.expected, priority)
        if keyring is None or sequence is None:
            sealed = self._sealed[priority] = self._seal(unsummed)
            return sealed
        number = sequence.next(time.time(), keyring.window)
        return self._seal(unsummed, keyring.sign(self.packed_source, unsummed, number))

    def _seal(self, unsummed: bytes, trailer: bytes = b"") -> list[bytes]:
        return [
            seal(unsummed, self.expected, self.packed_source, destination, trailer)
            for _, destination in self._destinations
        ]
