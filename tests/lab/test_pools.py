"""Pools under a changing configuration: what leaves it drains, counted by connections that stay open."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.declare import PORT, Declaration, RouterSpec
from tests.lab.lab import Lab
from tests.lab.router import Vipbus
from tests.support.waiting import eventually

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(400)]

S2 = f"10.9.0.22:{PORT}"
_LASTS = 3
"""Seconds that IPVS remembers a closed connection here; 120 by default."""


class Open:
    """Connections of the client's that are open and have asked nothing yet."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Open:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def one(self) -> socket.socket:
        """Open one."""
        with self._lab.client.namespace.entered():
            made = socket.create_connection((self._lab.address, PORT), timeout=10)
        self._closing.enter_context(made)
        return made


def answer(connection: socket.socket) -> str:
    """Ask who is at the other end, and close."""
    with connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        text = b""
        while piece := connection.recv(4096):
            text += piece
    return text.rpartition(b"\r\n\r\n")[2].decode().strip()


@pytest.fixture(scope="module")
def started() -> Iterator[Lab]:
    """Give one router that serves, and nobody who asks it."""
    with Lab(Declaration(routers=(RouterSpec("r1", 150),))) as lab:
        lab.settled("r1", within=200)
        yield lab


@pytest.fixture
def router(started: Lab) -> Iterator[tuple[Lab, Vipbus]]:
    """Give it with its whole configuration, whatever a test has left of that."""
    r1 = started.vipbus("r1")
    whole = r1.configuration.read_text()
    r1.ipvsadm("--set", "900", str(_LASTS), "300")
    yield started, r1
    r1.configuration.write_text(whole)
    r1.reload()
    started.settled("r1", within=100)


def without(configuration: Path, begin: str) -> None:
    """Take a block, from the words that it begins with to its brace, out of a file."""
    text = configuration.read_text()
    start = text.index(begin)
    depth, end = 0, start
    while True:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
        if text[end - 1] == "}" and depth == 0:
            break
    configuration.write_text(text[:start] + text[end:])


def outcomes(router: Vipbus, of: str) -> list[object]:
    """How drains ended, in order."""
    found = [event["data"] for event in router.events("vipbus.event.destination.*.drain-ended")]
    return [each["outcome"] for each in found if isinstance(each, dict) and each["real_server"] == of]


def test_a_real_server_that_leaves_drains_over_a_killed_programmer(router: tuple[Lab, Vipbus]) -> None:
    lab, r1 = router
    service = f"{lab.address}:{PORT}"
    with Open(lab) as client:
        connections = [client.one() for _ in lab.declaration.servers]
        whole = r1.configuration.read_text()
        without(r1.configuration, f"real_server 10.9.0.22 {PORT} {{")
        r1.reload()
        eventually(lambda: r1.table()[service].destinations.get(S2) == 0, "s2 drains", within=60)
        assert {answer(client.one()) for _ in range(6)} == {"s1", "s3"}
        r1.kill("ipvs-programmer")
        eventually(lambda: r1.pid("ipvs-programmer") and r1.ready(), "it is back", within=60, every=0.5)
        assert r1.table()[service].destinations[S2] == 0
        assert "10.9.0.22:80 is not configured any more and drains" in r1.ask("status").stdout
        # taken in again, and drained once more
        r1.configuration.write_text(whole)
        r1.reload()
        eventually(lambda: r1.table()[service].destinations.get(S2) == 1, "s2 is taken in again", within=60)
        without(r1.configuration, f"real_server 10.9.0.22 {PORT} {{")
        r1.reload()
        eventually(lambda: r1.table()[service].destinations.get(S2) == 0, "s2 drains again", within=60)
        assert {answer(each) for each in connections} == {"s1", "s2", "s3"}
    eventually(
        lambda: S2 not in r1.table()[service].destinations, "it goes with its last connection", within=60
    )
    eventually(lambda: outcomes(r1, "10-9-0-22_80") == ["cancelled", "empty"], "and that was said", within=20)


def test_a_virtual_server_that_leaves_drains_too(router: tuple[Lab, Vipbus]) -> None:
    lab, r1 = router
    service = f"{lab.address}:{PORT}"
    with Open(lab) as client:
        connections = [client.one() for _ in range(2)]
        without(r1.configuration, "virtual_server ")
        r1.reload()
        eventually(
            lambda: service in r1.table() and set(r1.table()[service].destinations.values()) == {0},
            "no new connections",
            within=30,
        )
        eventually(lambda: len(r1.table()[service].destinations) == 2, "the idle one goes", within=60)
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            client.one()
        assert len({answer(each) for each in connections}) == 2
    eventually(lambda: service not in r1.table(), "its service goes with the last connection", within=60)


def test_a_sorry_server_serves_while_the_quorum_is_lost(router: tuple[Lab, Vipbus]) -> None:
    lab, r1 = router
    service = f"{lab.address}:{PORT}"
    without(r1.configuration, f"real_server 10.9.0.23 {PORT} {{")
    text = r1.configuration.read_text()
    beside = f"    quorum 2\n    sorry_server 10.9.0.23 {PORT}\n    real_server 10.9.0.21"
    r1.configuration.write_text(text.replace("    real_server 10.9.0.21", beside))
    r1.reload()
    eventually(lambda: lab.destinations("r1") == {"s1", "s2"}, "s3 is no member", within=60)
    lab.close_port("s2")
    try:
        eventually(lambda: lab.destinations("r1") == {"s3"}, "the sorry server stands in", within=60)
        with Open(lab) as client:
            assert {answer(client.one()) for _ in range(3)} == {"s3"}
        status = r1.ask("status").stdout
        assert "BELOW ITS QUORUM: weight 1 of 2; the sorry server 10.9.0.23:80 serves" in status
    finally:
        lab.open_port("s2")
    eventually(lambda: lab.destinations("r1") == {"s1", "s2"}, "the pool serves again", within=60)
    assert set(r1.table()[service].destinations.values()) == {1}
    events = [event["data"] for event in r1.events("vipbus.event.pool.*.quorum-changed")]
    assert [each["met"] for each in events if isinstance(each, dict)] == [False, True]
