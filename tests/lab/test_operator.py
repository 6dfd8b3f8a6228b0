"""An operator drains, disables and enables a real server under traffic, and the word outlives the router."""

from __future__ import annotations

import time

import pytest

from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = pytest.mark.ipvs

S2 = "10.9.0.22:80"


def says(router: Vipbus, *arguments: str) -> list[str]:
    """Have a command done, and give what it said of the router's table."""
    done = router.ask(*arguments, "--by", "ann", "--wait", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[1:]


def test_a_drain_costs_no_request_and_enable_ends_it(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    begin = time.monotonic()
    assert says(r1, "drain", S2, "--why", "new disk") == ["r1: weight 0"]
    drained = time.monotonic()
    service = r1.table()[f"{lab.address}:80"]
    assert service.destinations[S2] == 0
    status = r1.ask("status")
    assert "DRAINED by ann" in status.stdout
    assert status.returncode == 0, "a drained real server is no failure"
    eventually(lambda: lab.client.answered_since(drained, 60), "the others answer")
    seen = lab.client.seen(drained)
    assert set(seen.servers) <= {"s1", "s3"}
    assert seen.good
    assert says(r1, "enable", S2) == ["r1: weight 1"]
    enabled = time.monotonic()
    eventually(
        lambda: "s2" in lab.client.recent(time.monotonic() - enabled).servers, "s2 answers again", within=20
    )
    whole = lab.client.seen(begin)
    assert whole.failed == 0, whole


def test_what_is_disabled_is_out_of_the_table_over_a_restart_of_the_router(lab: Lab) -> None:
    r1 = lab.vipbus("r1")
    assert says(r1, "disable", S2) == ["r1: out of the table"]
    assert S2 not in r1.table()[f"{lab.address}:80"].destinations
    assert r1.stop() == 0
    logged = r1.log.stat().st_size
    r1.start()
    eventually(lambda: r1.holds(lab.address), "r1 is active again", within=90, every=0.5)
    assert lab.destinations("r1") == {"s1", "s3"}
    assert "add destination 10.9.0.22:80" not in r1.log.read_bytes()[logged:].decode()
    assert says(r1, "enable", S2) == ["r1: weight 1"]
    lab.settled("r1")
