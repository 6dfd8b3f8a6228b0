"""Replicas come and go under a thousand targets; who probes what, and when, is measured at the targets."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from health_prober.lease import TTL
from tests.contract.prober_site import SLACK, Site, Target, on_site
from tests.support.waiting import eventually_async

INTERVAL = 2.0
LONELY, SEEN_BY_THREE = 800, 200
"""Targets with one vantage, and with three."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


async def measure(site: Site, *names: str) -> None:
    """Watch for two intervals: every target is probed by whom it should, as often as it should."""
    begin = time.monotonic()
    await asyncio.sleep(2 * INTERVAL + 0.1)
    end = time.monotonic()
    for target in site.targets:
        found = target.by(begin, end)
        assert set(found) == set(target.voters(names)), (target.address, found)
        for replica, moments in found.items():
            # two of them, but for what comes late at the beginning and at the end
            assert 1 <= len(moments) <= 3, (target.address, replica, moments)
            assert all(later - earlier < INTERVAL + SLACK for earlier, later in pairwise(moments))
            assert moments[0] - begin < INTERVAL + SLACK
            assert end - moments[-1] < INTERVAL + SLACK


async def story(site: Site) -> None:
    await site.start(1)
    await eventually_async(lambda: len(site.health.entries) == len(site.targets), "all are known", within=30)
    await site.settle("p1")
    await measure(site, "p1")

    await site.start(2, 3)
    await site.settle("p1", "p2", "p3")
    assert all(member.targets > 200 for member in site.members.values())
    await measure(site, "p1", "p2", "p3")

    killed = time.monotonic()
    third = site.end("p3")
    third.kill()
    await site.settle("p1", "p2")
    await asyncio.sleep(INTERVAL)
    # an interval before the kill, the lease, and an interval after it
    assert max(site.longest_gaps(killed, time.monotonic())) < TTL + INTERVAL + SLACK
    await measure(site, "p1", "p2")
    await third.close()

    cut = time.monotonic()
    site.replicas["p2"].relay.stand_still()
    await eventually_async(lambda: set(site.members.entries) == {"p1"}, "its lease ends")
    alone = time.monotonic()
    await asyncio.sleep(INTERVAL + SLACK)
    for target in site.targets:
        found = target.by(alone, time.monotonic())
        assert "p1" in found, "who is left probes everything"
        if "p2" in target.voters(("p1", "p2")):
            assert "p2" in found, "who is cut off goes on with what it has"
    assert max(site.longest_gaps(cut, time.monotonic())) < INTERVAL + SLACK, "none was ever unowned"
    site.replicas["p2"].relay.go_on()
    await site.settle("p1", "p2")
    await measure(site, "p1", "p2")
    assert site.verdicts == {"up"}, "no verdict changed because a target changed hands"


def test_every_target_is_probed_on_schedule_by_exactly_as_many_as_it_should(tmp_path: Path) -> None:
    targets = [
        Target(number, vantages=1 if number < LONELY else 3, interval=INTERVAL)
        for number in range(LONELY + SEEN_BY_THREE)
    ]
    on_site(tmp_path, targets, story)
