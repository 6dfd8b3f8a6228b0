"""Fixtures of tests that run programs."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from vrrp_agent.side import Side


@pytest.fixture
def mark() -> Iterator[str]:
    """Give seconds that nobody else sleeps, by which programs are found; what still sleeps them is ended."""
    from tests.support.side import running  # noqa: PLC0415  # most tests start no programs

    made = f"{10**9 + secrets.randbelow(10**9)}.5"
    yield made

    def ended() -> bool:
        left = running(made)
        for pid in left:
            with contextlib.suppress(OSError):
                group = os.getpgid(pid)
                # who started it may start it again, and is of its group
                os.kill(pid, signal.SIGKILL) if group == os.getpgrp() else os.killpg(group, signal.SIGKILL)
        return not left

    eventually(ended, "nobody sleeps any more")


@pytest.fixture
def start_side() -> Iterator[Callable[..., Side]]:
    """Start threads beside an agent's; what still runs is ended, and what it runs with it."""
    from vrrp_agent.side import Side  # noqa: PLC0415  # as above

    made: list[Side] = []

    def start(**settings: object) -> Side:
        made.append(Side(**{"router": "r", "seen": print, "problem": print, **settings}))  # type: ignore[arg-type]
        made[-1].start()
        return made[-1]

    yield start
    for side in made:
        side.finish(1.0)
