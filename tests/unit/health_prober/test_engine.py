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
from health_prober.check import rules_of
from health_prober.engine import Engine, Orders, Outcome
from health_prober.metrics import PROBES, PROBES_IN_FLIGHT
from tests.support.waiting import eventually
from vipbus.contracts import TcpCheck, VerdictName

INTERVAL = 0.2


def tcp(port: int, address: str = "127.0.0.1", **knobs: float) -> TcpCheck:
    settings: dict[str, float] = {
        "delay_loop": INTERVAL,
        "connect_timeout": 0.15,
        "delay_before_retry": 0.05,
        **knobs,
    }
    return TcpCheck(address=address, port=port, **settings)  # type: ignore[arg-type]  # retry is the only int


class Run:
    """An engine and everything it said."""

    def __init__(self, limit: int) -> None:
        self.outcomes: list[Outcome] = []
        self.troubles: list[str] = []
        self.crashes: list[BaseException] = []
        self.engine = Engine(
            limit=limit,
            on_outcomes=self.outcomes.extend,
            on_trouble=self.troubles.append,
            on_crash=self.crashes.append,
        )
        self._number = 0

    def check(self, *checks: TcpCheck, known: VerdictName | None = None) -> None:
        self._number += 1
        self.engine.assign(Orders(self._number, dict.fromkeys(checks, known)))

    def decisions(self, check: TcpCheck) -> list[tuple[VerdictName, str]]:
        return [(o.decision.verdict, o.decision.cause) for o in self.outcomes if o.check == check]

    def last(self, check: TcpCheck) -> VerdictName | None:
        return self.decisions(check)[-1][0] if self.decisions(check) else None


@contextmanager
def running(limit: int = 1000) -> Iterator[Run]:
    run = Run(limit)
    run.engine.start()
    yield run
    run.engine.stop()
    assert run.crashes == []


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


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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
        run.check(tcp(port, delay_loop=0.01))
        before = PROBES.value(result="success")
        eventually(lambda: PROBES.value(result="success") >= before + 20, "twenty probes are made")
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
        bound = INTERVAL + 2 * check.connect_timeout + check.delay_before_retry
        assert 2 * check.connect_timeout < took < bound + 0.25


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


def test_a_verdict_that_is_taken_over_is_not_decided_again() -> None:
    with running() as run, listening() as listener:
        check = tcp(listener.getsockname()[1])
        run.check(check, known="up")
        before = PROBES.value(result="success")
        eventually(lambda: PROBES.value(result="success") >= before + 2, "it is probed")
        assert run.outcomes == []
        run.check(check, known="down")
        eventually(lambda: run.last(check) == "up", "what was taken over is put right")
        assert run.outcomes[0].order == 2


def test_a_dropped_check_is_probed_no_more_and_leaves_nothing_behind() -> None:
    before = open_descriptors()
    with running() as run, silent() as port, listening() as listener:
        inside = open_descriptors()
        stays = tcp(listener.getsockname()[1])
        run.check(stays, *(tcp(port, connect_timeout=60.0, delay_loop=60.0 + n) for n in range(20)))
        eventually(lambda: PROBES_IN_FLIGHT.value() >= 20, "the attempts are in flight")
        run.check(stays)
        eventually(lambda: open_descriptors() <= inside + 1, "their sockets are closed")
        assert {outcome.check for outcome in run.outcomes} <= {stays}
    assert open_descriptors() == before


def test_no_more_than_the_limit_are_in_flight_and_all_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 0
    original = connect.start

    def counted(family: int, where: connect.SocketAddress) -> tuple[socket.socket | None, int]:
        nonlocal most
        most = max(most, len(run.engine._flying) + 1)
        return original(family, where)

    with silent() as port, running(limit=2) as run:
        monkeypatch.setattr(connect, "start", counted)
        checks = [tcp(port, retry=0, connect_timeout=0.05, delay_loop=1.0 + n) for n in range(6)]
        run.check(*checks)
        eventually(lambda: all(run.last(check) == "down" for check in checks), "all are down")
    assert most == 2


def test_a_want_of_descriptors_is_no_verdict_and_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running() as run, listening() as listener:
        check = tcp(listener.getsockname()[1])
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
    original = connect.start

    def counted(family: int, where: connect.SocketAddress) -> tuple[socket.socket | None, int]:
        begun[where[0]] += 1
        return original(family, where)

    monkeypatch.setattr(connect, "start", counted)
    with listening("0.0.0.0") as listener, running() as run:
        port = listener.getsockname()[1]
        checks = [
            tcp(port, f"127.1.{n >> 8}.{n & 255}", delay_loop=0.5, connect_timeout=5.0)
            for n in range(1, 1001)
        ]
        run.check(*checks, known="up")
        eventually(
            lambda: len(begun) == 1000 and min(begun.values()) >= rounds, "every target is probed", within=30
        )
        # nobody is probed more often than the schedule says while others wait
        assert max(begun.values()) - min(begun.values()) <= 1
        assert run.outcomes == []


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
    checks = [tcp(port, f"127.0.0.{n}", delay_loop=month, retry=0) for n in range(1, 255)]
    passed = time.monotonic() / month
    check = max(checks, key=lambda each: (rules_of(each).offset - passed) % 1)  # its next round is far away
    with running() as run:
        run.check(check)
        eventually(lambda: run.last(check) == "down", "the first attempt is made soon")
        other = tcp(closed_port(), retry=0)
        run.check(check, other)
        eventually(lambda: run.crashes or run.last(other) == "down", "the thread lives on")
