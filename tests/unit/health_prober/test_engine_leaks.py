"""Thousands of rounds of the engine against servers of every temper leave nothing behind."""

from __future__ import annotations

import gc
import os
import socket
import threading
from pathlib import Path

import pytest

from health_prober import lean_http
from health_prober.metrics import PROBES, PROBES_IN_FLIGHT
from tests.support.talkers import answering, dripping, endless, reset, silence, talking
from tests.support.waiting import eventually
from tests.unit.health_prober.running import open_descriptors, running
from vipbus.contracts import Check, Exchange, HttpCheck, HttpRequest, TcpCheck

MOST_GROWN = 6 << 20
"""Octets of memory, the servers' threads in this process included."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ended() -> float:
    return PROBES.total(result="success") + PROBES.total(result="failure")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.leaks
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_thousands_of_rounds_leave_no_descriptor_thread_or_memory_behind(kind: str, rounds: int) -> None:
    talks = [
        answering(OK),
        answering(OK, then=silence),
        answering(b"SSH-2.0-no\r\n"),
        answering(OK[:-1]),
        answering(then=reset),
        silence,
        dripping(OK[:20], 0.01),
        answering(OK[:17], then=endless(b"X: y\r\n" * 200)),
        lambda connection: connection.shutdown(socket.SHUT_WR),
    ]
    with talking(silence) as closed:
        refused = closed.port
    descriptors, threads = open_descriptors(), threading.active_count()
    servers = [talking(talk) for talk in talks]
    ports = [server.__enter__().port for server in servers]
    checks: list[Check] = []
    for timing in (0.01, 0.011, 0.012):
        knobs = {"interval": timing, "timeout": 0.05, "retry": 0}
        if kind == "http":
            checks += [HttpCheck(address="127.0.0.1", port=port, **knobs) for port in (*ports, refused)]
            # with two requests it goes beside
            two = (HttpRequest(path="/a"), HttpRequest(path="/b"))
            checks.append(HttpCheck(address="127.0.0.1", port=ports[0], requests=two, **knobs))
        else:
            checks += [TcpCheck(address="127.0.0.1", port=port, **knobs) for port in (*ports, refused)]
            # with a source it has a socket of its own; with a dialogue it goes beside
            checks.append(TcpCheck(address="127.0.0.1", port=ports[0], source="127.0.0.1", **knobs))
            dialogue = (Exchange(send="PING\r\n", expect="PONG"),)
            checks.append(TcpCheck(address="127.0.0.1", port=ports[2], exchanges=dialogue, **knobs))
    try:
        with running() as run:
            before = ended()
            run.check(*checks)
            eventually(lambda: ended() >= before + rounds / 10, "the first tenth", within=400)
            held, first = open_descriptors(), resident()
            eventually(lambda: ended() >= before + rounds * 1.1, "and all of them", within=400)
            run.check()
            eventually(lambda: PROBES_IN_FLIGHT.value() == 0, "nothing is in flight")
            # what stays is what is kept for the next attempts, and the servers' own ends
            eventually(lambda: open_descriptors() <= held + 10, "no more than at first", within=20)
            grown = resident() - first
    finally:
        for server in servers:
            server.__exit__(None, None, None)
    eventually(lambda: open_descriptors() == descriptors, "every descriptor is closed", within=20)
    eventually(lambda: threading.active_count() == threads, "every thread has ended", within=20)
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, lean_http.Response)]
    print(f"{rounds} rounds, descriptors {held} -> {descriptors}, resident {grown:+} octets")
    assert grown < MOST_GROWN
