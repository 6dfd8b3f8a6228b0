"""Runs a coroutine to its end and no longer.

`asyncio.run` waits for every task to end after it was cancelled, for ever if one does not. nats-py's
reconnecting is such a task: where a stop falls into an attempt to connect, it takes the cancellation for the
attempt's own end and goes on (2.16.0; seen once in about forty stops while the bus stops too).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that cancelled tasks have."""


def run_to_end(main: Coroutine[Any, Any, T], *, patience: float = PATIENCE) -> T:
    """Run ``main`` on a new event loop as `asyncio.run` does; tasks that survive it are left behind.

    SIGINT is the caller's to handle.
    """
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(_end_all(patience))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _end_all(patience: float) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return
    _, left = await asyncio.wait(others, timeout=patience)
    for task in left:
        log.debug("left behind: %r", task)
        # its destruction would be reported as a fault
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  # there is no other way
