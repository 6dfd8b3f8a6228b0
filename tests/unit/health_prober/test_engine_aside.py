"""Checks that a thread beside the engine's makes: handed over, bounded, broken off, and never trusted."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import pytest

from health_prober import aside, trying
from health_prober.attempt import CheckFailedError, NotTriedError, Passed, Steps
from health_prober.metrics import PROBES, PROBES_IN_FLIGHT
from tests.support.waiting import eventually
from tests.unit.health_prober.running import Run, running
from vipbus.contracts import Check, DnsCheck, FileCheck, PingCheck, TcpCheck

Attempt = Callable[[Check, Steps], Awaitable[Passed]]


def ping(number: int = 1, **knobs: float) -> PingCheck:
    settings = {"interval": 0.1, "timeout": 1.0, "retry": 0, **knobs}
    return PingCheck(address=f"127.0.0.{number}", port=0, **settings)


def attempts(monkeypatch: pytest.MonkeyPatch, attempt: Attempt) -> None:
    """Have every check beside the engine's own attempted like this."""
    monkeypatch.setattr(trying, "attempt_for", lambda _check: attempt)


def side_threads() -> int:
    return sum(thread.name == "checks" for thread in threading.enumerate())


async def passes(_check: Check, _steps: Steps) -> Passed:
    return Passed(note="echo reply", weight=7)


async def fails(_check: Check, _steps: Steps) -> Passed:
    raise CheckFailedError("no echo reply")


async def waits(_check: Check, steps: Steps) -> Passed:
    steps.wait("waiting for the echo reply")
    await asyncio.sleep(3600)
    return Passed()


@pytest.mark.parametrize(
    ("attempt", "verdict", "cause"),
    [
        (passes, "up", "echo reply, answered in "),
        (fails, "down", "no echo reply"),
        (waits, "down", "timed out after 0.2 s (waiting for the echo reply)"),
    ],
)
def test_an_attempt_beside_is_judged_like_any_other(
    monkeypatch: pytest.MonkeyPatch, attempt: Attempt, verdict: str, cause: str
) -> None:
    attempts(monkeypatch, attempt)
    with running() as run:
        said, told = run.verdict(ping(timeout=0.2))
        assert said == verdict
        assert told.startswith(cause)
        if verdict == "up":
            assert run.outcomes[0].decision.passed.weight == 7
    assert side_threads() == 0


def test_the_thread_is_there_only_where_a_check_needs_it() -> None:
    with running() as run:
        run.check(TcpCheck(address="127.0.0.1", port=1, interval=0.05, retry=0))
        eventually(lambda: run.outcomes, "it is probed")
        assert side_threads() == 0


async def breaks(check: Check, _steps: Steps) -> Passed:
    if check.address == "127.0.0.1" and check.port == 0:
        raise ValueError("a bug\n\x1b[31mof ours")
    return Passed()


def test_a_kind_that_breaks_ends_nothing_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts(monkeypatch, breaks)
    healthy = DnsCheck(address="127.0.0.1", port=53, interval=0.1)
    with running() as run, caplog.at_level(logging.ERROR):
        before = PROBES.total(result="local")
        run.check(*(ping(timeout=number) for number in range(1, 4)), healthy)
        eventually(lambda: PROBES.total(result="local") >= before + 9, "they are tried again and again")
        assert run.last(healthy) == "up"
        assert {outcome.check for outcome in run.outcomes} == {healthy}
        assert run.troubles[0].endswith(
            "the check failed inside vipbus: ValueError: a bug\ufffd\ufffd[31mof ours"
        )
        assert [record.getMessage() for record in caplog.records] == [
            "a check of kind ping failed inside vipbus"
        ]
        run.check(healthy)
        eventually(lambda: run.troubles[-1] == "", "who is gone has no trouble")


async def cancels_itself(_check: Check, _steps: Steps) -> Passed:
    raise asyncio.CancelledError


async def wants(_check: Check, _steps: Steps) -> Passed:
    raise NotTriedError("interface eth9: this host has none; name one that it has")


