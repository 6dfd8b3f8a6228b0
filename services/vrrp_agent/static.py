"""Addresses, routes and rules that stay, whatever the roles (keepalived.conf(5), static_ipaddress).

From the first moment to the last: keepalived takes them away when it ends, and so does this.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vipbus.contracts import VirtualAddress, VirtualRoute, VrrpSettings
from vrrp_agent import addresses, routes, rules
from vrrp_agent.interfaces import Interfaces, Object
from vrrp_agent.objects import Objects

log = logging.getLogger(__name__)


class Static:
    """What stays: put there, put back when it is lost, and told of where that fails."""

    def __init__(self, interfaces: Interfaces, objects: Objects) -> None:
        self._interfaces = interfaces
        self._objects = objects
        self._wanted: dict[Object, str | None] = {}
        """With the sync group or instance that is in fault without it."""
        self._seen: set[Object] = set()
        """What was there since it was added."""
        self._problems: dict[Object, str] = {}

    def configure(self, settings: VrrpSettings) -> None:
        """Have exactly these from now on."""
        wanted: dict[Object, str | None] = {
            each.address: each.track_group for each in settings.static_addresses
        }
        wanted |= {each: each.track_group for each in settings.static_routes}
        wanted |= {each: each.track_group for each in settings.static_rules}
        gone = [each for each in self._wanted if each not in wanted]
        self._wanted = wanted
        self._forget(gone)
        self.look()

    def look(self) -> None:
        """Put back what is not there; asked whenever the interfaces change."""
        if not self._objects.ready:
            return
        for each in self._wanted:
            if self._interfaces.holds(each):
                self._seen.add(each)
                self._problems.pop(each, None)
                continue
            if each in self._seen:
                self._seen.discard(each)
                log.warning("static %s was removed by someone else and is put back", _describe(each))
            problem = self._objects.add((each,), silent=True)
            if problem and problem != self._problems.get(each):
                log.error("static %s", problem)
            self._problems[each] = problem

    def missing(self) -> Mapping[str, str]:
        """Say what is missing, in words, by the sync group or instance that cannot do without it."""
        found: dict[str, str] = {}
        for each, problem in self._problems.items():
            group = self._wanted.get(each)
            if problem and group is not None:
                found[group] = f"{found[group]}; {problem}" if group in found else problem
        return found

    def stop(self) -> None:
        """Take all of them away."""
        gone, self._wanted = list(self._wanted), {}
        self._forget(gone)

    def _forget(self, gone: list[Object]) -> None:
        if gone:
            self._objects.remove(gone)
            self._seen.difference_update(gone)
            for each in gone:
                self._problems.pop(each, None)


def _describe(each: Object) -> str:
    if isinstance(each, VirtualAddress):
        return addresses.describe(each)
    return routes.describe(each) if isinstance(each, VirtualRoute) else rules.describe(each)
