"""A service says what is wrong with it, on the bus and over HTTP, and a port in use is no catastrophe."""

from __future__ import annotations

import asyncio
import http.client

import msgspec
import pytest

from tests.support.nats import free_port
from vipbus.contracts import Condition
from vipbus.runtime import endpoint
from vipbus.runtime.life import watch_faults
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import ListenAddress, listen_address


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def test_problems_come_and_go() -> None:
    readiness = Readiness("vrrp-agent", "router-a", waits_for=("a configuration",))
    assert readiness.condition().problems == ("still waiting for a configuration",)
    readiness.done("a configuration")
    assert readiness.condition().ready
    readiness.problem("bus", "the bus is away")
    readiness.problem("bus", "the bus is still away")
    watched = ["table is late"]
    readiness.watch("table", lambda: watched[0])
    assert readiness.condition().problems == ("the bus is still away", "table is late")
    readiness.problem("bus", "")
    watched[0] = ""
    assert readiness.condition().ready


def test_what_nobody_catches_is_a_problem() -> None:
    readiness = Readiness("vrrp-agent", "router-a")

    def fail() -> None:
        raise ZeroDivisionError("on purpose")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        watch_faults(loop, readiness)
        loop.create_future().set_exception(OSError("a future of a library, dropped"))
        assert readiness.problems == ()
        loop.call_soon(fail)
        await asyncio.sleep(0)

    asyncio.run(story())
    (problem,) = readiness.problems
    assert "on purpose" in problem


def test_ready_and_metrics_over_http() -> None:
    readiness = Readiness("vrrp-agent", "router-a", waits_for=("a configuration",))
    port = free_port()
    assert endpoint.start(ListenAddress("127.0.0.1", port), readiness.condition) == ""
    status, body = get(port, "/ready")
    assert status == 503
    assert msgspec.json.decode(body, type=Condition).problems == ("still waiting for a configuration",)
    readiness.done("a configuration")
    assert get(port, "/ready")[0] == 200
    status, body = get(port, "/metrics")
    assert status == 200
    assert b"vipbus_service_ready 1.0" in body
    assert get(port, "/nothing")[0] == 404
    problem = endpoint.start(ListenAddress("127.0.0.1", port), readiness.condition)
    assert "Address already in use" in problem
    assert "choose another --listen" in problem


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9490", "127.0.0.1", 9490), ("[::1]:1", "::1", 1), ("host:0", "host", 0)],
)
def test_listen_addresses(text: str, host: str, port: int) -> None:
    assert listen_address(text) == ListenAddress(host, port)


@pytest.mark.parametrize("text", ["", ":", "9490", ":9490", "host:", "host:x", "host:65536", "host:-1"])
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(Exception, match="is not HOST:PORT"):
        listen_address(text)


def test_advice_changes_no_readiness(caplog: pytest.LogCaptureFixture) -> None:
    readiness = Readiness("ipvs-programmer", "router-a")
    readiness.advise(("turn it on",))
    readiness.advise(("turn it on", "and that"))
    assert readiness.condition().ready
    assert readiness.condition().advice == ("turn it on", "and that")
    assert [each.message for each in caplog.records] == ["turn it on", "and that"], "each is logged once"
    readiness.advise(())
    assert readiness.condition().advice == ()
