"""Thousands of rounds of every web check, good and bad: no descriptor, task or watched socket is left."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from health_prober.attempt import Steps
from health_prober.check import Succeeded
from health_prober.trying import tried
from tests.support.waiting import eventually_async
from tests.support.web_certificates import Certificates
from tests.support.web_hostile import hostile_servers
from tests.support.web_servers import Nginx, free_ports, grpc_server
from vipbus.contracts import Check, GrpcCheck, HttpCheck, HttpRequest, Tls, TlsCheck

HERE = "127.0.0.1"
AT_A_TIME = 20
ROUNDS = 10_000
WITHIN = 240.0
"""Seconds; a busy machine takes several times what an idle one does."""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), files) as server:
        yield server


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def leave_nothing(checks: list[Check], at_a_time: int = AT_A_TIME) -> Counter[bool]:
    """Try the checks in turn, some at a time, and see that all is as before; count what came of it."""
    loop = asyncio.get_running_loop()
    outcomes: Counter[bool] = Counter()

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            assert time.monotonic() < deadline, f"only {outcomes.total()} rounds in {WITHIN:g} s"
            event = await tried(checks[number % len(checks)], Steps())
            outcomes[isinstance(event, Succeeded)] += 1

    async def several(number: int) -> None:
        numbers = iter(range(number))
        await asyncio.gather(*(work(numbers) for _ in range(at_a_time)))

    deadline = time.monotonic() + WITHIN
    await several(2 * at_a_time)  # imports, contexts and threads are made once
    await eventually_async(lambda: len(watched(loop)) <= 1, "the first rounds are over")
    gc.collect()
    before = descriptors()
    outcomes.clear()
    began = time.monotonic()
    await several(ROUNDS)
    took = time.monotonic() - began
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await eventually_async(lambda: len(watched(loop)) <= 1, "no socket is watched")  # but the loop's own
    gc.disable()  # what only the collector would close counts as left behind
    try:
        await eventually_async(lambda: descriptors() <= before, "no descriptor is left")
    finally:
        gc.enable()
    print(f"{outcomes.total()} rounds, {outcomes[True]} good, in {took:.0f} s")
    return outcomes


def watched(loop: asyncio.AbstractEventLoop) -> list[object]:
    return list(loop._selector.get_map())  # type: ignore[attr-defined]


def bad_ones(port: int, tls: Tls, timeout: float = 0.1) -> list[Check]:
    return [
        HttpCheck(address=HERE, port=port, timeout=timeout),
        HttpCheck(address=HERE, port=port, timeout=timeout, version="2"),
        HttpCheck(address=HERE, port=port, timeout=timeout, tls=tls),
        TlsCheck(address=HERE, port=port, timeout=timeout, tls=tls),
        GrpcCheck(address=HERE, port=port, timeout=timeout),
        GrpcCheck(address=HERE, port=port, timeout=timeout, tls=tls),
    ]


def test_http_in_the_clear(nginx: Nginx) -> None:
    requests = (HttpRequest(path="/hello", regex="hello"),)
    checks: list[Check] = [
        HttpCheck(address=HERE, port=nginx.plain, version="1.0", requests=(HttpRequest(path="/hello"),)),
        HttpCheck(address=HERE, port=nginx.plain, requests=(HttpRequest(path="/moved", redirects=1),)),
        HttpCheck(address=HERE, port=nginx.plain, requests=requests),
        HttpCheck(address=HERE, port=nginx.plain, requests=(HttpRequest(path="/broken"),)),
        HttpCheck(address=HERE, port=free_ports(1)[0]),
    ]
    outcomes = asyncio.run(leave_nothing(checks))
    assert outcomes == {True: 6_000, False: 4_000}


def test_tls(nginx: Nginx, files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    own = Tls(ca_file=str(files.ca), certificate=str(files.good))
    checks: list[Check] = [
        TlsCheck(address=HERE, port=nginx.tls, tls=tls),
        TlsCheck(address=HERE, port=nginx.tls12, tls=tls),
        TlsCheck(address=HERE, port=nginx.client12, tls=own),
        TlsCheck(address=HERE, port=nginx.expired, tls=tls),
        TlsCheck(address=HERE, port=nginx.plain, tls=tls),
    ]
    assert asyncio.run(leave_nothing(checks)) == {True: 6_000, False: 4_000}


def test_https_and_http2(nginx: Nginx, files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    hello = (HttpRequest(path="/hello"),)
    checks: list[Check] = [
        HttpCheck(address=HERE, port=nginx.tls, tls=tls, requests=hello),
        HttpCheck(address=HERE, port=nginx.tls, tls=tls, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.h2, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.plain, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.self_signed, tls=tls, version="2", requests=hello),
    ]
    assert asyncio.run(leave_nothing(checks)) == {True: 6_000, False: 4_000}


def test_grpc(files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    with grpc_server() as clear, grpc_server(files.good) as by_tls, grpc_server(files.expired) as expired:
        checks: list[Check] = [
            GrpcCheck(address=HERE, port=clear),
            GrpcCheck(address=HERE, port=clear, service="bad"),
            GrpcCheck(address=HERE, port=by_tls, tls=tls),
            GrpcCheck(address=HERE, port=expired, tls=tls),
        ]
        assert asyncio.run(leave_nothing(checks)) == {True: 5_000, False: 5_000}


def test_hostile_servers(files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    with hostile_servers(files.good) as ports:
        checks = [check for port in ports for check in bad_ones(port, tls)]
        outcomes = asyncio.run(leave_nothing(checks, at_a_time=50))  # most wait for their time-out
    # a handshake is good with any of the servers that speak TLS
    assert outcomes[False] > outcomes[True]
