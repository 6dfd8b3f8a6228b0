"""The active router is cut off and comes back; with nopreempt it stays backup; and a standby is warm."""

from __future__ import annotations

import time

import pytest

from tests.lab.declare import Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.lab.traffic import BROKEN
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs
GRACE = 0.5
UNREACHED = {"timed out", "No route to host", f"{BROKEN}Connection reset by peer", f"{BROKEN}timed out"}
"""How a request fails when nobody holds the address, and one whose connection was open when that began.
Refused would mean an address without a table behind it.
"""


def cut_and_wait(lab: Lab) -> float:
    """Cut r1 off and wait until r2 holds address and table, within its master-down interval."""
    begin = time.monotonic()
    lab.cut("r1")
    eventually(
        lambda: lab.routers["r2"].holds(lab.address) and lab.destinations("r2") == set(lab.servers),
        "r2 holds the address and the table",
        within=lab.declaration.master_down("r2") + GRACE,
    )
    eventually(lambda: lab.client.answered_since(begin, 20), "the client is answered by r2's table")
    return begin


def test_the_other_takes_over_and_the_first_takes_back(lab: Lab) -> None:
    begin = cut_and_wait(lab)
    during = lab.client.seen(begin)
    assert set(during.errors) <= UNREACHED, during

    begin = time.monotonic()
    lab.restore("r1")
    lab.settled("r1")
    back = lab.client.seen(begin)
    assert set(back.errors) <= UNREACHED, back
    assert not lab.routers["r2"].table(), "a standby's table is clear"


def test_nopreempt_and_a_warm_standby() -> None:
    declaration = Declaration(
        routers=(RouterSpec("r1", 150), RouterSpec("r2", 100)),
        nopreempt=True,
        options=("--standby", "warm"),
    )
    with Lab(declaration, start=False) as lab:
        # whoever comes first stays, so the order of the start decides
        lab.routers["r1"].start()
        eventually(lambda: lab.serves("r1"), "r1 serves", within=60, every=0.1)
        lab.start_client()
        lab.routers["r2"].start()
        lab.settled("r1")
        eventually(lambda: lab.destinations("r2") == set(lab.servers), "the standby's table is warm")
        assert lab.who_holds() == ("r1",)

        lab.close_port("s3")
        eventually(lambda: lab.destinations("r2") == {"s1", "s2"}, "a warm table follows the checks")
        lab.open_port("s3")
        lab.settled("r1")
        cut_and_wait(lab)

        begin = time.monotonic()
        lab.restore("r1")
        eventually(lab.routers["r1"].ready, "r1 is ready", within=60, every=0.2)
        eventually(lambda: lab.destinations("r1") == set(lab.servers), "r1's table is warm again")
        longest = lab.declaration.master_down("r1") + GRACE
        eventually(lambda: time.monotonic() > begin + longest, "r1 had the time to take over", within=60)
        assert lab.who_holds() == ("r2",), "nopreempt: the first stays in the background"
        assert lab.client.seen(begin).failed == 0
