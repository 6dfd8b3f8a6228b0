"""Checks of HTTP/1.0, 1.1 and 2, in the clear and by TLS, against nginx; each outcome in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.web_attempts import Tried
from tests.support.web_certificates import NAME, Certificates
from tests.support.web_servers import BIG, CONTENT, Nginx, free_ports
from vipbus.contracts import Header, HttpCheck, HttpRequest, StatusRange, Tls

HERE = "127.0.0.1"
DIGEST = hashlib.md5(CONTENT.encode()).hexdigest()
ANY = (StatusRange(first=100, last=999),)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), files) as server:
        yield server


WAYS = ["1.0", "1.1", "2", "1.0 tls", "1.1 tls", "2 tls"]


def check_of(
    nginx: Nginx, files: Certificates, way: str, *requests: HttpRequest, **more: object
) -> HttpCheck:
    version, _, by_tls = way.partition(" ")
    port = nginx.tls if by_tls else nginx.h2 if version == "2" else nginx.plain
    tls = Tls(ca_file=str(files.ca), server_name=NAME) if by_tls else None
    return HttpCheck(
        address=HERE,
        port=port,
        version=version,
        tls=tls,
        requests=requests,
        timeout=5,
        **more,  # type: ignore[arg-type]
    )


def ranges(*pairs: tuple[int, int]) -> tuple[StatusRange, ...]:
    return tuple(StatusRange(first=first, last=last) for first, last in pairs)


CASES = [
    (HttpRequest(path="/hello"), "ok status 200"),
    (HttpRequest(path="/hello", method="HEAD"), "ok status 200"),
    (HttpRequest(path="/empty"), "ok status 204"),
    (HttpRequest(path="/nothing"), "down wrong status 404 (wanted 200-299)"),
    (HttpRequest(path="/broken"), "down wrong status 503 (wanted 200-299)"),
    (HttpRequest(path="/broken", status=ranges((200, 204), (503, 503))), "ok status 503"),
    (
        HttpRequest(path="/hello", status=ranges((500, 599), (404, 404))),
        "down wrong status 200 (wanted 500-599, 404)",
    ),
    (HttpRequest(path="/broken", status=()), "ok status 503"),
    (HttpRequest(path="/hello", digest=DIGEST), "ok status 200"),
    (HttpRequest(path="/hello", digest=DIGEST.upper()), "ok status 200"),
    (HttpRequest(path="/hello", digest="0" * 32), "down digest differs"),
    (HttpRequest(path="/big", digest=hashlib.md5(b"x" * BIG).hexdigest()), "down more than 1 MiB of content"),
    (HttpRequest(path="/big"), "ok status 200"),
    (HttpRequest(path="/hello", regex="w.rld"), "ok status 200"),
    (HttpRequest(path="/hello", regex="nginx"), "down regex 'nginx' does not match"),  # not in the header
    (HttpRequest(path="/hello", regex="HELLO", regex_options=("caseless",)), "ok status 200"),
    (HttpRequest(path="/hello", regex="hello", regex_no_match=True), "down regex 'hello' matches"),
    (HttpRequest(path="/hello", regex="goodbye", regex_no_match=True), "ok status 200"),
    (HttpRequest(path="/hello", regex="hello", regex_min_offset=1), "down regex 'hello' does not match"),
    (HttpRequest(path="/hello", regex="world", regex_min_offset=7, regex_max_offset=8), "ok status 200"),
    (HttpRequest(path="/hello", regex="world", regex_max_offset=7), "down regex 'world' does not match"),
    (HttpRequest(path="/hello", regex="("), "here regex '(': missing ) at position 1; mend it"),
    (HttpRequest(path="/moved"), "down wrong status 302 (wanted 200-299)"),
    (HttpRequest(path="/moved", status=ranges((302, 302))), "ok status 302"),
    (HttpRequest(path="/moved", redirects=1, digest=DIGEST), "ok status 200"),
    (HttpRequest(path="/moved-absolutely", redirects=1, digest=DIGEST), "ok status 200"),
    (HttpRequest(path="/moved-thrice", redirects=3, digest=DIGEST), "ok status 200"),
    (HttpRequest(path="/moved-thrice", redirects=2), "down wrong status 302 (wanted 200-299)"),
    (HttpRequest(path="/moved-for-ever", redirects=20), "down wrong status 302 (wanted 200-299)"),
    (HttpRequest(path="/moved-away", redirects=20), "down wrong status 302 (wanted 200-299)"),
    (HttpRequest(path="/method"), "down wrong status 405 (wanted 200-299)"),
    (HttpRequest(path="/method", method="POST", body="x=1"), "ok status 200"),
    (HttpRequest(path="/method", method="POST"), "ok status 200"),
    (HttpRequest(path="/hello", method="DELETE"), "down wrong status 405 (wanted 200-299)"),
    (HttpRequest(path="/taken", method="POST", body="y" * 900_000), "ok status 200"),
    (
        HttpRequest(path="/taken", method="POST", body="y" * 1_100_000),
        "down wrong status 413 (wanted 200-299)",
    ),
    (HttpRequest(path="/said", host="a.example", regex="^GET a.example  vipbus$"), "ok status 200"),
    (
        HttpRequest(
            path="/said?really",
            method="PUT",
            headers=(Header(name="X-Probe", value="me"), Header(name="User-Agent", value="mine")),
            regex="^PUT [^ ]+ me mine$",
        ),
        "ok status 200",
    ),
    (
        HttpRequest(
            path="/said", headers=(Header(name="Host", value="b.example:8"),), regex="^GET b.example:8 "
        ),
        "ok status 200",
    ),
    (
        HttpRequest(
            path="/hello", headers=(Header(name="Connection", value="keep-alive, x"),), digest=DIGEST
        ),
        "ok status 200",
    ),
    (HttpRequest(path="*", method="OPTIONS"), "down wrong status 400 (wanted 200-299)"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("request_", "outcome"), CASES)
def test_a_request(nginx: Nginx, files: Certificates, way: str, request_: HttpRequest, outcome: str) -> None:
    assert Tried(check_of(nginx, files, way, request_)).said == outcome


@pytest.mark.parametrize("way", WAYS)
def test_the_steps_tell_what_was_done(nginx: Nginx, files: Certificates, way: str) -> None:
    tried = Tried(check_of(nginx, files, way, HttpRequest(path="/moved?token=secret", redirects=1)))
    expected = [
        "connected",
        "TLSv1.3, TLS_AES_256_GCM_SHA384",
        "asking GET /moved",
        "status 302, 145 octets of content",
        "connected",
        "TLSv1.3, TLS_AES_256_GCM_SHA384",
        "asking GET /hello",
        "status 200, 13 octets of content",
    ]
    if "tls" not in way:
        expected = [step for step in expected if not step.startswith("TLS")]
    elif way.startswith("2"):
        expected = [f"{step}, h2" if step.startswith("TLS") else step for step in expected]
    assert tried.steps == expected
    assert tried.said == "ok status 200"


@pytest.mark.parametrize("way", WAYS)
def test_every_request_must_do(nginx: Nginx, files: Certificates, way: str) -> None:
    good, broken = HttpRequest(path="/hello"), HttpRequest(path="/broken?token=secret")
    empty = HttpRequest(path="/empty")
    assert Tried(check_of(nginx, files, way)).said.startswith("down wrong status 403")  # nothing at /
    assert Tried(check_of(nginx, files, way, good, empty)).said == "ok status 204"
    tried = Tried(check_of(nginx, files, way, good, broken, empty))
    assert tried.said == "down /broken: wrong status 503 (wanted 200-299)"
    assert [step for step in tried.steps if "asking" in step] == ["asking GET /hello", "asking GET /broken"]


def test_fast_recovery_asks_first_what_failed_last(nginx: Nginx, files: Certificates) -> None:
    requests = (HttpRequest(path="/hello"), HttpRequest(path="/broken"), HttpRequest(path="/empty"))

    def asked(*, fast: bool) -> list[str]:
        tried = Tried(check_of(nginx, files, "1.1", *requests, fast_recovery=fast))
        assert tried.said == "down /broken: wrong status 503 (wanted 200-299)"
        return [step.split()[-1] for step in tried.steps if "asking" in step]

    assert asked(fast=False) == ["/hello", "/broken"]
    assert asked(fast=False) == ["/hello", "/broken"]
    assert asked(fast=True) == ["/hello", "/broken"]
    assert asked(fast=True) == ["/broken"]


OTHER_CASES = [
    ("plain", "2", None, "down no HTTP/2: 'HTTP/1.1 400 Bad Request'"),
    (
        "h1_only",
        "2",
        Tls(verify=False),
        "down handshake failed: the server does not speak the protocol (ALPN)",
    ),
    ("h1_only", "1.1", Tls(verify=False), "ok status 200"),
    ("tls", "1.1", None, "down wrong status 400 (wanted 200-299)"),
    (
        "plain",
        "1.1",
        Tls(verify=False),
        "down no TLS: the server answered with plain text (HTTP/1.1 400 Bad Request)",
    ),
    ("client", "1.1", Tls(verify=False), "down wrong status 400 (wanted 200-299)"),  # nginx says it by HTTP
    ("client12", "2", Tls(verify=False), "down wrong status 400 (wanted 200-299)"),
    ("once", "2", None, "ok status 200"),  # a GOAWAY comes before the response
    ("closed", "1.1", None, "down connection refused"),
    ("closed", "2", Tls(), "down connection refused"),
]


@pytest.mark.parametrize(("port", "version", "tls", "outcome"), OTHER_CASES)
def test_a_server_that_is_another(
    nginx: Nginx, port: str, version: str, tls: Tls | None, outcome: str
) -> None:
    number = free_ports(1)[0] if port == "closed" else nginx.ports[port]
    check = HttpCheck(
        address=HERE,
        port=number,
        version=version,
        tls=tls,
        requests=(HttpRequest(path="/hello"),),  # type: ignore[arg-type]
    )
    assert Tried(check).said == outcome


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_certificate(nginx: Nginx, files: Certificates, version: str) -> None:
    for port in (nginx.client, nginx.client12):
        for certificate, outcome in (
            (files.client, "ok status 200"),
            (files.stranger, "down wrong status 400 (wanted 200-299)"),
        ):
            tls = Tls(ca_file=str(files.ca), certificate=str(certificate))
            request = HttpRequest(path="/client", regex="" if certificate is files.stranger else "SUCCESS")
            check = HttpCheck(address=HERE, port=port, version=version, tls=tls, requests=(request,))  # type: ignore[arg-type]
            assert Tried(check).said == outcome
