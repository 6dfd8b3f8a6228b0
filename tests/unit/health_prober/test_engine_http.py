"""HTTP without TLS as the engine speaks it, against real sockets: good, and every way to fail."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable

import pytest

from health_prober import trying
from health_prober.attempt import Passed, Steps
from health_prober.http_judge import RECOVERY
from health_prober.metrics import PROBES
from tests.support.talkers import answering, dripping, endless, reset, silence, talking
from tests.support.waiting import eventually
from tests.unit.health_prober.running import running
from vipbus.contracts import Header, HttpCheck, HttpRequest, StatusRange

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy"
GET = HttpRequest()
HEALTHY = hashlib.md5(b"healthy").hexdigest()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"


def http(port: int, *requests: HttpRequest, timeout: float = 5.0, **knobs: object) -> HttpCheck:
    settings = {"interval": 0.2, "retry": 0, **knobs}
    return HttpCheck(address="127.0.0.1", port=port, requests=requests or (GET,), timeout=timeout, **settings)


@pytest.mark.parametrize(
    ("answer", "request_", "note"),
    [
        (OK, GET, "status 200"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", GET, "status 200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", GET, "status 204"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, GET, "status 200"),
        (CHUNKED + b"3\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n", HttpRequest(digest=HEALTHY), "status 200"),
        (
            OK.replace(b"200 OK", b"404 Not Found"),
            HttpRequest(status=(StatusRange(first=400, last=404),)),
            "status 404",
        ),
        (OK.replace(b"200", b"599"), HttpRequest(status=()), "status 599"),
        (OK, HttpRequest(digest=HEALTHY.upper()), "status 200"),
        (OK, HttpRequest(regex="^h.*y$"), "status 200"),
        (OK, HttpRequest(regex="sick", regex_no_match=True), "status 200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", HttpRequest(method="HEAD"), "status 200"),
        (OK + b"more than was promised", GET, "status 200"),
        (LONG + b"x" * 2_000_000, GET, "status 200"),
    ],
)
def test_what_is_asked_for_is_up(answer: bytes, request_: HttpRequest, note: str) -> None:
    with (
        talking(answering(answer, then=silence if b"Length" in answer else None)) as server,
        running() as run,
    ):
        verdict, cause = run.verdict(http(server.port, request_))
    assert verdict == "up"
    assert re.fullmatch(rf"{note}, answered in \d+\.\d ms", cause)


@pytest.mark.parametrize(
    ("talk", "request_", "cause"),
    [
        (answering(OK.replace(b"200", b"503")), GET, "wrong status 503 (wanted 200-299)"),
        (
            answering(OK),
            HttpRequest(status=(StatusRange(first=204, last=204), StatusRange(first=300, last=399))),
            "wrong status 200 (wanted 204, 300-399)",
        ),
        (answering(OK), HttpRequest(digest="0" * 32), "digest differs"),
        (answering(OK), HttpRequest(regex="sick"), "regex 'sick' does not match"),
        (answering(OK), HttpRequest(regex="health", regex_no_match=True), "regex 'health' matches"),
        (answering(), GET, "closed before a response came"),
        (answering(b"HTTP/1.1 200 OK\r\nServer: "), GET, "closed in the header"),
        (answering(OK[:-1]), GET, "closed in the content"),
        (answering(CHUNKED + b"3\r\nhea\r\n"), GET, "closed in the content"),
        (answering(CHUNKED + b"no number\r\n"), GET, "broken content (Invalid character in chunk size)"),
        (answering(b"SSH-2.0-OpenSSH\x1b\r\n"), GET, "no HTTP response: 'SSH-2.0-OpenSSH\ufffd\ufffd\ufffd'"),
        (answering(bytes(range(256)) * 100), GET, None),
        (answering(OK[:-3], then=reset), GET, "connection reset"),
        (answering(then=reset), GET, "connection reset"),
        (
            answering(LONG, then=endless(b"x" * 65536)),
            HttpRequest(digest=HEALTHY),
            "more than 1 MiB of content",
        ),
        (answering(LONG, then=endless(b"x" * 65536)), HttpRequest(regex="y"), "more than 1 MiB of content"),
        (
            answering(CHUNKED, then=endless(b"1;" + b"x" * 9000 + b"\r\nx\r\n")),
            HttpRequest(digest=HEALTHY),
            "more than 1 MiB of content",
        ),
        (
            answering(b"HTTP/1.1 200 OK\r\n", then=endless(b"X: y\r\n" * 1000)),
            GET,
            "more than 64 KiB of header",
        ),
        (endless(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100), GET, "more than 64 KiB of header"),
    ],
)
def test_anything_else_is_down(
    talk: Callable[[socket.socket], None], request_: HttpRequest, cause: str
) -> None:
    with talking(talk) as server, running() as run:
        verdict, told = run.verdict(http(server.port, request_))
    assert verdict == "down"
    assert told == cause if cause else told.startswith("no HTTP response: ")
    assert len(told) < 200
    assert told.isprintable()


@pytest.mark.parametrize(
    ("talk", "what"),
    [
        (silence, "waiting for the response"),
        (dripping(b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyy", 0.02), "waiting for the response"),
        (answering(LONG, then=silence), "waiting for the rest of the response"),
        (answering(LONG, then=dripping(b"x", 0.02)), "waiting for the rest of the response"),
        (answering(CHUNKED, then=dripping(b"1\r\nx\r\n", 0.02)), "waiting for the rest of the response"),
    ],
)
def test_a_slow_server_is_down_on_time(talk: Callable[[socket.socket], None], what: str) -> None:
    with talking(talk) as server, running() as run:
        check = http(server.port, timeout=0.3)
        assert run.verdict(check) == ("down", f"timed out after 0.3 s ({what})")
        outcome = run.outcomes[0]
        assert 0.3e9 <= outcome.decided_ns - outcome.began_ns < 3e9


def test_a_server_that_reads_nothing_is_down_on_time() -> None:
    with (
        talking(lambda connection: connection.recv(1) and silence_unread(connection)) as server,
        running() as run,
    ):
        check = http(server.port, HttpRequest(method="POST", body="x" * 8_000_000), timeout=0.3)
        verdict, cause = run.verdict(check)
        assert (verdict, cause.partition(" (")[0]) == ("down", "timed out after 0.3 s")


def silence_unread(connection: socket.socket) -> None:
    connection.settimeout(3)
    connection.recv(1, socket.MSG_PEEK | socket.MSG_WAITALL)
    connection.getpeername()
    eventually(lambda: gone(connection), "the other end goes", within=5)


def gone(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return True
    return False


def test_a_closed_port_is_down() -> None:
    with talking(silence) as server:
        port = server.port
    with running() as run:
        assert run.verdict(http(port)) == ("down", "connection refused")


def test_a_request_is_written_as_it_was_asked_for() -> None:
    heard: list[bytes] = []
    request = HttpRequest(
        method="POST",
        path="/health?deep=1",
        host="shop.example",
        headers=(Header(name="Authorization", value="Basic eHk6eno="), Header(name="user-agent", value="us")),
        body="ping",
    )
    with talking(answering(OK, heard=heard)) as server, running() as run:
        assert run.verdict(http(server.port, request))[0] == "up"
        head, _, body = heard[0].partition(b"\r\n\r\n")
        assert head.split(b"\r\n") == [
            b"POST /health?deep=1 HTTP/1.1",
            b"Host: shop.example",
            b"Connection: close",
            b"Content-Length: 4",
            b"Authorization: Basic eHk6eno=",
            b"user-agent: us",
        ]
        assert body == b"ping"
        heard.clear()
        run.verdict(http(server.port, version="1.0"))
        assert heard[0] == (
            b"GET / HTTP/1.0\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nUser-Agent: vipbus\r\n\r\n"
            % server.port
        )


def test_a_request_larger_than_a_socket_takes_at_once_goes_out_whole() -> None:
    came: list[int] = []

    def count(connection: socket.socket) -> None:
        size = 0
        while size < 8_000_000:
            size += len(connection.recv(1 << 20))
        came.append(size)
        connection.sendall(OK)

    with talking(count) as server, running() as run:
        assert run.verdict(http(server.port, HttpRequest(method="PUT", body="x" * 8_000_000)))[0] == "up"
    assert came[0] > 8_000_000


def by_path(answers: dict[bytes, bytes], heard: list[bytes]) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        path = connection.recv(65536).split(b" ")[1]
        heard.append(path)
        connection.sendall(answers[path])

    return talk


def test_every_request_must_do_and_each_has_a_connection() -> None:
    heard: list[bytes] = []
    answers = {b"/a": OK, b"/b?secret=x": OK.replace(b"200", b"500"), b"/c": OK}
    requests = [HttpRequest(path=path.decode()) for path in answers]
    with talking(by_path(answers, heard)) as server, running() as run:
        check = http(server.port, *requests)
        assert run.verdict(check) == ("down", "/b: wrong status 500 (wanted 200-299)")
        assert heard[:2] == [b"/a", b"/b?secret=x"]
        answers[b"/b?secret=x"] = OK
        eventually(lambda: run.last(check) == "up", "all do")
        assert heard[-3:] == [b"/a", b"/b?secret=x", b"/c"]


def test_the_time_is_for_all_requests_together() -> None:
    def slow_then_silent(connection: socket.socket) -> None:
        if connection.recv(65536).startswith(b"GET /a"):
            threading.Event().wait(0.2)
            connection.sendall(OK)
        else:
            silence(connection)

    requests = (HttpRequest(path="/a"), HttpRequest(path="/b"))
    with talking(slow_then_silent) as server, talking(silence) as other, running() as run:
        check = http(server.port, *requests, timeout=0.4, warmup=0.0)
        # others that began later stand before its second connection
        later = [http(other.port, timeout=0.4, interval=0.2 + number / 100) for number in range(5)]
        run.check(check, *later)
        eventually(lambda: run.last(check) == "down", "it is down")
        outcome = next(outcome for outcome in run.outcomes if outcome.check == check)
        assert outcome.decision.cause == "/b: timed out after 0.4 s (waiting for the response)"
        assert 0.4e9 <= outcome.decided_ns - outcome.began_ns < 0.6e9


def test_a_check_with_a_source_has_a_socket_of_its_own_for_each_request() -> None:
    heard: list[bytes] = []
    requests = (HttpRequest(path="/a"), HttpRequest(path="/b"))
    with talking(by_path({b"/a": OK, b"/b": OK}, heard)) as server, running() as run:
        assert run.verdict(http(server.port, *requests, source="127.0.0.9"))[0] == "up"
        assert heard[:2] == [b"/a", b"/b"]


def test_fast_recovery_asks_first_what_failed() -> None:
    heard: list[bytes] = []
    answers = {b"/a": OK, b"/b": OK.replace(b"200", b"500"), b"/c": OK}
    requests = [HttpRequest(path=path.decode()) for path in answers]
    with talking(by_path(answers, heard)) as server, running() as run:
        check = http(server.port, *requests, fast_recovery=True)
        run.verdict(check)
        heard.clear()
        eventually(lambda: len(heard) >= 2, "it is tried again")
        assert set(heard) == {b"/b"}
        answers[b"/b"] = OK
        eventually(lambda: run.last(check) == "up", "all do")
        assert heard[-3:] == [b"/b", b"/c", b"/a"]
        assert next(iter(RECOVERY.order(check)))[0] == 0


def test_a_regular_expression_that_takes_long_is_looked_for_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[HttpCheck] = []

    async def attempt(check: HttpCheck, _steps: Steps) -> Passed:
        tried.append(check)
        return Passed(note="found elsewhere")

    monkeypatch.setattr(trying, "attempt_for", lambda _check: attempt)
    evil = HttpRequest(regex=r"^(\w+\s?)*(\w+\s?)*(\w+\s?)*\1\2\3$")
    content = b"a" * 3000 + b"!"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
    with talking(answering(answer)) as server, running() as run:
        check = http(server.port, evil)
        verdict, cause = run.verdict(check)
        assert (verdict, cause.partition(",")[0]) == ("up", "found elsewhere")
        before = PROBES.total(result="success")
        eventually(lambda: PROBES.total(result="success") >= before + 2, "it goes on so")
        assert len(tried) >= 3


def test_a_regular_expression_that_is_none_is_no_verdict() -> None:
    with talking(answering(OK)) as server, running() as run:
        check = http(server.port, HttpRequest(regex="(unclosed"))
        run.check(check)
        eventually(lambda: run.troubles, "it is said")
        assert run.troubles[0].startswith("regex '(unclosed': missing )")
        assert run.outcomes == []
