"""Thousands of rounds of every web check, good and bad: no descriptor, task or watched socket is left."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from health_prober.attempt import Steps
from health_prober.check import Succeeded
from health_prober.trying import tried
from tests.support.waiting import eventually_async
from tests.support.web_certificates import Certificates
from tests.support.web_servers import Nginx, free_ports, grpc_server
from tests.support.web_servers_raw import (
    RawServer,
    closing,
    endless,
    frames,
    half_closing,
    resetting,
    sending,
    until_gone,
)
from vipbus.contracts import Check, GrpcCheck, HttpCheck, HttpRequest, Tls, TlsCheck

HERE = "127.0.0.1"
AT_A_TIME = 20
BAD = [until_gone, closing, half_closing, resetting, sending(b"garbage\r\n\r\n"), endless(b"\xff\x00")]
BAD += [sending(frames(), then=closing), endless(b"\0\0\x08\x06\0\0\0\0\0" + b"12345678", frames())]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), files) as server:
        yield server


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def leave_nothing(checks: list[Check], rounds: int, most_seconds: float) -> Counter[bool]:
    """Try the checks in turn, some at a time, and see that all is as before; count what came of it."""
    loop = asyncio.get_running_loop()
    outcomes: Counter[bool] = Counter()

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            if time.monotonic() > deadline:
                return
            event = await tried(checks[number % len(checks)], Steps())
            outcomes[isinstance(event, Succeeded)] += 1

    async def several(number: int) -> None:
        numbers = iter(range(number))
        await asyncio.gather(*(work(numbers) for _ in range(AT_A_TIME)))

    deadline = time.monotonic() + 60
    await several(2 * AT_A_TIME)  # imports, contexts and threads are made once
    await eventually_async(lambda: len(watched(loop)) <= 1, "the first rounds are over")
    gc.collect()
    before = descriptors()
    outcomes.clear()
    deadline = time.monotonic() + most_seconds
    await several(rounds)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await eventually_async(lambda: len(watched(loop)) <= 1, "no socket is watched")  # but the loop's own
    gc.disable()  # what only the collector would close counts as left behind
    try:
        await eventually_async(lambda: descriptors() <= before, "no descriptor is left")
    finally:
        gc.enable()
    print(f"{outcomes.total()} rounds, {outcomes[True]} good")
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
    outcomes = asyncio.run(leave_nothing(checks, 10_000, 60))
    assert outcomes == {True: 6_000, False: 4_000}


def test_tls_and_http2(nginx: Nginx, files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    hello = (HttpRequest(path="/hello"),)
    checks: list[Check] = [
        TlsCheck(address=HERE, port=nginx.tls, tls=tls),
        TlsCheck(address=HERE, port=nginx.expired, tls=tls),
        TlsCheck(address=HERE, port=nginx.plain, tls=tls),
        HttpCheck(address=HERE, port=nginx.tls, tls=tls, requests=hello),
        HttpCheck(address=HERE, port=nginx.tls, tls=tls, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.h2, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.plain, version="2", requests=hello),
        HttpCheck(address=HERE, port=nginx.self_signed, tls=tls, version="2", requests=hello),
    ]
    outcomes = asyncio.run(leave_nothing(checks, 10_000, 20))
    assert outcomes.total() > 500
    assert abs(outcomes[True] - outcomes[False]) <= 2 * AT_A_TIME


def test_grpc(files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    with grpc_server() as clear, grpc_server(files.good) as by_tls, grpc_server(files.expired) as expired:
        checks: list[Check] = [
            GrpcCheck(address=HERE, port=clear),
            GrpcCheck(address=HERE, port=clear, service="bad"),
            GrpcCheck(address=HERE, port=by_tls, tls=tls),
            GrpcCheck(address=HERE, port=expired, tls=tls),
        ]
        outcomes = asyncio.run(leave_nothing(checks, 10_000, 10))
    assert outcomes.total() > 200
    assert abs(outcomes[True] - outcomes[False]) <= 2 * AT_A_TIME


def test_hostile_servers(files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    with ExitStack() as open_ones:
        servers = [open_ones.enter_context(RawServer(script)) for script in BAD]
        servers += [open_ones.enter_context(RawServer(script, files.good)) for script in BAD]
        checks = [check for server in servers for check in bad_ones(server.port, tls)]
        outcomes = asyncio.run(leave_nothing(checks, 10_000, 10))
    assert outcomes.total() > 200
    # a handshake is good with any of the servers that speak TLS
    assert outcomes[False] > outcomes[True]
