"""What a stall of the machine leaves out of the figures is told beside them."""

from __future__ import annotations

from tests.bench.connections import Connection, Span, summarize

SECOND = 10**9
FAILED = (3, 4, 5)


def found() -> list[Connection]:
    """Make twenty connections a tenth of a second apart, three of them refused."""
    return [
        Connection(
            at := number * SECOND // 10,
            0 if number in FAILED else at + 1000,
            0 if number in FAILED else at + 2000,
            111 if number in FAILED else 0,
        )
        for number in range(20)
    ]


def test_without_a_stall_everything_counts() -> None:
    seen = summarize("vipbus", "stop", 1.0, found(), [])
    assert (seen.connections, seen.refused, seen.gap) == (20, 3, 0.4)
    assert (seen.left_out, seen.left_out_failed, seen.whole_gap) == (0, 0, 0.4)


def test_a_failure_near_a_stall_is_left_out_and_still_told() -> None:
    stall: Span = (2 * SECOND // 10, 2 * SECOND // 10 + SECOND // 100)
    seen = summarize("vipbus", "stop", 1.0, found(), [stall])
    assert (seen.refused, seen.gap) == (0, 0.1)
    assert (seen.left_out, seen.left_out_failed, seen.whole_gap) == (11, 3, 0.4)
