"""Waits until the bus holds what the files of some routers say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from config_service.keeper import Keeper
from vipbus.bus import Bus

LONGEST: Final = 60.0
"""Seconds that a reload command may wait for the bus to take a revision."""
_LOOK: Final = 0.5
"""Seconds between two looks at whether the bus takes writes at all."""


async def until_settled(bus: Bus, keepers: Iterable[Keeper]) -> list[str]:
    """Wait for every keeper; say what is not there in time, or will not be before someone sees to it."""
    try:
        async with asyncio.timeout(LONGEST):
            for keeper in keepers:
                while not keeper.settled.is_set():
                    if bus.not_taken:
                        return [f"the bus takes no writes: {bus.not_taken}; it is tried further"]
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(keeper.settled.wait(), _LOOK)
    except TimeoutError:
        return [f"the bus has not taken it within {LONGEST:g} s; it is tried further"]
    return []
