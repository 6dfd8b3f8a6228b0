"""Every pool's hold as it goes on: what stood in it last, and what of that has been said.

A standby follows too, whatever its kernel holds: a router that takes over while pools are held holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ipvs_programmer.desired import Configured, Picture, stands
from ipvs_programmer.hold import Hold, Member, Weighed, decide
from ipvs_programmer.place import Place
from ipvs_programmer.table import Key, Pool, endpoint
from ipvs_programmer.weights import effective_weight
from vipbus.contracts import PoolHeld, PoolReleased

_NAMED: Final = 3
"""Real servers named in a problem."""


class Holds:
    """The holds of the virtual servers that ask for it (``hold_below``); others cost nothing here."""

    def __init__(self) -> None:
        self.by_server: dict[str, Hold] = {}
        """By the virtual server's token."""
        self._said: dict[str, Configured] = {}
        """Those that are said to be held."""
        self._begun = False

    def follow(
        self, servers: Iterable[Configured], picture: Picture, observed: Mapping[Key, Pool]
    ) -> dict[str, Hold]:
        """Take in what is said of these pools; return every pool's hold.

        ``observed`` is the kernel's table. At the start it tells what stood in a pool; a pool that is not
        there stands as one that nobody has judged yet, since whoever owned the address may be holding it.
        """
        for server in servers:
            virtual = server.virtual_server
            if not virtual.hold_below:
                self.by_server.pop(virtual.id, None)
                continue
            pool = observed.get(server.key)
            before = self.by_server.get(virtual.id)
            if before is None:
                before = Hold() if self._begun else _as_found(server, picture, pool)
            self.by_server[virtual.id] = decide(
                virtual.hold_below, virtual.hold_window, _members(server, picture), before
            )
        self._begun = True
        return self.by_server

    def apart(self) -> Holds:
        """Make a copy that may follow other pools: these here hear nothing of it."""
        other = Holds()
        other.by_server = dict(self.by_server)
        other._begun = self._begun
        return other

    def keep_only(self, configured: Collection[str]) -> None:
        """Forget the pools that are not configured any more."""
        for gone in self.by_server.keys() - configured:
            del self.by_server[gone]
            self._said.pop(gone, None)

    def news(self, server: Configured, cause: str, *, wanted: bool) -> PoolHeld | PoolReleased | None:
        """Give the event of a pool that is held since the last look, or not any more.

        ``wanted`` is False where the pool does not stand in the table: there nothing is held.
        """
        virtual = server.virtual_server
        hold = self.by_server.get(virtual.id)
        held = hold is not None and bool(hold.held) and wanted
        if held == (virtual.id in self._said):
            if held:
                self._said[virtual.id] = server
            return None
        if hold is not None and held:
            self._said[virtual.id] = server
            return PoolHeld(
                router=virtual.router, virtual_server=virtual.id, down=tuple(sorted(hold.held)), of=hold.of
            )
        del self._said[virtual.id]
        return PoolReleased(router=virtual.router, virtual_server=virtual.id, cause=cause)

    def problem(self) -> str:
        """Say what is held, in a line; empty when nothing is."""
        # a kernel that is lost in between leaves what was said behind what is so
        held = [
            (server, hold)
            for token, server in self._said.items()
            if (hold := self.by_server.get(token)) is not None and hold.held
        ]
        if not held:
            return ""
        server, hold = held[0]
        names = [endpoint(each.address, each.port) for each in server.real_servers if each.id in hold.held]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        others = f" (and {len(held) - 1} virtual servers more)" if len(held) > 1 else ""
        return (
            f"{server.key} is held as it was{others}: too many of its {hold.of} real servers went down at "
            f"once ({', '.join(names[:_NAMED])}{more}), so the probers may be blind; see the log of "
            "health-prober, or `vipbus disable` what is really dead"
        )


def _members(server: Configured, picture: Picture) -> dict[str, Member]:
    members: dict[str, Member] = {}
    pool = picture.kept.get(server.key) if picture.kept else None
    for place in server.places:
        real = place.real
        said = picture.operators.get(place.of)
        if not real.checks or (said is not None and said.state == "disable"):
            continue
        verdict = picture.verdicts.get(place.of)
        found = _weight_found(picture, place, pool) if pool is not None else None
        weight = found if found is not None else effective_weight(real, verdict)
        members[place.token] = Member(
            weight=Weighed(real.weight, weight),
            stands=found is not None or stands(real, verdict),
            down_since=verdict.since if verdict is not None and verdict.verdict == "down" else None,
        )
    return members


def _as_found(server: Configured, picture: Picture, pool: Pool | None) -> Hold:
    inside: dict[str, Weighed] = {}
    for place in server.places:
        if not place.real.checks:
            continue
        weight = _weight_found(picture, place, pool)
        if weight is not None:
            inside[place.token] = Weighed(place.real.weight, weight)
    return Hold(inside)


def _weight_found(picture: Picture, place: Place, pool: Pool | None) -> int | None:
    """Find with which weight a real server stood when this process began; None: it did not stand."""
    if pool is None:
        return None if place.real.alpha else place.real.weight
    found = pool.destinations.get(place.destination.key)
    if found is None:
        return None
    # one that an operator drains has its weight from there
    return found.weight if picture.operators.get(place.of) is None else place.real.weight
