"""Who holds a revision: every process that works from a router's configuration says so itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ctl.answers import Holder, RouterHolds
from vipbus.bus import Bus, conditions
from vipbus.contracts import Condition

_OWN = "config-service"


def holds(router: str, revision: int, found: Iterable[Condition]) -> RouterHolds:
    """Say who works from a router's configuration, and whether all of them hold a revision or a later one."""
    consumers = [
        Holder(
            service=each.service,
            pid=each.pid,
            router=each.router,
            revision=dict(each.revisions).get(router, 0),
        )
        for each in found
        if each.service != _OWN and (each.router == router or router in dict(each.revisions))
    ]
    consumers.sort(key=lambda each: (each.service, each.router or "", each.pid))
    return RouterHolds(
        router=router,
        revision=revision,
        done=bool(consumers) and all(each.revision >= revision for each in consumers),
        consumers=tuple(consumers),
    )


async def until_held(bus: Bus, wanted: dict[str, int], within: float) -> tuple[RouterHolds, ...]:
    """Wait until every consumer of every router holds its revision; give what is then, or after the time.

    Raises:
        BusAwayError: the bus went away.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        found = await conditions(bus, quiet=0.2)
        result = tuple(holds(router, revision, found) for router, revision in wanted.items())
        if all(each.done for each in result) or loop.time() >= end:
            return result


def words(result: RouterHolds) -> str:
    """Write who holds what, in a line."""
    if not result.consumers:
        return f"{result.router}: nobody who would work from it answers; is `vipbus run` running there?"
    late = [each for each in result.consumers if each.revision < result.revision]
    if not late:
        names = ", ".join(dict.fromkeys(each.service for each in result.consumers))
        return f"{result.router}: {names} {'hold' if ',' in names else 'holds'} revision {result.revision}"
    names = ", ".join(f"{each.service} ({each.revision or 'none'})" for each in late)
    return f"{result.router}: revision {result.revision} is NOT HELD by {names}; `vipbus status` tells why"
