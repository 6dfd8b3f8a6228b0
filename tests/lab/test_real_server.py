"""A real server's port closes and opens: out of the table and back within the times its check declares."""

from __future__ import annotations

import time

import pytest

from tests.lab.client import EVERY
from tests.lab.lab import Lab
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
GRACE = 0.5


def test_a_closed_port_leaves_the_table_and_an_open_one_is_back(lab: Lab) -> None:
    timing = lab.declaration.timing
    lab.close_port("s2")
    eventually(lambda: lab.destinations("r1") == {"s1", "s3"}, "s2 has left", within=timing.detection + GRACE)
    without = time.monotonic()
    eventually(lambda: lab.client.answered_since(without, 30), "the others answer")
    seen = lab.client.seen(without + EVERY)
    assert seen.failed == 0, seen
    assert set(seen.servers) == {"s1", "s3"}

    lab.open_port("s2")
    eventually(
        lambda: lab.destinations("r1") == {"s1", "s2", "s3"},
        "s2 is back",
        within=timing.delay_loop + GRACE,
    )
    back = time.monotonic()
    eventually(lambda: "s2" in lab.client.recent(time.monotonic() - back).servers, "s2 answers again")
    assert lab.client.seen(back).failed == 0
