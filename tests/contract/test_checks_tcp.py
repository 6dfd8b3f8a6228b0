"""TCP checks with a dialogue against real servers: good, every failure in words, and hostile ones on time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

import pytest

from health_prober.attempt import Steps
from health_prober.check import Event, Failed, Succeeded, Unproven
from health_prober.trying import tried
from tests.support.leaks import leave_nothing
from tests.support.talkers import answering, dripping, endless, reset, silence, talking
from vipbus.contracts import Exchange, TcpCheck

PING = Exchange(send="PING\r\n", expect="PONG")
EVIL = r"^(\w+\s?)*(\w+\s?)*(\w+\s?)*\1\2\3$"


def half_closing(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    silence(connection)


def attempted(port: int, *exchanges: Exchange, timeout: float = 5.0) -> tuple[Event, Steps]:
    steps = Steps(keeps=True)
    check = TcpCheck(address="127.0.0.1", port=port, exchanges=exchanges, timeout=timeout)
    return asyncio.run(tried(check, steps)), steps


def after(banner: bytes, talk: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def greeted(connection: socket.socket) -> None:
        connection.sendall(banner)
        talk(connection)

    return greeted


@pytest.mark.parametrize(
    ("talk", "exchanges", "steps"),
    [
        (silence, (), ["connected"]),
        (answering(b"+PONG\r\n"), (PING,), ["connected", "sent 6 octets", "received '+PONG'"]),
        (answering(b"+PO", b"NG\r\n"), (PING,), None),
        (answering(b"x" * 65000 + b"PONG"), (PING,), None),
        (answering(b"version 12\r\n"), (Exchange(send="v", expect_regex=r"version \d+"),), None),
        (answering(b"\x00\x01\x02"), (Exchange(send_octets="00ff", expect="\x01"),), None),
        # what came early is there for the next exchange, and what was expected is used up
        (
            after(b"220 ready\r\n", answering(b"250 a\r\n250 b\r\n")),
            (Exchange(expect="220 "), Exchange(send="x", expect="250 a"), Exchange(expect="250 b")),
            None,
        ),
        (answering(b"no matter"), (Exchange(send="only said"),), ["connected", "sent 9 octets"]),
    ],
)
def test_what_is_expected_is_up(
    talk: Callable[[socket.socket], None], exchanges: tuple[Exchange, ...], steps: list[str] | None
) -> None:
    with talking(talk) as server:
        event, taken = attempted(server.port, *exchanges)
    assert isinstance(event, Succeeded), event
    if steps is not None:
        assert [step.what for step in taken.taken] == steps


@pytest.mark.parametrize(
    ("talk", "exchanges", "cause"),
    [
        (answering(b"-ERR no\r\n"), (PING,), "expected 'PONG', got '-ERR no'"),
        (answering(), (PING,), "closed before 'PONG' came"),
        (answering(then=reset), (PING,), "connection reset"),
        (
            answering(b"version x\r\n"),
            (Exchange(send="v", expect_regex=r"version \d+"),),
            r"expected a match of 'version \\d+', got 'version x'",
        ),
        (answering(), (Exchange(send="v", expect_regex="x"),), "closed before a match of 'x' came"),
        (answering(b"PONG"), (PING, Exchange(expect="PONG")), "closed before 'PONG' came"),
        (endless(b"\x1b[31m" * 100), (PING,), None),
        (silence, (PING,), "timed out after 0.3 s (waiting for 'PONG')"),
        (
            answering(b"-ERR no\r\n", then=silence),
            (PING,),
            "timed out after 0.3 s (waiting for 'PONG', got '-ERR no')",
        ),
        (dripping(b"x", 0.01), (PING,), None),
        (dripping(b"a", 0.001), (Exchange(expect_regex=EVIL + "Z"),), None),
        (answering(b"a" * 3000 + b"!"), (Exchange(send="x", expect_regex=EVIL),), None),
        (
            lambda connection: connection.shutdown(socket.SHUT_RD),
            (Exchange(expect="x"),),
            "closed before 'x' came",
        ),
    ],
)
def test_anything_else_is_down_on_time(
    talk: Callable[[socket.socket], None], exchanges: tuple[Exchange, ...], cause: str | None
) -> None:
    with talking(talk) as server:
        began = time.monotonic()
        event, _ = attempted(server.port, *exchanges, timeout=0.3)
        took = time.monotonic() - began
    assert isinstance(event, Failed), event
    assert cause is None or event.cause == cause
    assert event.cause.isprintable()
    assert len(event.cause) < 250
    assert took < 3


def test_a_closed_port_is_refused() -> None:
    with talking(silence) as server:
        port = server.port
    event, _ = attempted(port, PING)
    assert isinstance(event, Failed)
    assert event.cause == "connection refused"


def test_a_regular_expression_that_is_none_blames_nobody() -> None:
    with talking(answering(b"x")) as server:
        event, _ = attempted(server.port, Exchange(send="x", expect_regex="("))
    assert isinstance(event, Unproven)
    assert event.trouble.startswith("regex '(': ")


def test_an_expression_that_takes_long_holds_up_nobody_else() -> None:
    async def both(slow: int, quick: int) -> tuple[Event, int]:
        check = TcpCheck(
            address="127.0.0.1", port=slow, exchanges=(Exchange(send="x", expect_regex=EVIL),), timeout=5.0
        )
        hanging = asyncio.ensure_future(tried(check, Steps()))
        meanwhile = 0
        while not hanging.done():
            event = await tried(TcpCheck(address="127.0.0.1", port=quick, exchanges=(PING,)), Steps())
            assert isinstance(event, Succeeded)
            meanwhile += 1
        return hanging.result(), meanwhile

    evil = answering(b"a" * 3000 + b"!", then=silence)
    with talking(evil) as slow, talking(answering(b"PONG")) as quick:
        event, meanwhile = asyncio.run(both(slow.port, quick.port))
    assert isinstance(event, Failed)
    assert "took longer than" in event.cause
    assert meanwhile > 2, "the first began before it, the second may end after it"


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_leave_nothing_behind(rounds: int) -> None:
    with contextlib.ExitStack() as held:

        def by(talk: Callable[[socket.socket], None], timeout: float = 60.0) -> TcpCheck:
            port = held.enter_context(talking(talk)).port
            return TcpCheck(address="127.0.0.1", port=port, exchanges=(PING,), timeout=timeout)

        with talking(silence) as closed:
            nobody = TcpCheck(address="127.0.0.1", port=closed.port, exchanges=(PING,), timeout=60.0)
        checks = [
            *[by(answering(b"+PO", b"NG\r\n"))] * 10,
            nobody,
            by(answering(b"-ERR no\r\n")),
            by(answering()),
            by(answering(then=reset)),
            by(lambda connection: connection.shutdown(socket.SHUT_WR)),
            by(half_closing),
            by(endless(b"\x1b[31m" * 100)),
            by(silence, timeout=0.02),
            by(dripping(b"x", 0.01), timeout=0.02),
            by(answering(b"P", then=silence), timeout=0.02),
        ]
        outcomes = leave_nothing(checks, rounds)
    assert (outcomes["ok"], outcomes["connection refused"]) == (rounds / 2, rounds / 20)
