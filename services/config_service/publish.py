"""Write keys by compare-and-set, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from config_service.revise import Write
from vipbus.bus import Bus, StaleWriteError
from vipbus.contracts import CONFIG
from vipbus.telemetry.trace import TraceContext

IN_FLIGHT: Final = 64
"""Writes that wait for their answer at the same time: beyond that the server's disk is the limit."""


async def write_all(bus: Bus, writes: Sequence[Write], trace: TraceContext, time: datetime) -> int:
    """Write every key; return the highest revision that the bucket gave.

    Raises:
        BusAwayError: the bus went away; which of the writes were applied is unknown.
        RefusedError: the server said no.
    """
    highest = 0
    waiting = iter(writes)

    async def work() -> None:
        nonlocal highest
        for write in waiting:  # shared by all: each takes the next one
            highest = max(highest, await _write(bus, write, trace, time))

    workers = [asyncio.ensure_future(work()) for _ in range(min(IN_FLIGHT, len(writes)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return highest


async def _write(bus: Bus, write: Write, trace: TraceContext, time: datetime) -> int:
    last = write.last
    while True:
        if last is None:
            last, _ = await bus.revision(CONFIG, write.key)
        try:
            return await bus.write(CONFIG, write.key, write.body, last=last, trace=trace, time=time)
        except StaleWriteError:
            # The key was deleted once and its marker counts, or an answer was lost. A second writer of
            # this key there is not: what stands in the file holds.
            last = None
