"""One device in one family as the instances on it use it: who hears what, and who speaks from where."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipbus.contracts.vrrp_objects import Family
from vipbus.runtime.poller import Poller
from vrrp_agent import metrics
from vrrp_agent.datagram import Datagram
from vrrp_agent.directory import Directory
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected
from vrrp_agent.packet import Advertisement, decode, signed
from vrrp_agent.senders import Mouth, Senders
from vrrp_agent.sockets import Receiver
from vrrp_agent.speaker import Speaker

if TYPE_CHECKING:
    from vrrp_agent.authentication import ReplayWindow, Sequence

log = logging.getLogger(__name__)

Listener = Callable[[Advertisement], None]

_BATCH = 4096
"""Packets taken at a time: more than the kernel's buffer holds, so a flood cannot hold the loop."""


class Wire:
    """Its one receiving socket, its few sending ones, and the instances by token (`name_token`).

    The device is the interface of the instances; or, for one with a virtual MAC that is told by multicast,
    its macvlan (`vrrp_agent.sockets.Receiver` says why).
    """

    def __init__(self, interface: str, family: Family, poller: Poller) -> None:
        self.interface = interface
        self.family: Family = family
        self.log_unknown_vrids = False
        """True: an identifier that no instance here has is logged, once (log_unknown_vrids)."""
        self._poller = poller
        self._directory = Directory()
        self._listeners: dict[str, Listener] = {}
        self._speakers: dict[str, Speaker] = {}
        self._senders = Senders()
        self._receiver: Receiver | None = None
        self._index = 0
        self._sequences: dict[str, Sequence] = {}
        self._replays: dict[str, ReplayWindow] = {}
        self._last: dict[str, tuple[Datagram, Advertisement]] = {}
        """What each instance took last: an active router says the same over and over, and reading it again
        would be most of the work of hearing it."""
        self._told: set[tuple[str, Drop]] = set()
        self._unknown: set[int] = set()

    # ---- who is here

    def expect(self, token: str, expected: Expected, listener: Listener) -> None:
        """Hand an instance's advertisements to a listener from now on; also when its settings changed.

        Groups that are new are joined by the next `open`.
        """
        if expected.keyring is not None and token not in self._sequences:
            from vrrp_agent.authentication import ReplayWindow, Sequence  # noqa: PLC0415  # where a key is

            self._sequences[token], self._replays[token] = Sequence(), ReplayWindow()
        self._directory.put(token, expected)
        self._listeners[token] = listener
        self._last.pop(token, None)
        self._told = {each for each in self._told if each[0] != token}

    def dismiss(self, token: str) -> bool:
        """Hear and say no more for an instance; close and return True when it was the last one here."""
        self._directory.remove(token)
        self._listeners.pop(token, None)
        self._sequences.pop(token, None)
        self._replays.pop(token, None)
        self._last.pop(token, None)
        self.silence(token)
        if not len(self._directory):
            self._close_receiver()
            return True
        if self._receiver is not None:
            self._receiver.listen(self._directory.groups & self._receiver.groups)
        return False

    # ---- sockets

    def open(self, index: int) -> None:
        """Make sure of hearing what every instance here expects; ``index`` is the device's.

        Raises:
            OSError: the interface is gone in this moment, or takes no more groups.
        """
        if self._receiver is None or index != self._index:
            self._close_receiver()
            self._receiver = Receiver(self.interface, index, self.family)
            self._index = index
            self._poller.add(self._receiver.fileno(), self.hear)
        self._receiver.listen(self._directory.groups)

    def speak(self, token: str, device: str, index: int, source: str) -> Speaker:
        """Give what an instance advertises with: the same one until its settings, device or source change.

        ``device`` is what they go out through, the interface or a macvlan on it, and ``index`` its index;
        ``source`` is an address of the interface in either case.

        Raises:
            OSError: the device is gone, or has lost the address, in this moment.
            LookupError: `expect` was not called for it.
        """
        expected = self._directory.get(token)
        if expected is None:
            raise LookupError(f"{token} is not expected on {self.interface}")
        mouth = Mouth(self.family, device, index, source, expected.ttl)
        speaker = self._speakers.get(token)
        if speaker is not None and speaker.expected is expected and speaker.mouth == mouth:
            return speaker
        made = Speaker(expected, mouth, self._senders, self._sequences.get(token))
        self.silence(token)
        self._last.pop(token, None)  # whatever has the new source is our own from now on
        self._speakers[token] = made
        return made

    def silence(self, token: str) -> None:
        """Let go of what an instance advertises with."""
        speaker = self._speakers.pop(token, None)
        if speaker is not None:
            speaker.close()

    def _close_receiver(self) -> None:
        if self._receiver is not None:
            self._poller.remove(self._receiver.fileno())
            self._receiver.close()
            self._receiver = None

    # ---- hearing

    def hear(self) -> None:
        """Take every packet that has arrived and hand on those that are advertisements for an instance."""
        for _ in range(_BATCH):
            if self._receiver is None:  # what one packet led to may have closed it
                return
            datagram = self._receiver.receive()
            if datagram is None:
                return
            if isinstance(datagram, Drop):
                self._stray(datagram, None)
            else:
                self._take(datagram)

    def _take(self, datagram: Datagram) -> None:
        found = self._directory.find(datagram)
        if isinstance(found, Drop):
            self._stray(found, datagram)
            return
        token, expected = found
        last = self._last.get(token)
        if last is not None and last[0] == datagram:
            self._listeners[token](last[1])
            return
        now = time.time() if expected.keyring is not None else 0.0
        heard = decode(datagram, expected, now)
        if not isinstance(heard, Drop):
            speaker = self._speakers.get(token)
            if speaker is not None and speaker.packed_source == datagram.source:
                heard = Drop.OWN
            elif expected.keyring is not None and not self._new(token, expected, datagram, now):
                heard = Drop.REPLAY
        if isinstance(heard, Drop):
            self._refused(token, expected, heard, datagram)
            return
        if expected.keyring is None:  # what is signed never comes twice
            self._last[token] = datagram, heard
        self._listeners[token](heard)

    def _new(self, token: str, expected: Expected, datagram: Datagram, now: float) -> bool:
        """Say whether a genuine packet came for the first time; what has no trailer cannot be told."""
        keyring = expected.keyring
        if keyring is None or not keyring.ordered or not signed(datagram, expected):
            return True
        sequence = keyring.sequence(datagram.message)
        return self._replays[token].accept(datagram.source, sequence, now, keyring.window)

    # ---- counting

    def _stray(self, reason: Drop, datagram: Datagram | None) -> None:
        """Count a packet that no instance here is meant by."""
        metrics.PACKETS_DROPPED.add(interface=self.interface, reason=reason.value)
        if reason is Drop.VRID and datagram is not None and self.log_unknown_vrids:
            identifier = datagram.message[1]
            if identifier not in self._unknown:
                self._unknown.add(identifier)
                log.info(
                    "%s advertises virtual router %d on %s; no instance here has that virtual_router_id",
                    _text(datagram.source),
                    identifier,
                    self.interface,
                )

    def _refused(self, token: str, expected: Expected, reason: Drop, datagram: Datagram) -> None:
        """Count a packet for an instance that it cannot take; each reason has one line until a change."""
        metrics.ADVERTISEMENTS_DROPPED.add(instance=token, reason=reason.value)
        if (token, reason) not in self._told:
            self._told.add((token, reason))
            log.warning(
                "%s: what %s sends is dropped: %s", expected.name, _text(datagram.source), reason.words
            )


def _text(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed)
