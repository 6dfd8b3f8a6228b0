"""Checks of gRPC health against grpcio's own server; each outcome in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.web_attempts import Tried
from tests.support.web_certificates import NAME, Certificates
from tests.support.web_servers import free_ports, grpc_server
from vipbus.contracts import GrpcCheck, Tls

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def clear() -> Iterator[int]:
    with grpc_server() as port:
        yield port


@pytest.fixture(scope="module")
def by_tls(files: Certificates) -> Iterator[int]:
    with grpc_server(files.good) as port:
        yield port


CASES = [
    ("", "ok serving"),
    ("good", "ok serving"),
    ("bad", "down not serving"),
    ("unsure", "down serving status unknown"),
    ("gone", "down service gone is unknown"),
    ("nobody", "down service nobody is unknown"),
    ("\u00e9" * 300, f"down service {chr(0xE9) * 80} is unknown"),
]


@pytest.mark.parametrize(("service", "outcome"), CASES)
def test_a_service(clear: int, by_tls: int, files: Certificates, service: str, outcome: str) -> None:
    tls = Tls(ca_file=str(files.ca), server_name=NAME)
    shaken = ["TLSv1.3, TLS_AES_256_GCM_SHA384, h2"]
    for port, settings, more in ((clear, None, []), (by_tls, tls, shaken)):
        tried = Tried(GrpcCheck(address=HERE, port=port, service=service, tls=settings))
        assert tried.said == outcome
        serving = ["serving"] if outcome.startswith("ok") else []
        assert tried.steps == ["connected", *more, *serving]


def test_a_server_without_health() -> None:
    with grpc_server(with_health=False) as port:
        said = Tried(GrpcCheck(address=HERE, port=port)).said
    assert said == "down grpc status UNIMPLEMENTED: Method not found!"


def test_nobody_listens() -> None:
    assert Tried(GrpcCheck(address=HERE, port=free_ports(1)[0])).said == "down connection refused"


def test_the_other_way_to_speak(clear: int, by_tls: int) -> None:
    tls = Tls(verify=False)
    cause = Tried(GrpcCheck(address=HERE, port=clear, tls=tls)).said
    assert cause in (
        "down no TLS: the server answered with something else",
        "down connection closed in the TLS handshake",
        "down connection reset",
    )
    cause = Tried(GrpcCheck(address=HERE, port=by_tls)).said
    assert cause.startswith("down no HTTP/2: ") or cause in (
        "down closed without an answer",
        "down connection reset",
    )


@pytest.mark.parametrize(
    ("certificate", "outcome"),
    [
        ("expired", "down certificate expired on {expired}"),
        ("early", "down certificate is not valid until {early}"),
        ("other_name", "down certificate is for lb.example, www.lb.example, not 127.0.0.1"),
        ("self_signed", "down certificate is signed by an unknown authority (self-signed)"),
        ("soon", "ok serving"),
    ],
)
def test_a_certificate(files: Certificates, certificate: str, outcome: str) -> None:
    path: Path = getattr(files, certificate)
    expired = f"{files.now - timedelta(days=2):%Y-%m-%d}"
    early = f"{files.now + timedelta(days=2):%Y-%m-%d}"
    with grpc_server(path) as port:
        tried = Tried(GrpcCheck(address=HERE, port=port, tls=Tls(ca_file=str(files.ca))))
        assert tried.said == outcome.format(expired=expired, early=early)
        if certificate == "soon":
            assert tried.warning.startswith("certificate expires in 3 days, on ")
        assert Tried(GrpcCheck(address=HERE, port=port, tls=Tls(verify=False))).said == "ok serving"


def test_a_client_certificate(files: Certificates) -> None:
    def said(certificate: Path | None) -> str:
        tls = Tls(ca_file=str(files.ca), certificate=None if certificate is None else str(certificate))
        return Tried(GrpcCheck(address=HERE, port=port, tls=tls)).said

    with grpc_server(files.good, files.ca) as port:
        assert said(files.client) == "ok serving"
        # grpcio closes without an alert
        for refused in (None, files.stranger):
            assert said(refused) in ("down closed without an answer", "down connection reset")


def test_a_local_trouble_proves_nothing(by_tls: int) -> None:
    check = GrpcCheck(address=HERE, port=by_tls, tls=Tls(ca_file="/nowhere/ca.pem"))
    assert Tried(check).said.startswith("here ca_file /nowhere/ca.pem: no such file or directory; ")
