"""Several replicas check one real server, and what flaps is damped: real processes, a real bus."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract.prober_site import Site, Target, on_site
from tests.support.waiting import eventually_async
from vipbus.bus import conditions
from vipbus.contracts import Damping, Verdict

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

ALL = ("p1", "p2", "p3")
INTERVAL, RETRIES_TAKE = 0.5, 0.4
DOWN_WITHIN = INTERVAL + RETRIES_TAKE
SLACK = 2.0
RULES = Damping(penalty=1000.0, suppress=1100.0, reuse=500.0, half_life=8.0)


def says(site: Site, target: Target, verdict: str, *minority: str) -> bool:
    stands = site.verdict(target)
    return (
        stands is not None
        and stands.verdict == verdict
        and {vote.prober for vote in stands.minority} == set(minority)
    )


def stands(site: Site, target: Target) -> Verdict:
    found = site.verdict(target)
    assert found is not None
    return found


async def problems(site: Site) -> str:
    found = await conditions(site.bus, quiet=0.2)
    return "\n".join(problem for condition in found for problem in condition.problems)


async def the_majority_decides(site: Site) -> None:
    (target,) = site.targets
    await site.start(1, 2, 3)
    await site.settle(*ALL)
    await eventually_async(lambda: says(site, target, "up") and stands(site, target).voters == 3, "all agree")
    first = stands(site, target)
    leader, second, third = target.voters(ALL)
    assert first.prober == leader
    assert set(site.opinions.entries) == {f"10-9-0-1_80_tcp.{target.server.id}.{name}" for name in ALL}

    # one does not see it, be it the one that counts: it is named, with its cause
    for blind in (third, leader):
        site.replicas[blind].blind(target)
        await eventually_async(
            lambda blind=blind: says(site, target, "up", blind), f"{blind} is the minority"
        )
        (vote,) = stands(site, target).minority
        assert (vote.verdict, vote.cause) == ("down", "no route to host")
        assert stands(site, target).since == first.since
        site.replicas[blind].see(target)
        await eventually_async(lambda: says(site, target, "up"), "all agree again")

    # two do not
    site.replicas[third].blind(target)
    site.replicas[second].blind(target)
    took = await eventually_async(lambda: says(site, target, "down", leader), "two of three say down")
    assert took < DOWN_WITHIN + SLACK
    assert stands(site, target).cause == "no route to host (said by 2 of 3 probers)"

    # one of the two dies: without a majority what stands stays, and an operator is told
    since = stands(site, target).since
    dead = site.end(third)
    dead.kill()
    await eventually_async(lambda: stands(site, target).voters == 2, "the others are asked")
    await eventually_async(lambda: says(site, target, "down", leader), "what stood stays")
    assert stands(site, target).since == since
    await eventually_async(
        lambda: (
            set(site.opinions.entries)
            == {f"10-9-0-1_80_tcp.{target.server.id}.{name}" for name in (leader, second)}
        ),
        "the opinion of the dead one goes",
    )
    said = await problems(site)
    assert "1 real server with up to 3 vantages and 2 of the prober to look: start more" in said
    assert f"1 real server (such as {target.address}:80) without a majority of probers" in said

    site.replicas[second].see(target)
    await eventually_async(lambda: says(site, target, "up"), "both see it")
    assert stands(site, target).since > since
    await dead.close()


def test_the_majority_decides_and_the_minority_is_named(tmp_path: Path) -> None:
    on_site(tmp_path, [Target(1, vantages=3, interval=INTERVAL)], the_majority_decides)


async def flaps(site: Site) -> None:
    (target,) = site.targets
    await site.start(1)
    await eventually_async(lambda: says(site, target, "up"), "it is up", within=20)
    for _ in range(2):
        site.replicas["p1"].blind(target)
        await eventually_async(lambda: says(site, target, "down"), "it is down")
        site.replicas["p1"].see(target)
        await eventually_async(
            lambda: stands(site, target).verdict == "up" or stands(site, target).checked == "up", "it answers"
        )
    kept = stands(site, target)
    assert kept.verdict == "down"
    assert kept.damped
    assert kept.cause.startswith("flaps: damped until about ")
    assert "answered in " in kept.cause

    # whoever leads next goes on from there
    site.end("p1").kill()
    await site.start(2)
    await site.settle("p2")
    assert stands(site, target).verdict == "down"
    await eventually_async(lambda: says(site, target, "up"), "it may be up again", within=30)
    free = stands(site, target)
    assert free.prober == "p2"
    assert not free.damped
    quiet = (datetime.now(UTC) - kept.since).total_seconds()
    assert quiet > RULES.half_life * 0.5


def test_what_flaps_is_kept_down_also_by_a_new_leader(tmp_path: Path) -> None:
    on_site(tmp_path, [Target(1, interval=INTERVAL, damping=RULES)], flaps)
