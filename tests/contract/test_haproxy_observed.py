"""What the programmer tells of a real haproxy: on the bus, to ``vipbus``, and in its metrics."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.test_ctl import vipbus
from tests.contract.test_haproxy_programmer import operate, publish, read, verdict
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, Server, answers, get, haproxy, member, pool, proxy
from tests.support.shapes import as_documented
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress, RefusedError
from vipbus.contracts.proxy_commands import ProxiesTraffic, ReadProxies

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Observed(Programmer):
    """One whose metrics are read."""

    def __init__(self, directory: Path, bus: NatsServer) -> None:
        super().__init__(directory, bus)
        self.metrics_port = free_port()

    def samples(self) -> Samples:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except urllib.error.URLError:
            return {}  # it is not there yet
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float | None:
        return self.samples().get((f"vipbus_haproxy_{name}", frozenset(labels.items())))


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Observed]:
    haproxy()
    made = Observed(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start("--listen", f"127.0.0.1:{made.metrics_port}", "--statistics-interval", "0.2")
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = [Server() for _ in range(3)]
    yield made
    for each in made:
        each.close()


def status(bus: NatsServer) -> dict[str, Any]:
    found = vipbus("status", "--json", server=bus)
    assert found.returncode == 3, "there is no prober and no agent here"
    report: dict[str, Any] = as_documented("status", found.stdout)
    return report


def about_haproxy(bus: NatsServer) -> list[str]:
    return [line for line in status(bus)["not_ready"] if "aproxy" in line.lower() or line.startswith("pool")]


def test_status_names_the_members_that_are_down_and_drained(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, third = (each.port for each in servers)
    publish(nats_server, programmer, [first, second, third])
    eventually(lambda: len(answers(programmer.port)) == 3, "all three serve", within=20)
    eventually(lambda: about_haproxy(nats_server) == [], "nothing is wrong", within=20)
    verdict(nats_server, first, "down")
    operate(nats_server, second, "drain")
    eventually(lambda: answers(programmer.port) == {str(third)}, "one is left")
    (found,) = [each for each in status(nats_server)["pools"] if each["id"] == "pool-web"]
    (table,) = found["tables"]
    assert (table["up"], table["current"], table["written"], table["error"]) == (1, True, True, "")
    assert {each["port"]: each["state"] for each in table["members"]} == {
        first: "down",
        second: "drain",
        third: "up",
    }
    (front,) = status(nats_server)["proxies"]
    assert (front["name"], front["bind"], front["pools"]) == (
        "web",
        [f"127.0.0.1:{programmer.port}"],
        ["web"],
    )


def test_a_haproxy_that_does_not_answer_says_so_and_its_members_are_not_forgotten(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    ports = [each.port for each in servers]
    publish(nats_server, programmer, ports)
    eventually(lambda: len(answers(programmer.port)) == 3, "all three serve", within=20)
    (worker,) = programmer.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(
            lambda: "does not answer" in getattr(read(nats_server), "error", ""), "its document", within=30
        )
        said = read(nats_server)
        assert said is not None
        assert {each.port for each in said.members} == set(ports)
        assert all(each.state == "up" for each in said.members)
        (line,) = about_haproxy(nats_server)
        assert line.startswith(f"{ROUTER}: haproxy-programmer: HAProxy does not answer on ")
        found = vipbus("table", "--json", "pool web", server=nats_server, within=30)
        assert found.returncode == 3
        assert "HAProxy does not answer on " in found.stderr
        (router,) = as_documented("table", found.stdout)
        assert {each["port"] for each in router["pools"][0]["members"]} == set(ports)
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: getattr(read(nats_server), "error", "?") == "", "it answers again", within=30)
    eventually(lambda: about_haproxy(nats_server) == [], "nothing is wrong", within=20)


def test_a_refused_configuration_is_a_problem_until_the_one_of_before_is_back(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    port = servers[0].port
    publish(nats_server, programmer, [port])
    eventually(lambda: answers(programmer.port) == {str(port)}, "it serves", within=20)
    publish_config(
        nats_server.url,
        [proxy(programmer.port), proxy(1, name="b", pool="none"), pool(), member(port)],
        ROUTER,
    )
    eventually(
        lambda: "refuses the configuration" in getattr(read(nats_server), "error", ""), "refused", within=20
    )
    (line,) = about_haproxy(nats_server)
    assert line.startswith(
        f"{ROUTER}: haproxy-programmer: HAProxy refuses the configuration, what ran goes on"
    )
    assert "pool-none" in line, "in HAProxy's words"
    publish(nats_server, programmer, [port])
    eventually(lambda: getattr(read(nats_server), "error", "?") == "", "all is well again", within=20)
    eventually(lambda: about_haproxy(nats_server) == [], "nothing is wrong", within=20)


def test_metrics_count_on_over_a_reload(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    first = servers[0].port
    publish(nats_server, programmer, [first])
    eventually(lambda: get(programmer.port)[0] == 200, "it serves", within=20)
    eventually(lambda: (programmer.metric("pool_sessions_total", pool="web") or 0) >= 1, "it is counted")
    before = programmer.samples()[("vipbus_haproxy_pool_sessions_total", frozenset({("pool", "web")}))]
    workers = programmer.workers()
    for _ in range(7):
        assert get(programmer.port)[0] == 200
    publish(nats_server, programmer, [first], retries=7)
    eventually(lambda: workers[0] not in programmer.workers(), "a new worker", within=20)
    for _ in range(5):
        assert get(programmer.port)[0] == 200
    wanted = before + 12
    server = {"pool": "web", "server": f"127.0.0.1:{first}"}
    eventually(lambda: programmer.metric("pool_sessions_total", pool="web") == wanted, "all are counted")
    assert programmer.metric("server_sessions_total", **server) == wanted
    assert programmer.metric("proxy_responses_total", proxy="web", status="2xx") == wanted
    assert programmer.metric("proxy_requests_total", proxy="web") == wanted
    assert (programmer.metric("pool_bytes_total", pool="web", direction="out") or 0) > 100
    assert programmer.metric("proxy_up", proxy="web") == 1
    assert programmer.metric("server_up", **server) == 1
    assert programmer.metric("pool_sessions", pool="web") == 0
    assert (programmer.metric("connections_limit") or 0) > 100
    assert programmer.metric("statistics_total", result="done")


def test_metrics_know_of_failures_and_forget_who_has_left(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    closed = free_port()
    publish(nats_server, programmer, [closed], retries=1, drain_timeout=0)
    eventually(lambda: get(programmer.port)[0] == 503, "nobody is there", within=20)
    server = {"pool": "web", "server": f"127.0.0.1:{closed}"}
    eventually(
        lambda: (programmer.metric("pool_errors_total", pool="web", what="connect") or 0) >= 1, "error"
    )
    assert (programmer.metric("server_retries_total", **server) or 0) >= 1
    assert (programmer.metric("proxy_responses_total", proxy="web", status="5xx") or 0) >= 1
    verdict(nats_server, closed, "down")
    eventually(lambda: programmer.metric("server_up", **server) == 0, "it is down")
    publish(nats_server, programmer, [servers[0].port], retries=1, drain_timeout=0)
    eventually(lambda: programmer.metric("server_up", **server) is None, "it has no series any more")
    labels = [dict(found) for _, found in programmer.samples()]
    assert {each["server"] for each in labels if "server" in each} == {f"127.0.0.1:{servers[0].port}"}


def test_table_and_json_show_pools_with_what_goes_through(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    first, second, third = (each.port for each in servers)
    publish(nats_server, programmer, [first, second, third])
    eventually(lambda: len(answers(programmer.port)) == 3, "all three serve", within=20)
    verdict(nats_server, second, "down")
    operate(nats_server, third, "drain")
    eventually(lambda: answers(programmer.port, 9) == {str(first)}, "one is left")
    found = vipbus("table", "--json", server=nats_server)
    assert (found.returncode, found.stderr) == (0, "")
    (router,) = as_documented("table", found.stdout)
    (front,), (told,) = router["proxies"], router["pools"]
    assert (front["name"], front["status"], front["flow"]["counts"]["sessions_total"]) == (
        "web",
        "OPEN",
        told["flow"]["counts"]["sessions_total"],
    )
    members = {each["port"]: each for each in told["members"]}
    assert {port: (each["state"], each["weight"]) for port, each in members.items()} == {
        first: ("up", 1),
        second: ("down", 1),
        third: ("drain", 1),
    }
    assert members[second]["cause"] == "said by the test"
    assert members[third]["operator_by"] == "test"
    assert (
        sum(each["flow"]["counts"]["sessions_total"] for each in members.values())
        == (told["flow"]["counts"]["sessions_total"])
    )
    for name in ("pool web", "proxy web", "web"):
        found = vipbus("table", name, server=nats_server)
        assert (found.returncode, found.stderr) == (0, ""), name
        assert f"router {ROUTER}   " in found.stdout
    found = vipbus("table", "pool web", "--live", "--json", server=nats_server)
    ((told,),) = [each["pools"] for each in as_documented("table", found.stdout)]
    assert set(told["flow"]["rates"]) == {"sessions", "requests", "bytes_in", "bytes_out", "errors"}
    found = vipbus("table", "pool wep", server=nats_server)
    assert found.returncode == 2
    assert "no virtual server or pool 'pool wep'; there is pool web" in found.stderr


def test_a_programmer_that_is_not_there_is_said(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    publish(nats_server, programmer, [servers[0].port])
    eventually(lambda: get(programmer.port)[0] == 200, "it serves", within=20)
    programmer.kill()
    found = vipbus("table", server=nats_server)
    assert found.returncode == 3
    assert (
        f"{ROUTER}: haproxy-programmer does not answer; is `vipbus run` running on {ROUTER}?" in found.stderr
    )
    assert f"127.0.0.1:{servers[0].port}" in found.stdout, "what was last heard"


def test_a_request_that_is_no_json_is_refused_and_the_next_is_answered(
    programmer: Observed, nats_server: NatsServer, servers: list[Server]
) -> None:
    publish(nats_server, programmer, [servers[0].port])
    eventually(lambda: get(programmer.port)[0] == 200, "it serves", within=20)

    async def story() -> ProxiesTraffic:
        bus = Bus(BusAddress(url=nats_server.url), source="test")
        bus.start()
        try:
            await bus.usable(10)
            subject = f"vipbus.cmd.haproxy-programmer.traffic.{ROUTER}"
            for body in (b"", b"{", b"\xff", b'{"pools": "x"}', b"[" * 10_000):
                with pytest.raises(RefusedError):
                    await bus.request(subject, body, timeout=5)
            asked = msgspec.json.encode(ReadProxies(pools=("pool-web", "pool-none"), proxies=("web", "x")))
            return msgspec.json.decode(await bus.request(subject, asked, timeout=5), type=ProxiesTraffic)
        finally:
            await bus.close()

    answer = asyncio.run(story())
    assert [each.pool for each in answer.pools] == ["pool-web"]
    assert [each.proxy for each in answer.proxies] == ["web"]
    assert [each.port for each in answer.pools[0].members] == [servers[0].port]
