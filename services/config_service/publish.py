"""Write keys by compare-and-set, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from config_service.revise import Write
from vipbus.bus import Bus, StaleWriteError
from vipbus.contracts import CONFIG
from vipbus.telemetry.trace import TraceContext


async def write_all(bus: Bus, writes: Sequence[Write], trace: TraceContext, time: datetime) -> int:
    """Write every key; return the highest revision that the bucket gave.

    Raises:
        BusAwayError: the bus went away; which of the writes were applied is unknown.
        RefusedError: the server said no.
    """
    # what is removed goes last: a reader of half a revision knows too much and never too little
    put = await _write_some(bus, [write for write in writes if write.body is not None], trace, time)
    gone = await _write_some(bus, [write for write in writes if write.body is None], trace, time)
    return max(put, gone)


async def _write_some(bus: Bus, writes: Sequence[Write], trace: TraceContext, time: datetime) -> int:
    sure = [(write.key, write.body, write.last) for write in writes if write.last is not None]
    revisions = await bus.write_many(CONFIG, sure, trace=trace, time=time) if sure else []
    stale = {key for (key, _, _), revision in zip(sure, revisions, strict=True) if revision is None}
    highest = max((revision for revision in revisions if revision is not None), default=0)
    for write in writes:
        if write.last is None or write.key in stale:
            highest = max(highest, await _write(bus, write, trace, time))
    return highest


async def _write(bus: Bus, write: Write, trace: TraceContext, time: datetime) -> int:
    while True:
        last, _ = await bus.revision(CONFIG, write.key)
        try:
            return await bus.write(CONFIG, write.key, write.body, last=last, trace=trace, time=time)
        except StaleWriteError:
            # The key was deleted once and its marker counts, or an answer was lost. A second writer of
            # this key there is not: what stands in the file holds.
            continue
