"""Reloads under load: no request fails, and nobody is answered by a member that is down."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.test_haproxy_programmer import publish, read, verdict
from tests.support.nats import NatsServer
from tests.support.proxy import Programmer, answers, haproxy
from tests.support.proxy_nginx import nginx
from tests.support.waiting import eventually
from tests.support.wrk import Wrk

RELOADS = 10


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Programmer]:
    haproxy()
    # pytest's own directories may be too long for a socket's path
    made = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start("--reload-interval", "0.1")
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with nginx(4) as made:
        yield made


def test_ten_reloads_under_load_and_half_the_pool_is_down(
    programmer: Programmer, nats_server: NatsServer, ports: list[int]
) -> None:
    down, serving = ports[:2], {str(each) for each in ports[2:]}
    publish(nats_server, programmer, ports)
    for port in down:
        verdict(nats_server, port, "down")
    eventually(lambda: answers(programmer.port, 20) == serving, "half of them serve", within=20)
    with ExitStack() as stack:
        loads = {keep: Wrk(programmer.port, serving, keep=keep) for keep in (True, False)}
        for load in loads.values():
            stack.callback(load.kill)
        for number in range(RELOADS):
            before = programmer.log.count("HAProxy reloaded")
            publish(nats_server, programmer, ports, retries=4 + number)
            eventually(
                lambda before=before: programmer.log.count("HAProxy reloaded") > before,
                "a reload",
                within=30,
            )
        kept, new = loads[True].end(), loads[False].end()
    assert programmer.log.count("HAProxy reloaded") == RELOADS
    for found in (kept, new):
        assert found.requests > 1000
        assert found.failed == 0, found
        assert set(found.bodies) == serving
    said = read(nats_server)
    assert said is not None
    assert {each.port for each in said.members if each.state == "down"} == set(down)
