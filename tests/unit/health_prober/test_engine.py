"""The engine against real sockets on loopback."""

from __future__ import annotations

import os
import re
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from health_prober import causes, connect
from health_prober.attempt import PASSED
from health_prober.check import Failed, Succeeded, Unproven, round_begins, round_of, rules_of
from health_prober.engine import Engine, Orders, Outcome
from health_prober.lean import Ending, Lean
from health_prober.metrics import PROBES, PROBES_IN_FLIGHT
from health_prober.probe import Probe
from tests.support.waiting import eventually
from tests.unit.health_prober.running import open_descriptors, running
from vipbus.contracts import TcpCheck, VerdictName

INTERVAL = 0.2


def tcp(port: int, address: str = "127.0.0.1", **knobs: float | str) -> TcpCheck:
    settings: dict[str, float | str] = {
        "interval": INTERVAL,
        "timeout": 0.15,
        "delay_before_retry": 0.05,
        **knobs,
    }
    return TcpCheck(address=address, port=port, **settings)  # type: ignore[arg-type]  # retry is the only int


@contextmanager
def listening(address: str = "127.0.0.1", port: int = 0, backlog: int = 128) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        yield listener


@contextmanager
def silent() -> Iterator[int]:
    """Give a port that answers nothing: its queue of connections is full, so the kernel drops each SYN."""
    with listening(backlog=0) as listener:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


def closed_port() -> int:
    with listening() as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_listening_target_is_up() -> None:
    with running() as run, listening() as listener:
        check = tcp(listener.getsockname()[1])
        run.check(check)
        eventually(lambda: run.last(check) == "up", "it is up")
        ((_, cause),) = run.decisions(check)
        assert re.fullmatch(r"answered in \d+\.\d ms", cause)


def test_a_listening_target_is_up_over_ipv6() -> None:
    try:
        with running() as run, listening("::1") as listener:
            check = tcp(listener.getsockname()[1], "::1")
            run.check(check)
            eventually(lambda: run.last(check) == "up", "it is up")
    except OSError as error:
        pytest.skip(f"no IPv6 on loopback here: {error}")


def test_a_target_never_sees_a_probe_in_its_accept_queue_and_no_port_is_left_in_time_wait() -> None:
    with running() as run, listening() as listener:
        port = listener.getsockname()[1]
        listener.setblocking(False)
        run.check(tcp(port, interval=0.01))
        before = PROBES.total(result="success")
        eventually(lambda: PROBES.total(result="success") >= before + 20, "twenty probes are made")
        with pytest.raises(BlockingIOError):
            listener.accept()
        waiting = [
            line
            for line in Path("/proc/net/tcp").read_text().splitlines()
            if f":{port:04X} " in line and " 06 " in line
        ]
        assert waiting == []


def test_a_closed_port_is_down_after_the_retries() -> None:
    with running() as run:
        check = tcp(closed_port(), retry=2)
        run.check(check)
        eventually(lambda: run.last(check) == "down", "it is down")
        assert run.decisions(check) == [("down", "connection refused")]
        outcome = run.outcomes[0]
        assert outcome.decision.attempts == 3
        assert outcome.decided_ns - outcome.began_ns >= 2 * 0.05e9


def test_a_silent_target_is_down_by_its_timeout() -> None:
    with running() as run, silent() as port:
        check = tcp(port)
        run.check(check, known="up")
        took = eventually(lambda: run.last(check) == "down", "it is down")
        assert run.decisions(check) == [("down", "timed out after 0.15 s")]
        bound = INTERVAL + 2 * check.timeout + check.delay_before_retry
        assert 2 * check.timeout < took < bound + 0.25


def test_a_target_goes_down_and_comes_back() -> None:
    with running() as run:
        with listening() as listener:
            port = listener.getsockname()[1]
            check = tcp(port)
            run.check(check)
            eventually(lambda: run.last(check) == "up", "it is up")
        eventually(lambda: run.last(check) == "down", "its port is closed")
        with listening(port=port):
            eventually(lambda: run.last(check) == "up", "its port is open again")


def test_a_verdict_that_is_taken_over_is_confirmed_once() -> None:
    with running() as run, listening() as listener:
        check = tcp(listener.getsockname()[1])
        run.check(check, known="up")
        before = PROBES.total(result="success")
        eventually(lambda: PROBES.total(result="success") >= before + 3, "it is probed")
        assert [outcome.decision.verdict for outcome in run.outcomes] == ["up"]
        run.check(check, known="down")
        eventually(lambda: len(run.outcomes) == 2, "what was taken over is put right")
        assert (run.last(check), run.outcomes[-1].order) == ("up", 2)


