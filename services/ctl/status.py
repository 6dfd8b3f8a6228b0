"""``vipbus status``: read everything once, make the report, print it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ctl import supervisor_file
from ctl.assess import assess
from ctl.exits import EXIT_NOT_DONE
from ctl.output import coloured, write, write_json
from ctl.render import render
from ctl.snapshot import Snapshot
from vipbus.bus import Bus, BusAwayError, Follow, NoBusError, conditions
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import CONFIG, HEALTH, OPERATOR, PROXY, ROLE, TABLE, Head, VirtualServerTable
from vipbus.runtime.ending import run_to_end
from vipbus.runtime.revision import Revisions

_BUS_WITHIN = 2.0
"""Seconds until the bus counts as away; on loopback it answers in some 20 ms."""
_READ_WITHIN = 10.0
"""Seconds for all the buckets; the largest known take about one."""


def main(*, bus: str | None, state_dir: Path, as_json: bool) -> int:
    """Print the report; return 0 when everything is ready, else 3."""
    logging.getLogger().addHandler(logging.NullHandler())  # the report says it all
    # with --bus the question is about that bus; what runs on this machine may be another's
    supervisor = None if bus else supervisor_file.read(state_dir)
    try:
        snapshot = run_to_end(take(find(bus, state_dir)))
    except NoBusError as error:
        snapshot = Snapshot(now=datetime.now(UTC), bus="", bus_problem=str(error))
    snapshot = msgspec.structs.replace(
        snapshot, supervisor=supervisor, supervisor_runs=supervisor is not None and supervisor.runs
    )
    report = assess(snapshot)
    if as_json:
        write_json(report)
    else:
        write(render(report, colour=coloured()))
    return 0 if report.ready else EXIT_NOT_DONE


async def take(address: BusAddress) -> Snapshot:
    """Read everything that is on a bus."""
    bus = Bus(address, source="vipbus-status")
    wake = asyncio.Event()
    config = bus.follow(CONFIG, on_change=wake.set)
    role = bus.follow(ROLE, on_change=wake.set)
    table = bus.follow(TABLE, on_change=wake.set)
    health = bus.follow(HEALTH, on_change=wake.set)
    operator = bus.follow(OPERATOR, on_change=wake.set)
    proxy = bus.follow(PROXY, on_change=wake.set)
    follows: tuple[Follow[object], ...] = (config, role, table, health, operator, proxy)  # type: ignore[assignment]  # invariant
    never = bus.problem
    bus.start()
    problem = ""
    found = []
    try:
        await bus.usable(_BUS_WITHIN)
        asked = asyncio.ensure_future(conditions(bus))
        await _whole(follows, wake)
        found = await asked
    except BusAwayError:
        # a server that is there and does not answer leaves no error behind
        problem = f"no answer within {_BUS_WITHIN:.0f} s" if bus.problem == never else bus.problem
    except TimeoutError:
        problem = f"the buckets could not be read whole within {_READ_WITHIN:.0f} s"
    finally:
        await bus.close()
    revisions = Revisions()
    revisions.update(config.entries)
    return Snapshot(
        now=datetime.now(UTC),
        bus=str(address),
        bus_problem=problem,
        heads=tuple(value for value in config.values() if isinstance(value, Head)),
        revisions=tuple(revisions.routers.values()),
        roles=tuple(role.values()),
        tables=tuple(value for value in table.values() if isinstance(value, VirtualServerTable)),
        pools=tuple(proxy.values()),
        verdicts=tuple(health.values()),
        operators=tuple(operator.values()),
        conditions=tuple(found),
        unreadable=tuple(
            f"{follow.bucket.name} {key} on the bus is not readable ({why})"
            for follow in follows
            for key, why in sorted(follow.malformed.items())
        ),
    )


async def _whole(follows: tuple[Follow[object], ...], wake: asyncio.Event) -> None:
    async with asyncio.timeout(_READ_WITHIN):
        while not all(follow.live for follow in follows):
            wake.clear()
            await wake.wait()
