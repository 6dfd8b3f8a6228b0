"""Lines of HAProxy's log: what they are read as, what is refused, and that none of it is a flood."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer import metrics
from haproxy_programmer.log_lines import (
    Notice,
    Request,
    UnreadableLineError,
    notice,
    origin,
    outcome,
    request,
    said,
)
from haproxy_programmer.log_pipe import Lines, LogPipe, opened
from haproxy_programmer.log_telling import Allowance, LogTelling
from haproxy_programmer.site import Site
from haproxy_programmer.slots import Slot, Slots
from tests.support.proxy import pool, proxy
from vipbus.contracts import ConfigDocument, Event, ProxyLog, ProxyRequestTold
from vipbus.telemetry.trace import TraceContext

SITE = Site(
    proxies=(proxy(80, name="Web"),),
    pools=(pool(name="App"),),
    slots={"pool-app": Slots(size=8, held={"s3": Slot(address="10.1.0.21", port=8080)})},
)


def line(priority: int = 131, **more: Any) -> bytes:
    whole = {
        "at": 1796029176.289,
        "client": "192.0.2.7",
        "port": 4711,
        "proxy": "web",
        "pool": "pool-app",
        "server": "s3",
        "ended": "SC",
        "bytes": [100, 212],
        "retries": "+3",
        "times": [0, -1, -1, 3004],
        "status": 503,
        "method": "GET",
        "host": "shop.example",
        "path": "/cart",
        **more,
    }
    return b"<%d>" % priority + msgspec.json.encode(whole)


def test_a_line_is_a_request_with_what_is_known_of_it() -> None:
    found = request(line())
    assert (found.failed, found.status, found.times, found.retries) == (True, 503, (0, -1, -1, 3004), "+3")
    assert found.when.isoformat() == "2026-11-30T08:59:36.289000+00:00"
    assert request(line(142)).failed is False


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (line(), "request"),
        (line(142), "request"),
        (line(139), "twice"),
        (line(155), "request"),
        (b"<145>Server pool-app/s3 is DOWN", "notice"),
        (b"<145>Server pool-app/s3 is DOWN, changed from CLI. 0 active", "echo"),
        (b"<145>Server pool-app/s3 is going DOWN for maintenance. 0 active", "echo"),
        (b"<149>Server pool-app/s3 enters drain state.", "echo"),
        (b"<3>x", ""),
        (b"<999>x", ""),
        (b"<9999>x", ""),
        (b"131>x", ""),
        (b"", ""),
        (b"\xff", ""),
    ],
)
def test_where_a_line_is_from_is_known_without_reading_it(octets: bytes, kind: str) -> None:
    assert origin(octets) == kind


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{}",
        b"<131>",
        b"<131>{}",
        b"<131>[]",
        line()[:-1],
        line() + line(),
        line(at="now"),
        line(at=-1),
        line(at=1e300),
        line(status=10**30),
        line(times=[1, 2]),
        line(bytes=[1, -5]),
        line(retries="three"),
        line(retries="1" * 50),
        line(port=-1),
        b"<131>" + b"[" * 100_000,
        b'<131>{"at":1,"client":"\xff","proxy":"web"}',
    ],
)
def test_what_is_no_such_line_is_refused(octets: bytes) -> None:
    with pytest.raises(UnreadableLineError):
        request(octets)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"/a", "/a"),
        ("/café".encode(), "/café"),
        (b"/\xff\xfe", "/\\xff\\xfe"),
        (b"a\x1b[2Jb\x00", "a\ufffd[2Jb\ufffd"),
        ("a\u2028b\u200fc".encode(), "a\ufffdb\ufffdc"),
        (b'"\\', '"\\'),
        (b"-", ""),
        (b"", ""),
        (b"x" * 5000, "x" * 1000),
    ],
)
def test_what_a_client_said_is_text_that_harms_nobody(octets: bytes, text: str) -> None:
    assert said(octets.decode("latin-1")) == text


@given(st.text(max_size=100))
def test_any_text_is_harmless(text: str) -> None:
    assert said(text).isprintable()


@given(st.binary(max_size=200))
def test_any_line_is_read_or_refused(octets: bytes) -> None:
    for whole in (octets, b"<131>" + octets, b"<145>" + octets):
        origin(whole)
        with contextlib.suppress(UnreadableLineError):
            request(whole)
        with contextlib.suppress(UnreadableLineError):
            notice(whole)


@pytest.mark.parametrize(
    ("ended", "status", "text"),
    [
        ("--", 200, "answered 200"),
        ("--", 0, "ended as it should"),
        ("SC", 503, "the real server refused or closed it before there was a connection"),
        ("sH", 504, "the real server was waited for too long before the answer's header was whole"),
        ("CD", 200, "the client left in the middle of the data"),
        ("cR", 408, "the client was waited for too long before the request was whole"),
        ("sQ", 503, "the real server was waited for too long in the queue"),
        ("PR", 403, "HAProxy refused it before the request was whole"),
        ("LR", 302, "HAProxy answered it before the request was whole"),
        ("K-", 200, "it was ended by command"),
        ("", 0, "ended as it should"),
        ("\u00e9", 200, "answered 200"),
    ],
)
def test_how_it_went_is_in_words(ended: str, status: int, text: str) -> None:
    assert outcome(request(line(ended=ended, status=status))) == text


def test_what_was_no_request_says_why() -> None:
    def without(error: str) -> str:
        return outcome(Request(at=1.0, client="192.0.2.7", proxy="web", error=error))

    assert without("Success") == "no request could be read"
    assert without("SSL handshake failure") == "no request could be read: SSL handshake failure"


def test_news_name_the_member() -> None:
    text = "Server pool-app/s3 is DOWN, reason: Layer4 connection problem, check duration: 0ms."
    assert notice(b"<145>" + text.encode()) == Notice(text=text, grave=True, pool="pool-app", slot="s3")
    assert notice(b"<150>Proxy web started.") == Notice(text="Proxy web started.", grave=False)


# ---- lines of a stream


def test_lines_are_cut_wherever_the_octets_are() -> None:
    whole = b"<1>one\n<2>two\n\n<3>three\n<4>rest"
    for at in range(len(whole) + 1):
        lines = Lines()
        found = [*lines.take(whole[:at]), *lines.take(whole[at:]), *lines.take(b"\n")]
        assert found == [b"<1>one", b"<2>two", b"", b"<3>three", b"<4>rest"]


def test_a_line_without_end_is_dropped_and_the_next_is_read() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.take(b"x" * 65536) == []
    assert lines.take(b"xx\n<1>next\n") == [b"", b"<1>next"]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_no_octet_is_lost_or_made(parts: list[bytes]) -> None:
    lines = Lines()
    found = [each for part in parts for each in lines.take(part)]
    assert [*found, *lines.take(b"\n")] == (b"".join(parts) + b"\n").split(b"\n")[:-1]


@pytest.fixture
def directory() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="haproxy-"))
    yield made
    shutil.rmtree(made)


def test_a_pipe_is_read_on_by_whoever_comes_next(directory: Path) -> None:
    path = directory / "log.pipe"
    writer = opened(path)
    try:
        for number in range(2):
            os.write(writer, b"<1>while nobody reads\n")

            async def story() -> list[bytes]:
                found: list[bytes] = []
                came = asyncio.Event()

                def line(octets: bytes) -> None:
                    found.append(octets)
                    came.set()

                pipe = LogPipe(path, line)
                try:
                    await asyncio.wait_for(came.wait(), 10)
                finally:
                    pipe.close()
                return found

            assert asyncio.run(story()) == [b"<1>while nobody reads"], number
    finally:
        os.close(writer)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("x"), lambda path: path.symlink_to("/dev/null")]
)
def test_what_stands_where_the_pipe_should_be_goes(directory: Path, make: Callable[[Path], object]) -> None:
    path = directory / "log.pipe"
    make(path)
    os.close(opened(path))
    assert path.is_fifo()


# ---- what is told


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[ProxyRequestTold] = []
        self.telling = LogTelling("lb-a", lambda: SITE, self._publish, lambda: self.now)

    def _publish(self, event: Event, trace: TraceContext) -> None:
        assert isinstance(event, ProxyRequestTold)
        assert trace.trace_id
        self.told.append(event)


def test_a_request_is_told_in_names_of_the_configuration() -> None:
    world = World()
    world.telling.line(line())
    (event,) = world.told
    assert (event.proxy, event.pool, event.real_server) == ("Web", "App", "10.1.0.21:8080")
    assert (event.queued, event.connected, event.responded, event.total) == (0.0, None, None, 3.004)
    assert (event.retries, event.redispatched, event.error) == (3, True, True)
    world.telling.line(line(pool="pool-x", server="<NOSRV>", proxy="x" * 500))
    assert (world.told[1].pool, world.told[1].real_server, world.told[1].proxy) == ("", "", "x" * 128)
    for each in world.told:
        assert msgspec.json.decode(msgspec.json.encode(each), type=ProxyRequestTold) == each


def test_beyond_the_rate_nothing_is_told_and_all_of_it_is_counted() -> None:
    world = World()
    before = {result: metrics.LOGS.value(result=result) for result in ("told", "dropped", "unreadable")}
    for _ in range(1000):
        world.telling.line(line())
    assert len(world.told) == 30
    world.now += 10
    for _ in range(1000):
        world.telling.line(line())
    assert len(world.told) == 40
    world.telling.line(b"nonsense")
    world.telling.line(line(139))
    world.now += 1
    world.telling.line(b"<131>{")
    now = {result: metrics.LOGS.value(result=result) - count for result, count in before.items()}
    assert now == {"told": 40, "dropped": 1960, "unreadable": 2}


def test_news_beyond_their_rate_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            world.telling.line(b"<145>Server pool-app/s3 is DOWN, reason: Layer4 timeout\x1b[2J")
    lines = [each for each in caplog.records if each.name == "haproxy_programmer.log_telling"]
    assert len(lines) == 100
    text = "HAProxy: Server pool-app/10.1.0.21:8080 is DOWN, reason: Layer4 timeout\ufffd[2J"
    assert {(each.levelno, each.getMessage()) for each in lines} == {(logging.WARNING, text)}


@given(st.lists(st.floats(-10, 100), max_size=50))
def test_an_allowance_is_never_more_than_its_rate_and_what_is_at_once(steps: list[float]) -> None:
    allowance, now, taken, latest = Allowance(2.0, 5.0), 1000.0, 0, 1000.0
    went = 0.0
    for step in steps:
        went += max(0.0, step)
        now += step
        latest = max(latest, now)
        taken += allowance.take(now)
    assert taken <= 5 + 2 * went


@pytest.mark.parametrize(
    "log",
    [{"errors": False}, {"sample": 0}, {"sample": -1}, {"sample": 10**7}, {"sample": "1 local0"}, "all"],
)
def test_a_log_that_tells_of_nothing_or_nonsense_is_refused(log: Any) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(proxy(80)) | {"log": log})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=ConfigDocument)


def test_a_proxy_says_what_it_tells() -> None:
    assert proxy(80).log is None
    assert ProxyLog() == ProxyLog(errors=True, sample=None)
