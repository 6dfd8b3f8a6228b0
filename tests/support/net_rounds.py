"""Many attempts in one event loop, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Sequence

from health_prober.attempt import Steps
from health_prober.check import Succeeded, Unproven
from health_prober.trying import tried
from tests.support.waiting import eventually_async
from vipbus.contracts import Check


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a Path would open one of its own


def rounds(checks: Sequence[Check], number: int, at_once: int = 20) -> Counter[str]:
    """Try checks by turns ``number`` times; count the outcomes. Nothing may be left behind."""
    outcomes: Counter[str] = Counter()
    turns = iter(checks[turn % len(checks)] for turn in range(number))

    async def one_after_the_other() -> None:
        for check in turns:
            event = await tried(check, Steps())
            assert not isinstance(event, Unproven), event.trouble
            outcomes["ok" if isinstance(event, Succeeded) else event.cause] += 1

    async def all_of_them() -> None:
        before = descriptors(), len(asyncio.all_tasks())
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())
        gc.collect()
        # the server's end of a connection may be in this process too, and closes after ours
        await eventually_async(lambda: descriptors() <= before[0], "no descriptor is left", within=5)
        assert len(asyncio.all_tasks()) == before[1]

    asyncio.run(all_of_them())
    assert outcomes.total() == number
    return outcomes