@pytest.mark.parametrize(
    ("attempt", "trouble"),
    [
        (cancels_itself, "the check failed inside vipbus: it cancelled itself"),
        (wants, "interface eth9: this host has none; name one that it has"),
    ],
)
def test_what_was_not_tried_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, attempt: Attempt, trouble: str
) -> None:
    attempts(monkeypatch, attempt)
    with running() as run:
        run.check(ping())
        eventually(lambda: run.troubles, "it is said")
        assert run.troubles == [trouble]
        assert run.outcomes == []
        attempts(monkeypatch, passes)
        eventually(lambda: run.troubles[-1] == "", "all is well")


def test_a_kind_that_is_not_there_is_said() -> None:
    check = FileCheck(address="127.0.0.1", port=1, path="/nowhere", interval=0.1)
    with running() as run, pytest.MonkeyPatch.context() as patched:
        patched.setattr("health_prober.attempt.KINDS", {"file": "lost"})
        run.check(check)
        eventually(lambda: run.troubles, "it is said")
        assert "No module named 'health_prober.kinds.lost'" in run.troubles[0]


def test_no_more_than_so_many_are_in_flight_and_all_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_MOST", 3)
    inside, most = 0, 0

    async def counted(check: Check, steps: Steps) -> Passed:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return await waits(check, steps)
        finally:
            inside -= 1

    attempts(monkeypatch, counted)
    with running() as run:
        checks = [ping(number, timeout=0.1, interval=1.0, warmup=0.0) for number in range(1, 10)]
        run.check(*checks)
        eventually(lambda: all(run.last(check) == "down" for check in checks), "all are down")
    assert most == 3


def test_a_dropped_check_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []
    ended: list[str] = []

    async def waits_long(check: Check, _steps: Steps) -> Passed:
        began.append(check.address)
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(check.address)
        return Passed()

    attempts(monkeypatch, waits_long)
    with running() as run:
        run.check(*(ping(number, timeout=60.0) for number in range(1, 4)))
        eventually(lambda: len(began) == 3, "they are in flight")
        assert PROBES_IN_FLIGHT.value() == 3
        run.check(ping(1, timeout=60.0))
        eventually(lambda: sorted(ended) == ["127.0.0.2", "127.0.0.3"], "two are broken off")
    assert sorted(ended) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert run.outcomes == []


def test_a_library_that_hangs_is_given_up_and_the_plain_checks_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_OVERDUE", 0.2)
    monkeypatch.setattr(aside, "_LOOK", 0.05)
    released = threading.Event()

    async def hangs(_check: Check, _steps: Steps) -> Passed:
        released.wait(30)  # the loop itself stands still
        return Passed()

    attempts(monkeypatch, hangs)
    plain = TcpCheck(address="127.0.0.1", port=1, interval=0.05, retry=0)
    with running() as run:
        try:
            run.check(ping(timeout=0.1), plain)
            eventually(lambda: run.troubles, "it is given up")
            assert run.troubles[0] == "the check failed inside vipbus: it did not end in time"
            before = PROBES.total(result="failure")
            eventually(lambda: PROBES.total(result="failure") > before + 5, "plain checks go on")
            assert run.last(ping(timeout=0.1)) is None
        finally:
            released.set()


def test_what_ends_the_loop_is_a_crash_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leaves(_check: Check, _steps: Steps) -> Passed:
        raise SystemExit(3)

    attempts(monkeypatch, leaves)
    run = Run(1000)
    run.engine.start()
    try:
        run.check(ping())
        eventually(lambda: run.crashes, "it is told")
        assert isinstance(run.crashes[0], SystemExit)
    finally:
        run.engine.stop()


def test_a_slow_thread_beside_makes_no_plain_check_late(monkeypatch: pytest.MonkeyPatch) -> None:
    async def computes(_check: Check, _steps: Steps) -> Passed:
        for _ in range(10):
            sum(range(100_000))
            await asyncio.sleep(0)
        return Passed()

    attempts(monkeypatch, computes)
    plain = TcpCheck(address="127.0.0.1", port=1, interval=0.02, retry=0)
    with running() as run:
        run.check(plain, *(ping(number) for number in range(1, 20)))
        before = PROBES.total(result="failure")
        took = eventually(lambda: PROBES.total(result="failure") >= before + 50, "plain checks are made")
        assert took < 5  # 1 s if it has all the time it wants
