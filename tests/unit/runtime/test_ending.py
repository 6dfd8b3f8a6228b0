"""A process ends when its work has ended, whatever tasks are left."""

from __future__ import annotations

import asyncio
import time

import pytest

from vipbus.runtime.ending import run_to_end


async def deaf() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


def test_a_task_that_survives_its_cancellation_is_left_behind(capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> str:
        task = asyncio.ensure_future(deaf())
        await asyncio.sleep(0)
        assert not task.done()
        return "done"

    begin = time.monotonic()
    assert run_to_end(main(), patience=0.05) == "done"
    assert time.monotonic() - begin < 10
    assert capfd.readouterr().err == ""


def test_other_tasks_are_cancelled_and_waited_for() -> None:
    ended = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    async def main() -> None:
        main.task = asyncio.ensure_future(tidy())  # type: ignore[attr-defined]  # kept from the collector
        await asyncio.sleep(0)

    run_to_end(main())
    assert ended == [True]


def test_what_the_work_raises_is_raised() -> None:
    async def main() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_to_end(main())
