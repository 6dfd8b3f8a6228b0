"""A pool as it should stand, with the reasons of its weights: a table of cases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from ipvs_programmer.desired import Arranged, Picture, arrange
from ipvs_programmer.drain import Drain
from ipvs_programmer.hold import Hold, Weighed
from ipvs_programmer.table import DestinationKey
from ipvs_programmer.weights import Origin
from tests.unit.ipvs_programmer.tables import destination, key, pool, table
from tests.unit.ipvs_programmer.test_desired import layout, said, verdicts, weighed
from tests.unit.ipvs_programmer.world import EPOCH, instance, real_server, virtual_server
from vipbus.contracts import RealServer, SlowStart, SorryServer, Verdict, VirtualServer

SLOW = SlowStart(duration=100)
SORRY = SorryServer(address="10.9.0.9", port=80, forwarding="NAT")
SORRY_INHIBIT = msgspec.structs.replace(SORRY, inhibit=True)


def real(number: int, weight: int = 1, **more: Any) -> RealServer:
    return msgspec.structs.replace(real_server(f"10.9.0.{number}", weight=weight), **more)


def made(picture: Picture, *reals: RealServer, virtual: VirtualServer | None = None) -> Arranged:
    virtual = virtual or virtual_server()
    return arrange(layout(instance(), virtual, *reals).servers[virtual.id], picture)


def weights(arranged: Arranged) -> dict[str, int]:
    """Weights by the last number of the address."""
    return {key.address.rpartition(".")[2]: each.weight for key, each in arranged.pool.destinations.items()}


def origin(arranged: Arranged, number: int) -> Origin:
    return arranged.origins[DestinationKey(f"10.9.0.{number}", 80)]


def up(number: int, after: float, before: str = "down", **more: Any) -> dict[str, Verdict]:
    """A verdict up, so many seconds after the beginning of time."""
    return {
        key: msgspec.structs.replace(
            each,
            since=EPOCH + timedelta(seconds=after),
            before=before,  # type: ignore[arg-type]  # the tests name only verdicts
            **more,
        )
        for key, each in verdicts(**{f"_{number}": "up"}).items()
    }


def later(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


# ---- where weights come from


@pytest.mark.parametrize(
    ("picture", "weight", "expected"),
    [
        (Picture(), 5, Origin(configured=5)),
        (Picture(verdicts=verdicts(_21="up")), 5, Origin(configured=5)),
        (Picture(verdicts=weighed(_21=(9, 0))), 9, Origin(configured=5, checked=9)),
        (Picture(verdicts=weighed(_21=(None, -2))), 3, Origin(configured=5, checked=3)),
        (Picture(verdicts=weighed(_21=(None, -9))), 0, Origin(configured=5, checked=0)),
        (Picture(operators=said(_21="drain")), 0, Origin(configured=5, operator="drain")),
        (
            Picture(verdicts=weighed(_21=(9, 0)), operators=said(_21="drain")),
            0,
            Origin(configured=5, checked=9, operator="drain"),
        ),
        (
            Picture(
                verdicts=verdicts(_21="down"),
                holds={
                    virtual_server().id: Hold({"10-9-0-21_80": Weighed(5, 4)}, frozenset(["10-9-0-21_80"]))
                },
            ),
            4,
            Origin(configured=5, reason="held"),
        ),
    ],
)
def test_origins(picture: Picture, weight: int, expected: Origin) -> None:
    arranged = made(picture, real(21, 5))
    assert weights(arranged) == {"21": weight}
    assert origin(arranged, 21) == expected
    assert arranged.live_weight == weight


def test_settings_of_a_real_server_reach_the_kernel() -> None:
    arranged = made(Picture(), real(21, upper_threshold=100, lower_threshold=50))
    assert list(arranged.pool.destinations.values()) == [destination(upper=100, lower=50)]


# ---- inhibit_on_failure


@pytest.mark.parametrize(
    ("given", "more", "expected"),
    [
        (verdicts(_21="down"), {}, {"22": 1}),
        (verdicts(_21="down"), {"inhibit_on_failure": True}, {"21": 0, "22": 1}),
        (verdicts(_21="up"), {"inhibit_on_failure": True}, {"21": 1, "22": 1}),
        (verdicts(), {"inhibit_on_failure": True}, {"21": 1, "22": 1}),
        # as keepalived has it: alpha is down until its first success, and that is inhibited too
        (verdicts(), {"inhibit_on_failure": True, "alpha": True}, {"21": 0, "22": 1}),
    ],
)
def test_inhibited(given: dict[str, Verdict], more: dict[str, Any], expected: dict[str, int]) -> None:
    arranged = made(Picture(verdicts=given), real(21, **more), real(22))
    assert weights(arranged) == expected
    if expected.get("21") == 0:
        assert origin(arranged, 21) == Origin(configured=1, reason="inhibited")
        assert arranged.live_weight == 1


def test_an_operator_takes_out_what_is_inhibited() -> None:
    picture = Picture(verdicts=verdicts(_21="down"), operators=said(_21="disable"))
    assert weights(made(picture, real(21, inhibit_on_failure=True))) == {}


# ---- quorum and sorry server


@pytest.mark.parametrize(
    ("virtual", "given", "before", "expected", "met"),
    [
        ({}, verdicts(_21="down", _22="down"), {}, {}, False),
        ({}, verdicts(_21="down"), {}, {"22": 3}, True),
        # without a sorry server what is up stays, whatever the quorum
        ({"quorum": 5}, verdicts(_21="down"), {}, {"22": 3}, False),
        ({"quorum": 5, "sorry_server": SORRY}, verdicts(_21="down"), {}, {"9": 1}, False),
        ({"quorum": 5, "sorry_server": SORRY_INHIBIT}, verdicts(_21="down"), {}, {"22": 0, "9": 1}, False),
        ({"quorum": 5, "sorry_server": SORRY}, verdicts(), {}, {"21": 2, "22": 3}, True),
        # hysteresis: 3 is enough to keep it, and not enough to gain it
        ({"quorum": 4, "hysteresis": 1, "sorry_server": SORRY}, verdicts(_21="down"), True, {"22": 3}, True),
        ({"quorum": 4, "hysteresis": 1, "sorry_server": SORRY}, verdicts(_21="down"), False, {"9": 1}, False),
        ({"quorum": 4, "hysteresis": 1, "sorry_server": SORRY}, verdicts(), False, {"21": 2, "22": 3}, True),
    ],
)
def test_quorum(
    virtual: dict[str, Any],
    given: dict[str, Verdict],
    before: bool | Mapping[str, bool],
    expected: dict[str, int],
    met: bool,
) -> None:
    of = virtual_server(**virtual)
    quorums = {of.id: before} if isinstance(before, bool) else before
    arranged = made(Picture(verdicts=given, quorums=quorums), real(21, 2), real(22, 3), virtual=of)
    assert (weights(arranged), arranged.quorum) == (expected, met)
    if "9" in expected:
        assert origin(arranged, 9) == Origin(reason="sorry")


def test_alpha_gains_its_quorum_before_it_serves() -> None:
    of = virtual_server(quorum=2, hysteresis=1, sorry_server=SORRY)
    reals = [real(number, alpha=True) for number in (21, 22, 23)]
    quorums: dict[str, bool] = {}
    for given, expected in (
        (verdicts(), {"9": 1}),
        (verdicts(_21="up", _22="up"), {"9": 1}),  # 2 is less than 2 + 1
        (verdicts(_21="up", _22="up", _23="up"), {"21": 1, "22": 1, "23": 1}),
        (verdicts(_21="up"), {"21": 1}),  # and 1 is not less than 2 - 1
        (verdicts(), {"9": 1}),
    ):
        arranged = made(Picture(verdicts=given, quorums=quorums), *reals, virtual=of)
        assert weights(arranged) == expected
        quorums = {of.id: arranged.quorum}


def test_what_is_drained_by_an_operator_is_no_weight_of_the_quorum() -> None:
    of = virtual_server(quorum=2, sorry_server=SORRY_INHIBIT)
    arranged = made(Picture(operators=said(_21="drain")), real(21), real(22), virtual=of)
    assert (weights(arranged), arranged.live_weight) == ({"21": 0, "22": 0, "9": 1}, 1)
    assert origin(arranged, 21) == Origin(configured=1, operator="drain", reason="inhibited")


def test_a_sorry_server_that_is_a_real_server_too_serves_with_its_sorry_weight() -> None:
    of = virtual_server(quorum=5, sorry_server=msgspec.structs.replace(SORRY_INHIBIT, address="10.9.0.21"))
    assert weights(made(Picture(), real(21, 3), real(22), virtual=of)) == {"21": 1, "22": 0}


def test_while_no_verdict_was_ever_read_a_lost_quorum_stays_lost() -> None:
    of = virtual_server(quorum=2, sorry_server=SORRY)
    standing = table(pool(None, destination("10.9.0.9")))
    lost = Picture(kept=standing, quorums={of.id: False})
    assert weights(made(lost, real(21), real(22), virtual=of)) == {"9": 1}
    # nothing of it stands: then it is decided, and unknown is never down
    assert weights(made(Picture(kept={}, quorums={of.id: False}), real(21), real(22), virtual=of)) == {
        "21": 1,
        "22": 1,
    }


# ---- slow start


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        # alone from its verdict on: it takes all of the load at once
        (up(21, 10), 10, {"21": 100}),
        (up(21, 10) | verdicts(_22="down"), 10, {"21": 100}),
        # another was there before
        (up(21, 10) | up(22, 0), 10, {"21": 1, "22": 100}),
        (up(21, 10) | up(22, 0), 60, {"21": 50, "22": 100}),
        (up(21, 10) | up(22, 0), 110, {"21": 100, "22": 100}),
        (up(21, 10) | verdicts(_22="unknown"), 60, {"21": 50, "22": 100}),
        # both after it
        (up(21, 10) | up(22, 0) | up(23, 20), 60, {"21": 50, "22": 100, "23": 40}),
        # at the same moment: the pool was empty, and both carry it
        (up(21, 10) | up(22, 10), 10, {"21": 100, "22": 100}),
        # the one that carried the load dies: whoever is alone has it all
        (up(21, 10) | verdicts(_22="down"), 60, {"21": 100}),
        # only who was down comes back
        (up(21, 10, "unknown") | up(22, 0), 10, {"21": 100, "22": 100}),
        # a dynamic weight is ramped too
        (up(21, 10, weight=50) | up(22, 0), 60, {"21": 25, "22": 100}),
        (up(21, 10, weight=0) | up(22, 0), 60, {"21": 0, "22": 100}),
    ],
)
def test_slow_start(given: dict[str, Verdict], now: float, expected: dict[str, int]) -> None:
    reals = [real(int(key[-5:-3]), 100, slow_start=SLOW) for key in given]
    arranged = made(Picture(verdicts=given, now=later(now)), *reals)
    assert weights(arranged) == expected
    ramping = {number: weight for number, weight in expected.items() if weight not in (0, 100)}
    for number in expected:
        assert (origin(arranged, int(number)).ramp < 100) == (number in ramping)
    assert (arranged.due is not None) == bool(ramping)


def test_the_quorum_is_compared_with_whole_weights() -> None:
    of = virtual_server(quorum=150, sorry_server=SORRY)
    given = up(21, 10) | up(22, 0)
    reals = [real(number, 100, slow_start=SLOW) for number in (21, 22)]
    arranged = made(Picture(verdicts=given, now=later(10)), *reals, virtual=of)
    assert (weights(arranged), arranged.live_weight, arranged.quorum) == ({"21": 1, "22": 100}, 200, True)


def test_what_an_operator_drains_does_not_start() -> None:
    given, words = up(21, 10) | up(22, 0), said(_21="drain")
    reals = [real(number, 100, slow_start=SLOW) for number in (21, 22)]
    arranged = made(Picture(verdicts=given, operators=words, now=later(60)), *reals)
    assert (weights(arranged), arranged.due) == ({"21": 0, "22": 100}, None)
    # and whoever is drained carries no load for another
    arranged = made(Picture(verdicts=given, operators=said(_22="drain"), now=later(60)), *reals)
    assert weights(arranged) == {"21": 100, "22": 0}


# ---- drains


def test_what_drains_stands_beside_the_pool() -> None:
    until = later(300)
    gone = destination("10.9.0.99", weight=0)
    drains = {key(): {gone.key: Drain(virtual_server=virtual_server().id, destination=gone, until=until)}}
    arranged = made(Picture(drains=drains), real(21))
    assert weights(arranged) == {"21": 1, "99": 0}
    assert origin(arranged, 99) == Origin(reason="draining", until=until)
    assert arranged.live_weight == 1
    of = virtual_server(quorum=5, sorry_server=SORRY)
    assert weights(made(Picture(drains=drains), real(21), virtual=of)) == {"9": 1, "99": 0}
