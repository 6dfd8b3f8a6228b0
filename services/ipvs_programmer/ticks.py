"""What the time alone changes: the next step of a slow start, the end of a drain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ipvs_programmer.drains import Drains, Ended
from ipvs_programmer.inputs import Change
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.pools import Pools
from ipvs_programmer.programmer import Programmer, Publish
from vipbus.telemetry.trace import record


class Ticks:
    """The clockwork of one router; every method is one short step without a wait."""

    def __init__(
        self, programmer: Programmer, keeper: Keeper, pools: Pools, drains: Drains, publish: Publish
    ) -> None:
        self._programmer = programmer
        self._keeper = keeper
        self._pools = pools
        self._drains = drains
        self._publish = publish

    @property
    def due(self) -> float:
        """When `step` is to be called next, on the clock of time.monotonic(); infinity: nothing waits."""
        if not self._programmer.adopted:
            return math.inf
        at = self._pools.due
        step = time.monotonic() + (at - self._pools.now()).total_seconds() if at is not None else math.inf
        return min(step, self._drains.due)

    def step(self, clock: Callable[[], float]) -> None:
        """Do what is due.

        Raises:
            FatalError: this process may not touch the table.
        """
        if self._programmer.layout is None or not self._programmer.adopted:
            return
        servers = self._programmer.layout.by_key
        changes = [
            Change(text=self._pools.slow_start(key), virtual_server=servers[key].virtual_server.id)
            for key in self._pools.of_time()
        ]
        ended: tuple[Ended, ...] = ()
        if clock() >= self._drains.due:
            told, ended = self._drains.count(self._keeper.believed, self._pools.now(), clock)
            for begun in told:
                self._publish(begun, record("begin drain"))
            changes += map(_over, ended)
        if not changes:
            return
        trace = self._programmer.follow(changes, [each.key for each in ended])
        for each in ended:
            self._publish(self._drains.event(each), trace)


def _over(ended: Ended) -> Change:
    of = ended.drain.destination.key
    text = f"{of} has drained"
    if ended.outcome == "deadline":
        text = f"{of} had its time to drain, with {ended.connections} connections left"
    return Change(text=text, virtual_server=ended.drain.virtual_server)
