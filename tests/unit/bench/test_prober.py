"""What the benchmarks of the prober make of what they counted."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from health_prober.check import round_begins, round_of, rules_of
from tests.bench.prober import show_flooded, show_paced
from tests.bench.prober_engine import BOUNDS, address, quantile, share
from tests.bench.prober_runs import Run, median
from tests.bench.reaction import Close, undisturbed
from tests.bench.syns import lateness
from vipbus.contracts import TcpCheck

CHECK = TcpCheck(address="127.0.0.1", port=80, interval=1.0, timeout=1.0)


def counts(**found: int) -> list[int]:
    empty = [0] * (len(BOUNDS) + 1)
    for place, count in found.items():
        empty[int(place.removeprefix("at"))] = count
    return empty


@pytest.mark.parametrize(
    ("lateness", "share", "seconds"),
    [
        (counts(at0=100), 0.99, 0.0001),
        (counts(at0=99, at9=1), 0.99, 0.0001),
        (counts(at0=98, at9=2), 0.99, 0.001),
        ([*counts()[:-1], 5], 0.99, math.inf),
    ],
)
def test_a_quantile_is_the_bound_of_a_bucket(lateness: list[int], share: float, seconds: float) -> None:
    assert quantile(lateness, share) == pytest.approx(seconds)


def test_bounds_rise() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))


def test_every_target_has_an_address_of_its_own() -> None:
    assert len({address(number) for number in range(70_000)}) == 70_000
    assert address(1) == "127.1.0.1"


def test_replicas_share_the_targets() -> None:
    shares = [share(2000, replica, 2) for replica in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(2000))
    assert all(len(each) == pytest.approx(1000, abs=150) for each in shares)


def test_late_is_what_a_gap_exceeds_the_interval_by() -> None:
    found = lateness([[1.0, 2.0, 3.5], [9.0], [4.0, 4.75]], 1.0)
    assert found == pytest.approx([0.0, 0.5, 0.0])


def test_figures_are_medians_and_ratios_ours_over_theirs() -> None:
    ours = [Run("tcp", "vipbus", 1000, 1000, cpu * 1e-6, 0.001, 0.002) for cpu in (30, 20, 90)]
    theirs = Run("tcp", "haproxy", 1000, 990, 40e-6, 0.01)
    assert median(ours).cpu == pytest.approx(30e-6)
    shown = show_paced([median(ours), theirs])
    assert "0.75x" in shown
    assert "0.10x" in shown


@pytest.mark.parametrize("fault", [{"carried": 8_400}, {"found": False}])
def test_a_rate_that_is_not_held_has_no_figures(fault: dict[str, Any]) -> None:
    ours = Run("http", "vipbus", 10_000, 10_000, 30e-6, 0.001)
    theirs = Run(**{**asdict(replace(ours, program="haproxy", cpu=40e-6, late=0.5)), **fault})
    shown = show_paced([ours, theirs]).splitlines()
    assert "30.0" in shown[2]
    assert "not held" in shown[3]
    assert not {"40.0", "500", "0.75x"} & set(shown[3].replace("|", " ").split())


def test_what_others_took_of_the_processors_is_reckoned_out() -> None:
    shown = show_flooded(
        [
            Run("tcp", "vipbus", 9, 20_000, 30e-6, had=1.0),
            Run("tcp", "2 x vipbus", 9, 30_000, 31e-6, replicas=2, had=1.92),
            Run("tcp", "haproxy", 9, 16_000, 40e-6, had=1.0),
            Run("tcp", "2 x haproxy", 9, 24_000, 40e-6, replicas=2, had=1.6),
        ]
    ).splitlines()
    over = [[cell.strip() for cell in line.split("|")[6:8]] for line in shown[3::2]]
    assert over == [["1.50x", "1.56x"], ["disturbed", "1.88x"]]
    assert "1.25x" in shown[4]


def test_beyond_the_check_is_counted_from_its_time_or_from_the_close() -> None:
    rules = rules_of(CHECK)
    due = round_begins(rules, round_of(rules, 100.0) + 1)
    waited = Close(CHECK, closed=due - 0.7, closed_ns=0)
    assert waited.beyond(due + 0.004) == pytest.approx(0.004)
    met_under_way = Close(CHECK, closed=due + 0.001, closed_ns=0)
    assert met_under_way.beyond(due + 0.004) == pytest.approx(0.003)


def test_a_close_is_left_out_for_a_stall_while_it_was_worked_on_only() -> None:
    rules = rules_of(CHECK)
    due = round_begins(rules, round_of(rules, 100.0) + 1)
    # 0.5 s of waiting, then 10 ms of work that ended at 1.51 s
    close = Close(CHECK, closed=due - 0.5, closed_ns=1_000_000_000, verdict=due + 0.005, sent=due + 0.01)
    close.ended_ns = 1_510_000_000
    assert undisturbed([close], [(1_200_000_000, 1_210_000_000)]) == [close]
    assert undisturbed([close], [(1_505_000_000, 1_506_000_000)]) == []
    assert undisturbed([close], [(1_520_000_000, 1_530_000_000)]) == [close]