def test_a_dropped_check_is_probed_no_more_and_leaves_nothing_behind() -> None:
    before = open_descriptors()
    with running() as run, silent() as port, listening() as listener:
        inside = open_descriptors()
        stays = tcp(listener.getsockname()[1])
        run.check(stays, *(tcp(port, timeout=60.0, interval=60.0 + n) for n in range(20)))
        eventually(lambda: PROBES_IN_FLIGHT.value() >= 20, "the attempts are in flight")
        run.check(stays)
        eventually(lambda: open_descriptors() <= inside + 1, "their sockets are closed")
        assert {outcome.check for outcome in run.outcomes} <= {stays}
    assert open_descriptors() == before


def test_no_more_than_the_limit_are_in_flight_and_all_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 0
    original = Lean.start

    def counted(lean: Lean, probe: Probe, now: float) -> Failed | Unproven | None:
        nonlocal most
        most = max(most, len(lean.flying) + 1)
        return original(lean, probe, now)

    with silent() as port, running(limit=2) as run:
        monkeypatch.setattr(Lean, "start", counted)
        checks = [tcp(port, retry=0, timeout=0.05, interval=1.0 + n) for n in range(6)]
        run.check(*checks)
        eventually(lambda: all(run.last(check) == "down" for check in checks), "all are down")
    assert most == 2


def test_a_want_of_descriptors_is_no_verdict_and_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running() as run, listening() as listener:
        # with a source it has a socket of its own each time
        check = tcp(listener.getsockname()[1], source="127.0.0.1")
        run.check(check)
        eventually(lambda: run.last(check) == "up", "it is up")
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            eventually(lambda: run.troubles, "the trouble is said")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "too many open files" in run.troubles[0]
        assert "LimitNOFILE" in run.troubles[0]
        eventually(lambda: run.troubles[-1] == "", "it is all right again")
        assert run.decisions(check) == run.decisions(check)[:1]


def test_a_thousand_targets_are_probed_on_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 4
    begun: Counter[str] = Counter()
    original = Lean.start

    def counted(lean: Lean, probe: Probe, now: float) -> Failed | Unproven | None:
        begun[probe.check.address] += 1
        return original(lean, probe, now)

    monkeypatch.setattr(Lean, "start", counted)
    with listening("0.0.0.0") as listener, running() as run:
        port = listener.getsockname()[1]
        checks = [tcp(port, f"127.1.{n >> 8}.{n & 255}", interval=0.5, timeout=5.0) for n in range(1, 1001)]
        run.check(*checks, known="up")
        eventually(
            lambda: len(begun) == 1000 and min(begun.values()) >= rounds, "every target is probed", within=30
        )
        # nobody is probed more often than the schedule says while others wait
        assert max(begun.values()) - min(begun.values()) <= 1
        assert {outcome.decision.verdict for outcome in run.outcomes} == {"up"}


def test_a_connection_to_itself_is_recognised() -> None:
    with socket.socket() as lonely:
        lonely.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        lonely.bind(("127.0.0.1", 0))
        lonely.connect(lonely.getsockname())
        assert connect.met_itself(lonely)
    with listening() as listener, socket.create_connection(listener.getsockname()) as proper:
        assert not connect.met_itself(proper)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (lambda: causes.failed(111), "connection refused"),
        (lambda: causes.failed(113), "no route to host"),
        (lambda: causes.failed(101), "network is unreachable"),
        (lambda: causes.failed(104), "connection reset"),
        (lambda: causes.failed(71), "protocol error"),
        (lambda: causes.timed_out(1.0), "timed out after 1 s"),
        (lambda: causes.timed_out(0.25), "timed out after 0.25 s"),
        (lambda: causes.answered(0.00041), "answered in 0.4 ms"),
    ],
)
def test_causes_are_words(word: Callable[[], str], said: str) -> None:
    assert word() == said


