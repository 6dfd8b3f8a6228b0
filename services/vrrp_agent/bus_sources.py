"""What tracked sources on the bus say: verdicts, whether a service works, whether HAProxy answers here.

`Sources` decides, `BusSources` follows and asks. A bus that is away changes nothing: the last word stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from vipbus.contracts import HEALTH, PROXY_PROCESS, Condition, ProxyProcess, Verdict, name_token
from vipbus.contracts.vrrp import TrackKind
from vipbus.runtime.revision import Revision
from vrrp_agent.exchange import Command, Mailbox
from vrrp_agent.source_words import Members, proxy_says, readable, service_says, tracked, verdict_says
from vrrp_agent.tracking.sources import SourceSeen

if TYPE_CHECKING:
    from vipbus.bus import Bus, Follow

_EVERY: Final = 1.0
"""Seconds between two questions to a tracked service."""
_QUIET: Final = 0.4
"""Seconds without an answer after which no more is waited for."""
_LONGEST: Final = 0.9
_MISSES: Final = 3
"""Questions in a row without an answer that make a service one that does not answer."""
_SETTLED: Final = 5.0
"""Seconds after the bus came (back) in which silence and complaints say nothing: the services find it again
too, and one whose connection hung notices only after three seconds."""


class Sources:
    """What each tracked source said last; gives only what is news."""

    def __init__(self) -> None:
        self.verdicts: frozenset[str] = frozenset()
        """The names of the verdicts that some instance tracks."""
        self.services: frozenset[str] = frozenset()
        """The names of the services that some instance tracks, with and without a router."""
        self.proxies: frozenset[str] = frozenset()
        """The names of the proxies that some instance tracks."""
        self._members: Members = {}
        self._told: dict[tuple[TrackKind, str], SourceSeen] = {}
        self._misses: dict[str, int] = {}

    def track(self, revision: Revision) -> list[SourceSeen]:
        """Track what a configuration says; give what can be said of it at once."""
        named = {
            (track.kind, track.name)
            for instance in revision.instances
            for track in instance.tracks
            if tracked(track.kind)
        }
        sound = {(kind, name) for kind, name in named if readable(kind, name)}
        self.verdicts = frozenset(name for kind, name in sound if kind == "verdict")
        self.services = frozenset(name for kind, name in sound if kind == "service")
        self.proxies = frozenset(name for kind, name in sound if kind == "proxy")
        servers = {name.partition(".")[0] for name in self.verdicts}
        members: dict[str, dict[str, bool]] = {}
        for server in servers:
            for each in revision.pool(server):
                pool = members.setdefault(server, {})
                pool[each.id] = pool.get(each.id, False) or bool(each.checks)
        self._members = members
        self._told = {key: told for key, told in self._told.items() if key in named}
        self._misses = {name: misses for name, misses in self._misses.items() if name in self.services}
        return self._news(
            SourceSeen(kind=kind, name=name, up=None, cause=f"there can be no {kind} of such a name")
            for kind, name in sorted(named - sound)
        )

    def verdicts_are(self, name: str, known: Iterable[Verdict]) -> list[SourceSeen]:
        """Judge a tracked verdict by all the documents that there are of it."""
        return self._news([verdict_says(name, known, self._members)])

    def proxies_are(self, found: ProxyProcess) -> list[SourceSeen]:
        """Judge the tracked proxies by what is said of the HAProxy that serves them."""
        return self._news(proxy_says(name, found) for name in sorted(self.proxies))

    def answered(self, service: str, answers: Sequence[Condition], *, settled: bool) -> list[SourceSeen]:
        """Judge what is tracked of a service by the answers to one question; none of them is one too.

        Not ``settled``: only what is good counts.
        """
        said = []
        for name in sorted(name for name in self.services if name.partition(".")[0] == service):
            found = service_says(name, answers)
            if found is None and settled:
                self._misses[name] = self._misses.get(name, 0) + 1
                if self._misses[name] >= _MISSES:
                    said.append(SourceSeen(kind="service", name=name, up=False, cause="it does not answer"))
            elif found is not None:
                self._misses[name] = 0
                if found.up or settled:
                    said.append(found)
        return self._news(said)

    def _news(self, said: Iterable[SourceSeen]) -> list[SourceSeen]:
        news = [seen for seen in said if self._told.get((seen.kind, seen.name)) != seen]
        self._told.update({(seen.kind, seen.name): seen for seen in news})
        return news


class BusSources:
    """Tells the loop what the tracked sources on the bus say; lives over every connection."""

    def __init__(self, inbox: Mailbox[Command]) -> None:
        self._inbox = inbox
        self._sources = Sources()
        self._bus: Bus | None = None
        self._router = ""
        """Token; empty: there was no configuration yet."""
        self._follows: dict[str, Follow[Verdict]] = {}
        self._proxy: Follow[ProxyProcess] | None = None
        self._tracked = asyncio.Event()
        """Set while there is a service to ask."""
        self._settled_at = 0.0

    def open(self, bus: Bus) -> None:
        """Work on a new connection, until `close`."""
        self._bus = bus
        self._settled_at = asyncio.get_running_loop().time() + _SETTLED
        bus.on_change.append(self._bus_changed)
        bus.spawn(self._ask(bus))
        self._follow()

    def close(self) -> None:
        """Work no more on this connection: it is being closed, and its follows with it."""
        self._bus = None
        self._follows.clear()
        self._proxy = None

    def track(self, revision: Revision) -> None:
        """Track what a new configuration says."""
        self._router = name_token(revision.head.router)
        self._tell(self._sources.track(revision))
        if self._sources.services:
            self._tracked.set()
        else:
            self._tracked.clear()
        self._follow()
        for name in self._follows:  # a pool's members may be others now
            self._verdict_changed(name)
        self._proxy_changed()

    def _tell(self, news: list[SourceSeen]) -> None:
        for seen in news:
            self._inbox.put(seen)

    # ---- verdicts and proxies

    def _follow(self) -> None:
        """Follow what is tracked and nothing else: there may be tens of thousands of verdicts."""
        bus = self._bus
        if bus is None:
            return
        for name in self._follows.keys() - self._sources.verdicts:
            bus.unfollow(self._follows.pop(name))
        for name in sorted(self._sources.verdicts - self._follows.keys()):
            keys = name if "." in name else f"{name}.*"
            self._follows[name] = bus.follow(
                HEALTH,
                keys,
                on_change=lambda name=name: self._verdict_changed(name),  # type: ignore[misc]  # bound
            )
        if self._sources.proxies and self._proxy is None:
            self._proxy = bus.follow(PROXY_PROCESS, self._router, on_change=self._proxy_changed)
        elif not self._sources.proxies and self._proxy is not None:
            bus.unfollow(self._proxy)
            self._proxy = None

    def _verdict_changed(self, name: str) -> None:
        follow = self._follows.get(name)
        if follow is not None and follow.live:
            self._tell(self._sources.verdicts_are(name, follow.values()))

    def _proxy_changed(self) -> None:
        if self._proxy is not None and self._proxy.live:
            for found in self._proxy.values():  # without one the last word stays
                self._tell(self._sources.proxies_are(found))

    # ---- services

    def _bus_changed(self) -> None:
        self._settled_at = asyncio.get_running_loop().time() + _SETTLED

    async def _ask(self, bus: Bus) -> None:
        """Ask every tracked service, over and over, while there is one."""
        loop = asyncio.get_running_loop()
        while True:
            await self._tracked.wait()
            following = loop.time() + _EVERY
            asked = {name.partition(".")[0] for name in self._sources.services}
            await asyncio.gather(*(self._ask_one(bus, service) for service in sorted(asked)))
            await asyncio.sleep(following - loop.time())

    async def _ask_one(self, bus: Bus, service: str) -> None:
        from vipbus.bus import BusAwayError, conditions  # noqa: PLC0415  # nats is there already

        settled = asyncio.get_running_loop().time() >= self._settled_at
        try:
            answers = await conditions(bus, service, quiet=_QUIET, longest=_LONGEST)
        except BusAwayError:
            return
        # silence is the service's only when the bus itself can be heard
        if answers or await bus.answers(_QUIET):
            self._tell(self._sources.answered(service, answers, settled=settled))
