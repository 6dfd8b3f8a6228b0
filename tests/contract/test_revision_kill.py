"""kill -9 of config-service in the middle of an apply, after each of its writes, on a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from pathlib import Path

import pytest

from tests.contract.revision_site import Site, play, weighing
from tests.contract.test_config_service import GOOD, large
from tests.support.cut import Cut
from tests.support.nats import NatsServer, free_port
from tests.support.waiting import eventually_async
from vipbus.bus import BusAwayError
from vipbus.contracts import revision_digest

SMALL = weighing(5).replace("10.9.1.22", "10.9.1.23") + GOOD[GOOD.index("virtual_server") :].replace(
    "10.9.0.100", "10.9.0.101"
)
"""One real server changed, one added, one removed, and a virtual server more."""
LARGE = large(300)
"""Its undo is no part of the record: it goes before it."""


@pytest.mark.parametrize(
    ("applied", "first", "strides"),
    [
        (SMALL, ["vipbus.revision.r1.2", "$KV.config.r1."], (1,)),
        (LARGE, ["vipbus.revision.r1.2.", "vipbus.revision.r1.2", "$KV.config.r1."], (1, 1, 1, 60)),
    ],
    ids=["small", "large"],
)
def test_after_a_kill_at_any_step_a_revision_is_whole(
    nats_server: NatsServer, tmp_path: Path, applied: str, first: list[str], strides: tuple[int, ...]
) -> None:
    async def story(one: Site) -> None:
        cut = Cut(free_port(), ("127.0.0.1", one.server.port))
        await cut.start()
        one.url = f"nats://127.0.0.1:{cut.port}"
        try:
            one.start()
            await one.reaches(1)
            before = bodies(one)
            ways = (*strides, *[strides[-1]] * 20)
            for step in itertools.accumulate(ways, initial=0):
                await kill_after(step, one, cut, applied)
                for said, expected in zip(cut.passed, first, strict=False):
                    assert said.startswith(expected)
                one.start()
                await one.condition(lambda found: found.ready, "the next process is ready")
                await eventually_async(lambda: is_whole(one), f"whole after {step} writes")
                if "$KV.config.r1.head" in cut.passed:
                    break
                # nothing of it is left, and no revision of the history is half
                assert (one.revision(), bodies(one)) == (1, before)
                assert [note.revision for note in (await one.history()).revisions] == [1]
                cut.passed.clear()
            assert step >= len(first) + 2
            assert one.revision() == 2
            assert bodies(one) != before
            assert (await one.rollback(1)).accepted
            assert bodies(one) == before
        finally:
            await cut.close()

    play(nats_server, tmp_path, story)


async def kill_after(step: int, one: Site, cut: Cut, applied: str) -> None:
    """Apply, and kill config-service after so many of its writes."""
    cut.passed.clear()
    cut.on_cut = lambda: killed(one)
    cut.left = step
    asked = asyncio.ensure_future(one.apply(applied))
    await eventually_async(lambda: asked.done() or not one.runs, f"it is killed after {step} writes")
    if one.runs:  # there are fewer
        cut.left = None
        killed(one)
        return
    asked.cancel()
    with contextlib.suppress(BusAwayError, asyncio.CancelledError):
        await asked
    assert len(cut.passed) == step


def killed(one: Site) -> None:
    one.end(signal.SIGKILL)


def bodies(one: Site) -> dict[str, bytes]:
    return {key: entry.body for key, entry in one.all.entries.items() if key != "r1.head"}


def is_whole(one: Site) -> bool:
    head = one.head()
    return head is not None and revision_digest(bodies(one)) == head.digest
