"""What a real haproxy is made to tell of requests: nothing that a client sends forges or breaks a line."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from haproxy_programmer.log_lines import Request, origin, outcome, request
from tests.contract.test_haproxy_observed import Observed
from tests.contract.test_haproxy_programmer import verdict
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Server, answers, get, haproxy, member, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, one_pool, up
from tests.support.proxy_echo import Echo, echoes
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress, records
from vipbus.contracts import ProxyLog, ProxyRequestTold

ALL = {"log": ProxyLog(errors=False, sample=1)}


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(1) as made:
        yield made


def say(port: int, octets: bytes) -> bytes:
    """Send octets on a connection of their own; what is answered."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(octets)
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def told(running: Haproxy, number: int = 1) -> list[Request]:
    """The requests that were logged, once there are so many."""

    def there() -> bool:
        return sum(origin(line) == "request" for line in running.lines()) >= number

    eventually(there, f"{number} lines")
    return [request(line) for line in running.lines() if origin(line) == "request"]


def get_of(path: bytes = b"/", host: bytes = b"web.example", method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (method, path, host)


@pytest.mark.parametrize(
    ("sent", "method", "host", "path"),
    [
        (get_of(b"/a?secret=1"), "GET", "web.example", "/a"),
        (get_of(b'/a\\"b'), "GET", "web.example", '/a\\"b'),
        (get_of(b"/a\\b\\"), "GET", "web.example", "/a\\b\\"),
        (get_of(b"/a'b]c}d{e|f%22g%00h%0a<150>"), "GET", "web.example", "/a'b]c}d{e|f%22g%00h%0a<150>"),
        (get_of(b'/","status":1,"x":"'), "GET", "web.example", '/","status":1,"x":"'),
        (get_of(b"/\xc3\xa9"), "", "", ""),
        (get_of(b"/\xff"), "", "", ""),
        (get_of(b"/\x01"), "", "", ""),
        (get_of(host=b'h"o\\s"t'), "GET", 'h"o\\s"t', "/"),
        (get_of(host=b'x","status":200,"path":"/forged'), "GET", 'x","status":200,"path":"/forged', "/"),
        (get_of(host=b"caf\xc3\xa9"), "GET", "caf\u00e9", "/"),
        (get_of(host=b"caf\xff\xfe"), "GET", "caf\\xff\\xfe", "/"),
        (get_of(host=b"a\tb"), "GET", "a\ufffdb", "/"),
        (get_of(host=b"a\nb"), "", "", ""),
        (get_of(host=b"a\r\n<131>{}"), "", "", ""),
        (get_of(host=b"x" * 5000), "GET", "x" * 100, "/"),
        (get_of(host=b'"' * 5000), "GET", '"' * 100, "/"),
        (get_of(b"/" + b"\\" * 5000), "GET", "web.example", "/" + "\\" * 199),
        (get_of(method=b"DELETE"), "DELETE", "web.example", "/"),
        (get_of(method=b"M" * 500), "M" * 16, "web.example", "/"),
        (get_of(method=b'G"T'), "", "", ""),
        (b"\x16\x03\x01\x00\x00\r\n\r\n", "", "", ""),
        (b"\x00" * 50 + b"\r\n\r\n", "", "", ""),
        (b"<131>{}\n<131>{}\r\n\r\n", "", "", ""),
    ],
)
def test_whatever_a_client_sends_is_one_line_that_says_it(
    servers: list[Echo], sent: bytes, method: str, host: str, path: str
) -> None:
    with one_pool(servers, front=ALL) as (running, port):
        answer = say(port, sent)
        (found,) = told(running)
        lines = running.lines()
    assert len(lines) == 1
    assert len(lines[0]) < 4000
    if answer.split()[1:2] == [b"400"] and re.search(r"[^a-z.]", host):
        method = host = path = ""  # from 3.x on HAProxy takes no such host
    assert (found.method, found.host, found.path) == (method, host, path)
    assert (found.proxy, found.client) == ("web", "127.0.0.1")
    if method:
        assert (found.error, found.pool, found.server) == (None, "pool-web", "s1")
        assert found.failed == (found.status >= 500)
        assert answer.split()[1] == b"%d" % found.status
    else:
        assert outcome(found) == "no request could be read"
        assert found.failed


def test_a_header_in_two_lines_and_a_second_host_forge_nothing(servers: list[Echo]) -> None:
    with one_pool(servers, front=ALL) as (running, port):
        say(port, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nX: y\r\n folded\r\nConnection: close\r\n\r\n")
        assert len(told(running)) == 1


def test_who_connects_and_says_nothing_is_not_told(servers: list[Echo]) -> None:
    with one_pool(servers, front=ALL) as (running, port):
        for _ in range(3):
            socket.create_connection(("127.0.0.1", port)).close()
        say(port, get_of(b"/one"))
        assert [each.path for each in told(running)] == ["/one"]


def test_errors_alone_are_told_with_how_they_went(servers: list[Echo]) -> None:
    closed = free_port()
    front = proxy(free_port(), log=ProxyLog(), name="web")
    made = pool(retries=1)
    with Haproxy([front], [made], {made.id: [up(servers[0].port)]}) as running:
        port = front.bind[0].port
        for _ in range(5):
            assert ask(port, "/good").status == 200
        running.bring({made.id: [up(closed)]})
        assert ask(port, "/bad").status == 503
        (found,) = told(running)
    assert (found.path, found.status, found.failed, found.retries) == ("/bad", 503, True, "1")
    assert outcome(found) == "the real server refused or closed it before there was a connection"
    assert found.times[3] >= 0
    assert found.when.timestamp() == pytest.approx(time.time(), abs=60)


def test_a_sample_tells_of_one_in_so_many_and_errors_once(servers: list[Echo]) -> None:
    front = {"log": ProxyLog(sample=5)}
    with one_pool(servers, front=front) as (running, port):
        for _ in range(10):
            assert ask(port, "/good").status == 200
        for _ in range(10):
            say(port, b"nonsense\r\n\r\n")
        eventually(lambda: len(running.lines()) >= 14, "two good ones, ten bad ones, two of them twice")
        found = told(running)
    assert [each.path for each in found if each.error is None] == ["/good"] * 2
    assert sum(each.error is not None for each in found) == 10


def test_connections_of_mode_tcp_are_told(servers: list[Echo]) -> None:
    with one_pool(servers, front=ALL, mode="tcp") as (running, port):
        assert ask(port).status == 200
        (found,) = told(running)
    assert (found.method, found.path, found.status, found.ended) == ("", "", 0, "--")
    assert outcome(found) == "ended as it should"
    assert found.bytes[1] > 0


def test_a_proxy_that_is_not_asked_to_tells_of_no_request(servers: list[Echo]) -> None:
    with one_pool(servers) as (running, port):
        assert ask(port).status == 200
        say(port, b"nonsense\r\n\r\n")
        assert running.lines() == []


# ---- through the programmer, on the bus


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Observed]:
    haproxy()
    made = Observed(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    start(made)
    yield made
    made.close()
    shutil.rmtree(made.directory)


def start(programmer: Observed) -> None:
    programmer.start("--listen", f"127.0.0.1:{programmer.metrics_port}", "--statistics-interval", "0.2")


def events(server: NatsServer) -> list[ProxyRequestTold]:
    """Every request that the history tells of."""

    async def found() -> list[ProxyRequestTold]:
        bus = Bus(BusAddress(url=server.url), source="test")
        bus.start()
        try:
            await bus.usable(10)
            subject = f"vipbus.event.proxy.{ROUTER}.request"
            return [
                msgspec.json.decode(record.body, type=ProxyRequestTold)
                async for record in records(bus, subject, follow=False)
            ]
        finally:
            await bus.close()

    return asyncio.run(found())


def publish(bus: NatsServer, programmer: Observed, port: int) -> None:
    front = proxy(programmer.port, log=ProxyLog())
    publish_config(bus.url, [front, pool(retries=0), member(port)], ROUTER)


def test_a_failure_is_an_event_with_the_member_s_address(
    programmer: Observed, nats_server: NatsServer
) -> None:
    closed = free_port()
    publish(nats_server, programmer, closed)
    eventually(lambda: get(programmer.port, "/cart?x=1")[0] == 503, "it fails", within=20)
    eventually(lambda: bool(events(nats_server)), "it is told")
    event = events(nats_server)[0]
    assert (event.router, event.proxy, event.pool, event.path) == (ROUTER, "web", "web", "/cart")
    assert (event.real_server, event.status, event.error) == (f"127.0.0.1:{closed}", 503, True)
    assert event.outcome == "the real server refused or closed it before there was a connection"
    assert event.host.startswith("127.0.0.1")
    assert (programmer.metric("log_lines_total", result="told") or 0) >= 1


def test_a_flood_is_counted_and_not_told_and_nobody_waits_for_it(
    programmer: Observed, nats_server: NatsServer
) -> None:
    publish(nats_server, programmer, free_port())
    eventually(lambda: get(programmer.port)[0] == 503, "it fails", within=20)
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: [get(programmer.port) for _ in range(100)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    eventually(lambda: (programmer.metric("log_lines_total", result="dropped") or 0) >= 300, "dropped")
    seconds = time.monotonic() - began
    assert len(events(nats_server)) <= 31 + seconds + 20, "a second, and some at once"
    assert not programmer.metric("log_lines_total", result="unreadable")


def test_what_is_logged_while_the_programmer_is_away_is_told_by_the_next_one(
    programmer: Observed, nats_server: NatsServer
) -> None:
    publish(nats_server, programmer, free_port())
    eventually(lambda: get(programmer.port)[0] == 503, "it fails", within=20)
    master = programmer.master()
    programmer.kill()
    assert get(programmer.port, "/meanwhile")[0] == 503
    start(programmer)
    eventually(lambda: "/meanwhile" in [each.path for each in events(nats_server)], "it is told", within=20)
    assert programmer.master() == master


def test_a_pipe_that_nobody_empties_stops_no_request_and_what_is_lost_is_counted(
    programmer: Observed, nats_server: NatsServer
) -> None:
    publish(nats_server, programmer, free_port())
    eventually(lambda: get(programmer.port)[0] == 503, "it fails", within=20)
    programmer.kill()
    path = "/" + "x" * 199
    assert {get(programmer.port, path)[0] for _ in range(1000)} == {503}, "more than a pipe takes"
    start(programmer)
    eventually(lambda: (programmer.metric("log_lines_lost_total") or 0) > 0, "it is counted", within=20)


def test_news_of_haproxy_stand_in_the_programmer_s_log(programmer: Observed, nats_server: NatsServer) -> None:
    server = Server()
    try:
        publish(nats_server, programmer, server.port)
        eventually(lambda: answers(programmer.port) == {str(server.port)}, "it serves", within=20)
        verdict(nats_server, server.port, "down")
        eventually(
            lambda: "HAProxy: backend pool-web has no server available!" in programmer.log, "it says so"
        )
        assert "changed from CLI" not in programmer.log, "an echo of what was said with its cause"
    finally:
        server.close()
