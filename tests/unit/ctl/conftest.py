"""A router of stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.ctl.stand_ins import Run


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Make routers; whatever still runs at the end is killed, and its children with it."""
    made: list[Run] = []

    def make(*options: str, **more: object) -> Run:
        run = Run(tmp_path, *options, **more)  # type: ignore[arg-type]  # the test's words go straight through
        made.append(run)
        return run

    yield make
    for run in made:
        if run.process is not None and run.process.poll() is None:
            run.process.kill()
            run.process.wait()
