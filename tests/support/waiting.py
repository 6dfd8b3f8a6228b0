"""Wait for a condition instead of for time: every wait names what it waits for.

How long is only to say that it will never come: many times what a busy machine takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


def eventually(
    condition: Callable[[], object], what: str, *, within: float = 30.0, every: float = 0.02
) -> float:
    """Wait until a condition holds; return the seconds it took, fail with ``what`` when it never does."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s: {what}"
        time.sleep(every)
    return time.monotonic() - started


async def eventually_async(condition: Callable[[], object], what: str, *, within: float = 30.0) -> float:
    """As `eventually`, inside an event loop."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s: {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - started
