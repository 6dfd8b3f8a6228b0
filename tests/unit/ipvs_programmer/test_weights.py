"""What the checks make of a configured weight."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ipvs_programmer.weights import LARGEST, effective_weight
from vipbus.contracts import RealServer, Verdict


def _real(weight: int) -> RealServer:
    return RealServer(
        router="r", virtual_server="10-9-0-1_80_tcp", address="10.9.0.21", port=80, weight=weight
    )


def _verdict(weight: int | None, added: int) -> Verdict:
    return Verdict(
        virtual_server="10-9-0-1_80_tcp",
        real_server="10-9-0-21_80",
        verdict="up",
        cause="",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        prober="p",
        lease=1,
        weight=weight,
        weight_added=added,
    )


def test_nothing_is_known() -> None:
    assert effective_weight(_real(7), None) == 7


@pytest.mark.parametrize(
    ("configured", "weight", "added", "effective"),
    [
        (10, None, 0, 10),
        (10, 3, 0, 3),
        (10, 0, 0, 0),
        (10, None, 5, 15),
        (10, None, -4, 6),
        (10, None, -10, 0),
        (10, None, -11, 0),
        (10, 3, 2, 5),
        (10, 3, -4, 0),
        (0, None, 2, 2),
        (1, None, LARGEST, LARGEST),
        (LARGEST, None, 0, LARGEST),
        (1, LARGEST, 1, LARGEST),
        (1, None, -(2**62), 0),
        (1, None, 2**62, LARGEST),
    ],
)
def test_what_the_checks_say(configured: int, weight: int | None, added: int, effective: int) -> None:
    assert effective_weight(_real(configured), _verdict(weight, added)) == effective
