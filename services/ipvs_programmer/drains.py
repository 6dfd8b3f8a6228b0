"""Every drain as it goes on: begun by a configuration, counted about once a second, over, kept in a file.

A virtual server that leaves the configuration drains as a whole: its service stays as it is, with all its
destinations at weight 0, for as long as one of them drains. Where its address has left this router with it,
nothing reaches the service any more, and it goes when its instance's table does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from ipvs_programmer.desired import Arranged, Configured, Layout, Picture
from ipvs_programmer.drain import Drain, Outcome, follow, outcome, token_of
from ipvs_programmer.drift import Rounds
from ipvs_programmer.kernel import Kernel, KernelError
from ipvs_programmer.saved_drains import SavedPool, virtual_server_of
from ipvs_programmer.table import Counts, DestinationKey, Key, Pool
from ipvs_programmer.translate import destination_key
from vipbus.contracts import DrainBegun, DrainEnded, VirtualServer
from vipbus.runtime.saved import Saved

log = logging.getLogger(__name__)

_INTERVAL: Final = 1.0
"""Seconds between two counts; more where they take longer than their share of the time (`Rounds`)."""


class Ended(msgspec.Struct, frozen=True):
    """A drain that is over."""

    key: Key
    drain: Drain
    outcome: Outcome
    connections: int


class Drains:
    """The drains of one router; every method is one short step without a wait."""

    def __init__(self, kernel: Kernel, path: Path | None, router: str) -> None:
        self._kernel = kernel
        self._router = router
        self._saved: Saved[list[SavedPool]] = Saved(path, list[SavedPool], [], "what drains")
        self.by_key: dict[Key, dict[DestinationKey, Drain]] = {}
        self.leaving: dict[Key, Configured] = {}
        """The virtual servers that have left the configuration and drain."""
        for pool in self._saved.value:
            self.by_key[pool.key.key] = pool.by_key
            if (leaving := pool.configured) is not None:
                self.leaving[leaving.key] = leaving
        self._counts: dict[tuple[Key, DestinationKey], int] = {}
        self._untold: dict[tuple[Key, DestinationKey], str] = {}
        """Those whose beginning is not said yet, and its cause: the first count is said with it."""
        self._last: Layout | None = None
        self._rounds: Rounds | None = None

    def apart(self) -> Drains:
        """Make a copy that may look at another configuration: nothing here hears of it, nothing is saved."""
        other = Drains(self._kernel, None, self._router)
        other.by_key = {key: dict(drains) for key, drains in self.by_key.items()}
        other.leaving, other._last = dict(self.leaving), self._last
        return other

    @property
    def due(self) -> float:
        """When `count` is to be called next, on the clock of its caller; infinity: nothing drains."""
        if not self.by_key:
            return math.inf
        return self._rounds.due if self._rounds is not None else -math.inf

    def follow(
        self,
        layout: Layout,
        arranged: Mapping[Key, Arranged],
        believed: Mapping[Key, Pool],
        picture: Picture,
        cause: Callable[[Key], str],
    ) -> tuple[set[Key], tuple[Ended, ...]]:
        """Begin and cancel drains; return the services concerned, and what is cancelled.

        ``arranged`` is every virtual server of the configuration, ``believed`` everything of ours that the
        kernel has. What the kernel has and nobody configures is taken to have left the configuration: also
        while this process was dead.
        """
        concerned: set[Key] = set()
        cancelled: list[Ended] = []
        for key in {*believed, *self.by_key}:
            found, before = believed.get(key), self.by_key.get(key, {})
            wanted = arranged[key].pool.destinations if key in arranged else {}
            if not before and key in arranged and (found is None or not found.destinations.keys() - wanted):
                continue
            server = layout.by_key.get(key)
            virtual = server.virtual_server if server is not None else self._left(key, found)
            if virtual is None:
                continue
            followed = follow(
                virtual,
                found,
                _configured(server),
                _dead(virtual, found, picture),
                before=before,
                now=picture.now,
            )
            for drain in followed.begun:
                self._untold[key, drain.destination.key] = cause(key)
            cancelled += (self._end(key, drain, "cancelled") for drain in followed.cancelled)
            self._keep(key, dict(followed.drains), None if server is not None else virtual, found)
            concerned.add(key)
        self._last = layout
        self._save()
        return concerned, tuple(cancelled)

    def count(
        self, believed: Mapping[Key, Pool], now: datetime, clock: Callable[[], float]
    ) -> tuple[tuple[DrainBegun, ...], tuple[Ended, ...]]:
        """Count the connections of the next few services that drain; return what began and what is over.

        ``believed`` is what the kernel has: where a service does not stand only the deadline counts.
        """
        began = clock()
        if self._rounds is None:
            self._rounds = Rounds(_INTERVAL, began)
        keys = self._rounds.take(self.by_key)
        try:
            counted = self._kernel.counts([key for key in keys if key in believed])
        except KernelError as error:
            # whoever writes the table says so; here it is only a count less
            log.debug("connections were not counted: %s", error)
            counted = {}
        told: list[DrainBegun] = []
        ended: list[Ended] = []
        for key in keys:
            for of, drain in list(self.by_key.get(key, {}).items()):
                counts = counted[key].get(of, Counts(0, 0)) if key in counted else None
                if counts is not None:
                    self._counts[key, of] = counts.active + counts.inactive
                result = outcome(drain, counts, now)
                if (counts is not None or result) and (
                    cause := self._untold.pop((key, of), None)
                ) is not None:
                    told.append(self._begun(key, drain, cause))
                if result is not None:
                    ended.append(self._end(key, drain, result))
                    self._drop(key, of)
        self._rounds.took(clock() - began, clock())
        if not self.by_key:
            self._rounds = None
        if ended:
            self._save()
        return tuple(told), tuple(ended)

    def event(self, ended: Ended) -> DrainEnded:
        """Give the event of a drain that is over."""
        return DrainEnded(
            router=self._router,
            virtual_server=ended.drain.virtual_server,
            real_server=ended.drain.real_server,
            outcome=ended.outcome,
            connections=ended.connections,
        )

    def _left(self, key: Key, found: Pool | None) -> VirtualServer | None:
        """Find what a virtual server that is not configured any more was; None: there is nothing of it."""
        if (leaving := self.leaving.get(key)) is not None:
            return leaving.virtual_server
        if self._last is not None and (last := self._last.by_key.get(key)) is not None:
            return last.virtual_server
        return virtual_server_of(key, found.service, self._router) if found is not None else None

    def _keep(
        self, key: Key, drains: dict[DestinationKey, Drain], left: VirtualServer | None, found: Pool | None
    ) -> None:
        if drains:
            self.by_key[key] = drains
        else:
            self.by_key.pop(key, None)
        if left is None or not drains:
            self.leaving.pop(key, None)
        elif key not in self.leaving and found is not None:
            self.leaving[key] = Configured(
                key=key,
                # of its pool nothing is left but what drains
                virtual_server=msgspec.structs.replace(left, quorum=1, sorry_server=None, hold_below=0),
                real_servers=(),
                leaving=found.service,
            )

    def _drop(self, key: Key, of: DestinationKey) -> None:
        del self.by_key[key][of]
        if not self.by_key[key]:
            del self.by_key[key]
            self.leaving.pop(key, None)

    def _begun(self, key: Key, drain: Drain, cause: str) -> DrainBegun:
        return DrainBegun(
            router=self._router,
            virtual_server=drain.virtual_server,
            real_server=drain.real_server,
            connections=self._counts.get((key, drain.destination.key), 0),
            until=drain.until.isoformat(timespec="seconds").replace("+00:00", "Z"),
            cause=cause,
        )

    def _end(self, key: Key, drain: Drain, how: Outcome) -> Ended:
        of = (key, drain.destination.key)
        self._untold.pop(of, None)
        return Ended(key, drain, how, self._counts.pop(of, 0))

    def _save(self) -> None:
        self._saved.save(
            [SavedPool.of(key, drains, self.leaving.get(key)) for key, drains in self.by_key.items()]
        )


def _configured(server: Configured | None) -> Collection[DestinationKey]:
    if server is None:
        return ()
    keys = {destination_key(real) for real in server.real_servers}
    sorry = server.virtual_server.sorry_server
    return keys | {destination_key(sorry)} if sorry is not None else keys


def _dead(virtual: VirtualServer, found: Pool | None, picture: Picture) -> Collection[DestinationKey]:
    """Find the destinations that are down by their verdicts, where these are believed."""
    hold = picture.holds.get(virtual.id)
    dead = set()
    for key in found.destinations if found is not None else ():
        token = token_of(key)
        verdict = picture.verdicts.get(f"{virtual.id}.{token}")
        held = hold is not None and token in hold.held
        if verdict is not None and verdict.verdict == "down" and not held:
            dead.add(key)
    return dead
