"""Routes and rules that are there: by what the kernel says, and by what it leaves unsaid."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vipbus.contracts import VirtualRoute, VirtualRule
from vrrp_agent import routes, rules
from vrrp_agent.routes import IndexOf, Route
from vrrp_agent.rules import Rule

_Place = tuple[int, str, str, int, int, int]


class Tables:
    """The routes of our protocols, and every rule."""

    def __init__(self) -> None:
        self._routes: dict[_Place, list[Route]] = {}
        self._rules: set[Rule] = set()

    def clear(self) -> None:
        """Forget everything."""
        self._routes.clear()
        self._rules.clear()

    def route(self, change: Route, *, ours: bool) -> None:
        """Take a change in; a route that is not ours may have replaced one that is."""
        standing = self._routes.pop(change.place, [])
        if not change.present:
            standing = _without(standing, change)
        else:
            if change.replacing:
                standing = []
                change = msgspec.structs.replace(change, replacing=False)
            if ours and change not in standing:
                standing.append(change)
        if standing:
            self._routes[change.place] = standing

    def rule(self, change: Rule) -> None:
        """Take a change in."""
        rule = msgspec.structs.replace(change, present=True)
        if change.present:
            self._rules.add(rule)
        else:
            self._rules.discard(rule)

    def drop(self, dead: Callable[[Route], bool]) -> None:
        """Forget IPv4 routes that the kernel took away without a word.

        It tells of none that goes with its link, with the link's last address or with its source address.
        """
        for place, standing in list(self._routes.items()):
            if place[0] == 4:
                left = [route for route in standing if not dead(route)]
                if left:
                    self._routes[place] = left
                else:
                    del self._routes[place]

    def has_route(self, virtual: VirtualRoute, index_of: IndexOf) -> bool:
        """Say whether a route is there."""
        try:
            standing = self._routes.get(routes.place(virtual), ())
        except ValueError:
            return False
        return any(routes.fits(virtual, route, index_of) for route in standing)

    def has_rule(self, virtual: VirtualRule) -> bool:
        """Say whether a rule is there; without a priority one of any will do."""
        try:
            want = rules.wanted(virtual)
        except ValueError:
            return False
        if want.priority is not None:
            return want in self._rules
        return any(msgspec.structs.replace(rule, priority=None) == want for rule in self._rules)


def _without(standing: list[Route], gone: Route) -> list[Route]:
    same = msgspec.structs.replace(gone, present=True)
    if same in standing:
        return [route for route in standing if route != same]
    if gone.family == 4:
        return standing
    # IPv6 routes of one place are the hops of one route, which come and go one by one
    left = []
    for route in standing:
        hops = tuple(hop for hop in route.hops if hop not in gone.hops) if _alike(route, gone) else route.hops
        if hops:
            left.append(msgspec.structs.replace(route, hops=hops))
    return left


def _alike(one: Route, other: Route) -> bool:
    return (one.kind, one.protocol) == (other.kind, other.protocol)
