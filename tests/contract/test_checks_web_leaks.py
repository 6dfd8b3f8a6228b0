"""Thousands of rounds of every web check, good and bad: no descriptor, task or memory is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.leaks import leave_nothing
from tests.support.web_certificates import Certificates
from tests.support.web_hostile import hostile_servers
from tests.support.web_servers import Nginx, free_ports, grpc_server
from vipbus.contracts import Check, GrpcCheck, HttpCheck, HttpRequest, Tls, TlsCheck

HERE = "127.0.0.1"
LONG = 60.0
"""Seconds for an attempt that ends by itself: a busy machine is no cause."""
SHORT = 1.0
"""Seconds for one that may have to run out of time; enough for any server that does something."""
BROKEN = "wrong status 503 (wanted 200-299)"
HELLO = (HttpRequest(path="/hello", regex="hello"),)
pytestmark = [pytest.mark.leaks, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), files) as server:
        yield server


def http(port: int, tls: Tls | None = None, version: str = "1.1", **more: object) -> HttpCheck:
    settings = {"requests": HELLO, "timeout": LONG, **more}
    return HttpCheck(address=HERE, port=port, tls=tls, version=version, **settings)  # type: ignore[arg-type]


def test_http(nginx: Nginx, rounds: int) -> None:
    checks = [
        http(nginx.plain, version="1.0", requests=(HttpRequest(path="/hello"),)),
        http(nginx.plain, requests=(HttpRequest(path="/moved", redirects=1),)),
        http(nginx.plain),
        http(nginx.plain, requests=(HttpRequest(path="/broken"),)),
        http(free_ports(1)[0]),
    ]
    outcomes = leave_nothing(checks, rounds)
    assert outcomes == {"ok": rounds * 3 / 5, BROKEN: rounds / 5, "connection refused": rounds / 5}


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_https(nginx: Nginx, files: Certificates, rounds: int, version: str) -> None:
    tls = Tls(ca_file=str(files.ca))
    checks = [
        http(nginx.tls, tls, version),
        http(nginx.tls12, tls, version),
        http(nginx.expired, tls, version),
        http(nginx.self_signed, tls, version),
        http(nginx.plain, tls, version),
    ]
    outcomes = leave_nothing(checks, rounds)
    assert (outcomes["ok"], len(outcomes)) == (rounds * 2 / 5, 4)


def test_http2_in_the_clear(nginx: Nginx, rounds: int) -> None:
    checks = [
        *[http(nginx.h2, version="2")] * 3,
        http(nginx.h2, version="2", requests=(HttpRequest(path="/broken"),)),
        http(nginx.plain, version="2"),
    ]
    outcomes = leave_nothing(checks, rounds)
    assert (outcomes["ok"], outcomes[BROKEN], len(outcomes)) == (rounds * 3 / 5, rounds / 5, 3)


def test_tls(nginx: Nginx, files: Certificates, rounds: int) -> None:
    tls = Tls(ca_file=str(files.ca))
    own = Tls(ca_file=str(files.ca), certificate=str(files.good))
    settings = [(nginx.tls, tls), (nginx.tls12, tls), (nginx.client12, own), (nginx.expired, tls)]
    settings += [(nginx.plain, tls)]
    checks = [TlsCheck(address=HERE, port=port, tls=each, timeout=LONG) for port, each in settings]
    outcomes = leave_nothing(checks, rounds)
    assert (outcomes["ok"], len(outcomes)) == (rounds * 3 / 5, 3)


@pytest.mark.parametrize("by_tls", [False, True], ids=["in the clear", "by TLS"])
def test_grpc(files: Certificates, rounds: int, by_tls: bool) -> None:
    tls = Tls(ca_file=str(files.ca)) if by_tls else None
    broken = files.expired if by_tls else None
    with grpc_server(files.good if by_tls else None) as good, grpc_server(broken) as other:
        checks = [
            *[GrpcCheck(address=HERE, port=good, timeout=LONG, tls=tls)] * 2,
            GrpcCheck(address=HERE, port=good, timeout=LONG, tls=tls, service="bad"),
            GrpcCheck(address=HERE, port=other, timeout=LONG, tls=tls, service="nobody"),
        ]
        outcomes = leave_nothing(checks, rounds)
    assert (outcomes["ok"], outcomes["not serving"], len(outcomes)) == (rounds / 2, rounds / 4, 3)


KINDS: dict[str, Callable[[int, Tls], Check]] = {
    "http": lambda port, _: http(port, timeout=SHORT),
    "https": lambda port, tls: http(port, tls, timeout=SHORT),
    "http2": lambda port, _: http(port, version="2", timeout=SHORT),
    "http2 by TLS": lambda port, tls: http(port, tls, version="2", timeout=SHORT),
    "tls": lambda port, tls: TlsCheck(address=HERE, port=port, timeout=SHORT, tls=tls),
    "grpc": lambda port, _: GrpcCheck(address=HERE, port=port, timeout=SHORT),
    "grpc by TLS": lambda port, tls: GrpcCheck(address=HERE, port=port, timeout=SHORT, tls=tls),
}


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_servers(files: Certificates, rounds: int, kind: str) -> None:
    """Slow, half open, resetting, endless, full of garbage, in the clear and by TLS; broken certificates."""
    tls = Tls(ca_file=str(files.ca))
    with hostile_servers(files.good, files.expired, files.self_signed) as ports:
        assert len(ports) == 20
        outcomes = leave_nothing([KINDS[kind](port, tls) for port in ports], rounds, at_once=100)
    # a handshake is good with those nine that speak TLS, if it is fast enough
    assert outcomes["ok"] <= (rounds * 9 / 20 if kind == "tls" else 0)
    assert len(outcomes) >= 4
