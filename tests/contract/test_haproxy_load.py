"""Reloads under load: no request fails, and nobody is answered by a member that is down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_haproxy_programmer import publish, read, verdict
from tests.support.nats import NatsServer
from tests.support.proxy import Programmer, Server, answers, haproxy
from tests.support.waiting import eventually

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


class Load:
    """Clients without a rest, in a process of their own."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.proxy_load", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def end(self) -> dict[str, Any]:
        """Stop; what was counted."""
        said, _ = self._process.communicate(timeout=30)
        counts: dict[str, Any] = json.loads(said)
        return counts


def test_ten_reloads_under_load_and_half_the_pool_is_down(
    programmer: Programmer, nats_server: NatsServer
) -> None:
    servers = [Server() for _ in range(4)]
    ports = [each.port for each in servers]
    serving = {str(ports[2]), str(ports[3])}
    publish(nats_server, programmer, ports)
    for port in ports[:2]:
        verdict(nats_server, port, "down")
    eventually(lambda: answers(programmer.port, 20) == serving, "half of them serve", within=20)
    load = Load(programmer.port)
    for number in range(RELOADS):
        before = programmer.log.count("HAProxy reloaded")
        publish(nats_server, programmer, ports, retries=4 + number)
        eventually(
            lambda before=before: programmer.log.count("HAProxy reloaded") > before, "a reload", within=30
        )
    counts = load.end()
    for each in servers:
        each.close()
    assert counts["kept"] > 100
    assert counts["new"] > 100
    assert (counts["failed_kept"], counts["failed_new"], counts["wrong"]) == (0, 0, 0)
    assert set(counts["bodies"]) == serving
    assert programmer.log.count("HAProxy reloaded") == RELOADS
    said = read(nats_server)
    assert said is not None
    assert {each.port: each.state for each in said.members if each.port in ports[:2]} == dict.fromkeys(
        ports[:2], "down"
    )
