"""What a proxy says of itself to whoever stands in front of it, and what its programmer says on the bus."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime

import msgspec
import pytest

from tests.contract.test_haproxy_programmer import programmer, servers, verdict, write
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, Server, get, member, pool, proxy
from tests.support.waiting import eventually
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import OPERATOR, PROXY_PROCESS, OperatorState, ProxyProcess

__all__ = ["programmer", "servers"]


def alive(programmer: Programmer) -> int:
    return get(programmer.port, "/alive")[0]


def said(bus: NatsServer) -> ProxyProcess | None:
    """Read what stands on the bus of the router's HAProxy."""

    async def found() -> ProxyProcess | None:
        connection = Bus(BusAddress(url=bus.url), source="test")
        connection.start()
        try:
            await connection.usable(10)
            values = [each.value for each in (await connection.read(PROXY_PROCESS, ">")).values()]
            return values[0] if values else None
        finally:
            await connection.close()

    return asyncio.run(found())


@pytest.fixture
def ports(servers: list[Server]) -> list[int]:
    return [each.port for each in servers]


def test_the_monitor_fails_when_too_few_can_serve(
    programmer: Programmer, nats_server: NatsServer, ports: list[int]
) -> None:
    asks = proxy(programmer.port, monitor="/alive", monitor_members=2)
    publish_config(nats_server.url, [asks, pool(), *map(member, ports)], ROUTER)
    eventually(lambda: alive(programmer) == 200, "it is alive", within=20)
    worker = programmer.workers()
    verdict(nats_server, ports[0], "down")
    verdict(nats_server, ports[1], "down")
    eventually(lambda: alive(programmer) == 503, "one of three is too few")
    assert get(programmer.port)[0] == 200, "who comes is served all the same"
    verdict(nats_server, ports[0], "up")
    eventually(lambda: alive(programmer) == 200, "two are enough")
    assert programmer.workers() == worker


@pytest.mark.parametrize("state", ["drain", "disable"])
def test_the_monitor_fails_while_the_tier_in_front_is_told_to_send_nothing(
    programmer: Programmer, nats_server: NatsServer, ports: list[int], state: str
) -> None:
    other_port = free_port()
    asks = proxy(programmer.port, monitor="/alive", monitor_drain=True)
    deaf = proxy(other_port, name="deaf", monitor="/alive")
    publish_config(nats_server.url, [asks, deaf, pool(), *map(member, ports)], ROUTER)
    eventually(lambda: alive(programmer) == 200, "it is alive", within=20)
    worker = programmer.workers()
    word = OperatorState(
        virtual_server="10-9-0-100_80_tcp",
        real_server=f"127-0-0-1_{programmer.port}",
        state=state,  # type: ignore[arg-type]  # one of both
        by="test",
        since=datetime.now(UTC),
    )
    other = msgspec.structs.replace(word, real_server=f"127-0-0-1_{other_port}")
    write(nats_server, OPERATOR, other.key, other)
    write(nats_server, OPERATOR, word.key, word)
    eventually(lambda: alive(programmer) == 503, "it is not alive")
    assert get(programmer.port)[0] == 200, "who comes is served all the same"
    assert programmer.workers() == worker
    assert get(other_port, "/alive")[0] == 200, "it was not asked to tell"
    # a new worker knows it before its first answer
    for each in (programmer.master(), *worker):
        os.kill(each, signal.SIGKILL)
    eventually(lambda: get(programmer.port)[0] == 200, "it is back")
    assert alive(programmer) == 503
    write(nats_server, OPERATOR, word.key, None)
    eventually(lambda: alive(programmer) == 200, "it is alive again")


def test_what_is_said_of_the_process_follows_its_answers(
    programmer: Programmer, nats_server: NatsServer, ports: list[int]
) -> None:
    publish_config(nats_server.url, [proxy(programmer.port), pool(), *map(member, ports)], ROUTER)

    def is_said(answers: bool, cause: str) -> bool:
        found = said(nats_server)
        return (
            found is not None and (found.answers, found.router) == (answers, ROUTER) and cause in found.cause
        )

    eventually(lambda: is_said(True, "it answers"), "it answers", within=20)
    first = said(nats_server)
    (worker,) = programmer.workers()
    os.kill(worker, signal.SIGSTOP)
    eventually(lambda: is_said(False, "within 5 s"), "it does not answer", within=20)
    os.kill(worker, signal.SIGCONT)
    eventually(lambda: is_said(True, "it answers"), "it answers again", within=20)
    # whoever is started next has no news of a process that went on
    before = said(nats_server)
    assert before != first
    programmer.kill()
    programmer.start()
    eventually(lambda: "going on with HAProxy" in programmer.log, "it goes on", within=20)
    assert said(nats_server) == before
    # what is stopped serves nobody, and says so
    programmer.stop()
    assert is_said(False, "was stopped")


def test_a_haproxy_that_cannot_be_started_is_said_to_be_down(
    programmer: Programmer, nats_server: NatsServer
) -> None:
    programmer.kill()
    programmer.start("--haproxy", "/nonexistent/haproxy")
    publish_config(nats_server.url, [proxy(programmer.port), pool(), member(1)], ROUTER)

    def down() -> bool:
        found = said(nats_server)
        return found is not None and not found.answers and "/nonexistent/haproxy cannot be run" in found.cause

    eventually(down, "it is said", within=30)


@pytest.mark.usefixtures("programmer")
def test_a_router_without_proxies_says_nothing_of_haproxy(nats_server: NatsServer) -> None:
    old = ProxyProcess(router=ROUTER, answers=True, cause="of another life", since=datetime.now(UTC))
    write(nats_server, PROXY_PROCESS, old.key, old)
    assert said(nats_server) == old
    publish_config(nats_server.url, [member(1)], ROUTER)
    eventually(lambda: said(nats_server) is None, "it is gone", within=20)


_BABBLES = """\
#!{python}
import re, socket, sys
if "-c" in sys.argv:
    sys.exit(0)
text = open(sys.argv[sys.argv.index("-f") + 1]).read()
listener = socket.socket(socket.AF_UNIX)
listener.bind(re.search(r"stats socket (\\S+)", text)[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"\\xff\\0what?\\n")
    connection.close()
"""


def test_an_answer_that_nobody_understands_is_an_answer(
    programmer: Programmer, nats_server: NatsServer
) -> None:
    programmer.kill()
    babbles = programmer.directory / "babbles"
    babbles.write_text(_BABBLES.format(python=sys.executable))
    babbles.chmod(0o755)
    programmer.start("--haproxy", str(babbles))
    publish_config(nats_server.url, [proxy(programmer.port), pool(), member(1)], ROUTER)
    eventually(lambda: said(nats_server) is not None, "it is said", within=40)
    try:
        found = said(nats_server)
        assert found is not None
        assert found.answers
    finally:
        os.kill(programmer.master(), signal.SIGKILL)
