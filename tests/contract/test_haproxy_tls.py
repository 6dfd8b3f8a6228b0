"""TLS on both sides of a real haproxy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.nats import free_port
from tests.support.proxy_direct import ask, one_pool
from tests.support.proxy_echo import Echo, echoes
from vipbus.contracts import BindTls, Hsts, PoolTls, ProxyBind, ProxyRoute, Redirect

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


def put(path: Path, *names: str, authority: trustme.CA = AUTHORITY) -> Path:
    """Issue a certificate into a file."""
    path.write_bytes(authority.issue_cert(*names).private_key_and_cert_chain_pem.bytes())
    return path


def client(authority: trustme.CA = AUTHORITY, certificate: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


@pytest.fixture
def servers() -> Iterator[list[Echo]]:
    with echoes(1) as made:
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "certificates"
    made.mkdir()
    put(made / "a.pem", "a.example")
    put(made / "b.pem", "b.example", "*.b.example")
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


def bind(port: int, directory: Path, **changes: Any) -> tuple[ProxyBind, ...]:
    tls = BindTls(certificates=str(directory), **changes)
    return (ProxyBind(address="127.0.0.1", port=port, tls=tls),)


def names(port: int, name: str, context: ssl.SSLContext | None = None) -> set[str]:
    """The names in the certificate that somebody gets who asks for one; empty: none."""
    context = context or client()
    context.check_hostname = False
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain, server_hostname=name) as made,
        ):
            found = made.getpeercert() or {}
            return {each[1] for each in found["subjectAltName"]}  # type: ignore[misc]
    except OSError:
        return set()


@pytest.mark.parametrize(
    ("asked", "strict", "expected"),
    [
        ("a.example", False, {"a.example"}),
        ("b.example", False, {"b.example", "*.b.example"}),
        ("deep.b.example", False, {"b.example", "*.b.example"}),
        ("other.example", False, {"a.example"}),
        ("other.example", True, set()),
        ("b.example", True, {"b.example", "*.b.example"}),
    ],
)
def test_who_asks_for_a_name_has_its_certificate(
    servers: list[Echo], directory: Path, asked: str, strict: bool, expected: set[str]
) -> None:
    port = free_port()
    with one_pool(servers, front={"bind": bind(port, directory, strict_sni=strict)}):
        assert names(port, asked) == expected


def test_one_file_is_enough_and_the_pool_hears_of_tls(servers: list[Echo], directory: Path) -> None:
    port = free_port()
    with one_pool(servers, front={"bind": bind(port, directory / "a.pem")}):
        seen = ask(port, tls=client(), name="a.example")
    assert (seen.status, seen.headers["x-forwarded-proto"]) == (200, "https")


@pytest.mark.parametrize(("minimum", "status"), [("1.2", 200), ("1.3", 0)])
def test_a_minimum_of_versions(servers: list[Echo], directory: Path, minimum: str, status: int) -> None:
    port = free_port()
    old = client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with one_pool(servers, front={"bind": bind(port, directory, minimum=minimum)}):
        assert ask(port, tls=old, name="a.example").status == status
        assert ask(port, tls=client(), name="a.example").status == 200


@pytest.mark.parametrize(("http2", "chosen"), [(True, "h2"), (False, "http/1.1")])
def test_http2_is_agreed_on_and_spoken(
    servers: list[Echo], directory: Path, http2: bool, chosen: str
) -> None:
    port = free_port()
    context = client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        one_pool(servers, front={"bind": bind(port, directory, http2=http2)}),
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="a.example") as made,
    ):
        assert made.selected_alpn_protocol() == chosen
        if http2:  # RFC 9113, 3.4: each side begins with its settings, a frame of type 4
            made.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            assert made.recv(9)[3] == 4


def test_who_comes_without_tls_is_sent_to_its_port(servers: list[Echo], directory: Path) -> None:
    plain, port = free_port(), free_port()
    binds = (ProxyBind(address="127.0.0.1", port=plain), *bind(port, directory))
    moved = ProxyRoute(path=("/moved",), redirect=Redirect(to="/new"))
    front = {
        "bind": binds,
        "redirect_https": port,
        "hsts": Hsts(max_age=60, subdomains=True),
        "route": (moved,),
    }
    with one_pool(servers, front=front):
        seen = ask(plain, "/a?b=c", Host=f"a.example:{plain}")
        assert (seen.status, seen.answer["location"]) == (308, f"https://a.example:{port}/a?b=c")
        assert "strict-transport-security" not in seen.answer
        for path, status in (("/", 200), ("/moved", 302)):
            seen = ask(port, path, tls=client(), name="a.example")
            assert seen.status == status
            assert seen.answer["strict-transport-security"] == "max-age=60; includeSubDomains"


@pytest.mark.parametrize("optional", [False, True])
def test_clients_show_a_certificate_of_the_authority(
    servers: list[Echo], directory: Path, tmp_path: Path, optional: bool
) -> None:
    port = free_port()
    mine = put(tmp_path / "me.pem", "me@client.example")
    stranger = put(tmp_path / "stranger.pem", "me@client.example", authority=STRANGER)
    changes = {"client_ca": str(tmp_path / "ca.pem"), "client_optional": optional}
    with one_pool(servers, front={"bind": bind(port, directory, **changes)}):
        seen = ask(port, tls=client(certificate=mine), name="a.example", X_SSL_Client_DN="theirs")
        assert seen.status == 200
        assert seen.headers["x-ssl-client-verify"] == "0"
        assert "O=trustme" in seen.headers["x-ssl-client-dn"]
        assert ask(port, tls=client(certificate=stranger), name="a.example").status == 0
        seen = ask(port, tls=client(), name="a.example", X_SSL_Client_DN="theirs", X_SSL_Client_Verify="0")
        assert seen.status == (200 if optional else 0)
        assert not {"x-ssl-client-dn", "x-ssl-client-verify"} & seen.headers.keys()


@pytest.mark.parametrize(
    ("tls", "issuer", "status"),
    [
        ({"name": "pool.example"}, AUTHORITY, 200),
        ({"name": "other.example"}, AUTHORITY, 503),
        ({"name": "pool.example"}, STRANGER, 503),
        ({"verify": False}, STRANGER, 200),
    ],
)
def test_members_are_verified(tmp_path: Path, tls: dict[str, Any], issuer: trustme.CA, status: int) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issuer.issue_cert("pool.example").configure_cert(context)
    ca = {} if "verify" in tls else {"ca": str(tmp_path / "ca.pem")}
    with (
        echoes(1, context) as servers,
        one_pool(servers, tls=PoolTls(**tls, **ca), retries=0) as (_, port),
    ):
        assert ask(port).status == status


def test_members_are_shown_a_certificate(directory: Path, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("pool.example").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    shown = PoolTls(name="pool.example", ca=str(tmp_path / "ca.pem"), certificate=str(directory / "a.pem"))
    hidden = PoolTls(name="pool.example", ca=str(tmp_path / "ca.pem"))
    with echoes(1, context) as servers:
        # a refusal comes after the handshake (RFC 8446, 4.4.2.4): before the request has gone out, or after
        for tls, statuses in ((shown, {200}), (hidden, {502, 503})):
            with one_pool(servers, tls=tls, retries=0) as (_, port):
                assert ask(port).status in statuses