def test_an_interval_of_a_month_is_waited_for() -> None:
    month = 2678400.0
    port = closed_port()
    checks = [tcp(port, f"127.0.0.{n}", interval=month, retry=0) for n in range(1, 255)]
    passed = time.monotonic() / month
    check = max(checks, key=lambda each: (rules_of(each).offset - passed) % 1)  # its next round is far away
    with running() as run:
        run.check(check)
        eventually(lambda: run.last(check) == "down", "the first attempt is made soon")
        other = tcp(closed_port(), retry=0)
        run.check(check, other)
        eventually(lambda: run.crashes or run.last(other) == "down", "the thread lives on")


def alone(known: VerdictName) -> tuple[Engine, TcpCheck, Probe, list[Outcome]]:
    """Give an engine whose thread does not run, a check that it has, and what it says."""
    outcomes: list[Outcome] = []
    engine = Engine(limit=10, on_outcomes=outcomes.extend, on_trouble=print, on_crash=print)
    check = tcp(closed_port(), interval=60.0)
    engine._take(Orders(1, {check: known}), time.monotonic())
    return engine, check, engine._roster.probes[check], outcomes


@pytest.mark.parametrize(("due", "left"), [(10, 0), (40, 24), (63, 47), (64, 0), (100, 36)])
def test_where_many_are_due_more_begin_between_two_looks(due: int, left: int) -> None:
    engine = Engine(limit=1000, on_outcomes=lambda _found: None, on_trouble=print, on_crash=print)
    port = closed_port()
    checks = [tcp(port, f"127.0.1.{number}", interval=60.0) for number in range(1, due + 1)]
    engine._take(Orders(1, dict.fromkeys(checks, "up")), time.monotonic())
    for probe in engine._roster.probes.values():
        engine._schedule.remove(probe)
        engine._schedule.due.append(probe)
    engine._start_due(time.monotonic())
    assert len(engine._schedule.due) == left
    engine._lean.close()


def test_who_is_dropped_in_the_moment_of_its_answer_does_not_come_back() -> None:
    engine, _, probe, outcomes = alone("unknown")

    def answers(_now: float, _seconds: float, ended: list[tuple[Probe, Ending]]) -> bool:
        engine._schedule.remove(probe)
        ended.append((probe, PASSED))
        return True

    engine._lean.wait = answers  # type: ignore[method-assign]
    engine._orders.append(Orders(2, {}))
    engine._turn()
    assert [outcome.decision.verdict for outcome in outcomes] == ["up"]
    assert engine._roster.probes == {}
    assert engine._schedule.next is None


def test_a_verdict_that_is_taken_over_while_a_check_is_in_flight_is_put_right_by_it() -> None:
    engine, check, probe, outcomes = alone("up")
    now = time.monotonic()
    engine._judge(probe, Succeeded(now), now)
    assert probe.calm
    engine._decided.clear()
    engine._schedule.remove(probe)  # it is in flight
    engine._take(Orders(2, {check: "down"}), now)
    engine._stayed_up([probe], now)
    engine._say(now)
    assert [(outcome.decision.verdict, outcome.order) for outcome in outcomes] == [("up", 2)]


def test_hastened_checks_begin_now_and_then_go_on_as_before() -> None:
    with running() as run, listening() as listener:
        check = tcp(listener.getsockname()[1], interval=3600.0, warmup=0.0)
        run.check(check)
        eventually(lambda: run.last(check) == "up", "it is up")
        listener.close()
        run.engine.hasten([check, tcp(1)])
        took = eventually(lambda: run.last(check) == "down", "it is looked at")
        assert took < 2
        probe = run.engine._roster.probes[check]
        assert probe.due == pytest.approx(round_begins(probe.rules, round_of(probe.rules, probe.due)))


def test_a_server_that_falls_silent_is_noticed_in_time_and_found_again() -> None:
    with listening(backlog=0) as listener, running() as run:
        check = tcp(listener.getsockname()[1], retry=0)
        run.check(check)
        eventually(lambda: run.last(check) == "up", "it is up")
        before = PROBES.total(result="success")
        eventually(lambda: PROBES.total(result="success") >= before + 2, "it stays up")
        assert run.engine._roster.probes[check].calm
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        took = eventually(lambda: run.last(check) == "down", "silence is noticed")
        assert took < INTERVAL + check.timeout + 1.0
        assert run.decisions(check)[-1] == ("down", "timed out after 0.15 s")
        for filler in fillers:
            filler.close()
        listener.accept()[0].close()
        eventually(lambda: run.last(check) == "up", "it is found again")
