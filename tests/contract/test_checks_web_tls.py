"""Checks of TLS against nginx and OpenSSL with certificates of every kind; each outcome in words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from health_prober.tls import context_for
from tests.support.web_attempts import Tried
from tests.support.web_certificates import NAME, Certificates
from tests.support.web_servers import Nginx, free_ports, openssl_server
from vipbus.contracts import HttpCheck, HttpRequest, Tls, TlsCheck

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), files) as server:
        yield server


def tls_of(files: Certificates, words: str) -> Tls:
    """Make the settings from words: what they mean is the table of `SETTINGS`."""
    made: dict[str, object] = {"ca_file": str(files.ca)}
    for word in words.split():
        made |= {
            "trusting": {},
            "blind": {"verify": False, "ca_file": "/nowhere/never-read.pem"},
            "named": {"server_name": NAME},
            "misnamed": {"server_name": "nobody.example"},
            "self": {"ca_file": str(files.self_signed)},
            "leaf": {"ca_file": str(files.good)},
            "system": {"ca_file": None},
            "client": {"certificate": str(files.client)},
            "stranger": {"certificate": str(files.stranger)},
            "unwarned": {"warn_before": 0.0},
            "early-warned": {"warn_before": 1000 * 365 * 24 * 3600.0},
        }[word]
    return Tls(**made)  # type: ignore[arg-type]


CASES = [
    # port, settings, outcome, warning
    ("tls", "trusting", "ok", ""),
    ("tls", "named", "ok", ""),
    ("tls12", "trusting", "ok", ""),
    ("tls", "blind", "ok", ""),
    ("tls", "leaf", "ok", ""),
    ("tls", "misnamed", "down certificate is for web.example, 127.0.0.1, not nobody.example", ""),
    ("tls", "system", "down certificate is signed by an unknown authority (trustme v{trustme})", ""),
    ("expired", "trusting", "down certificate expired on {expired}", ""),
    ("expired", "blind", "ok", "certificate expired on {expired}"),
    ("expired", "blind unwarned", "ok", ""),
    ("early", "trusting", "down certificate is not valid until {early}", ""),
    ("soon", "trusting", "ok", "certificate expires in 3 days, on {soon}"),
    ("soon", "blind", "ok", "certificate expires in 3 days, on {soon}"),
    ("soon", "trusting unwarned", "ok", ""),
    ("other_name", "trusting", "down certificate is for lb.example, www.lb.example, not 127.0.0.1", ""),
    ("other_name", "named", "down certificate is for lb.example, www.lb.example, not web.example", ""),
    ("other_name", "blind", "ok", ""),
    ("unknown", "trusting", "down certificate is signed by an unknown authority (trustme v{trustme})", ""),
    ("self_signed", "trusting", "down certificate is signed by an unknown authority (self-signed)", ""),
    ("self_signed", "blind", "ok", ""),
    ("plain", "trusting", "down no TLS: the server answered with plain text (HTTP/1.1 400 Bad Request)", ""),
    ("h2", "trusting", "down no TLS: the server answered with something else", ""),
    ("closed", "trusting", "down connection refused", ""),
]


@pytest.mark.parametrize(("port", "settings", "outcome", "warning"), CASES)
def test_a_handshake(
    nginx: Nginx, files: Certificates, *, port: str, settings: str, outcome: str, warning: str
) -> None:
    number = free_ports(1)[0] if port == "closed" else nginx.ports[port]
    tried = Tried(TlsCheck(address=HERE, port=number, tls=tls_of(files, settings), timeout=5))
    words = {
        "expired": f"{files.now - timedelta(days=2):%Y-%m-%d}",
        "early": f"{files.now + timedelta(days=2):%Y-%m-%d}",
        "soon": f"{files.now + timedelta(days=3, hours=1):%Y-%m-%d}",
        "trustme": trustme.__version__,
    }
    assert tried.said == outcome.format(**words)
    if outcome == "ok":
        assert tried.warning == warning.format(**words)
        version = "TLSv1.3" if port == "tls" else "TLSv1.2"
        connected, shaken, accepted = tried.steps
        assert (connected, accepted) == ("connected", "accepted by the server")
        assert shaken.startswith(version)
    else:
        assert tried.steps == ([] if port == "closed" else ["connected"])


def test_a_warning_comes_as_early_as_is_wished(nginx: Nginx, files: Certificates) -> None:
    tls = tls_of(files, "early-warned")
    assert Tried(TlsCheck(address=HERE, port=nginx.tls, tls=tls)).warning.startswith(
        "certificate expires in "
    )
    request = HttpRequest(path="/hello")
    over_https = Tried(
        HttpCheck(address=HERE, port=nginx.soon, tls=tls_of(files, "trusting"), requests=(request,))
    )
    assert over_https.said == "ok status 200"
    assert over_https.warning.startswith("certificate expires in 3 days, on ")


NO_CIPHER = "down handshake failed: no cipher in common, or no client certificate"
CLIENT_CASES = [
    ("-tls1_3", "client", "ok"),
    ("-tls1_3", "trusting", "down the server wants a client certificate"),
    ("-tls1_3", "stranger", "down the server refuses our certificate (unknown authority)"),
    ("-tls1_2", "client", "ok"),
    ("-tls1_2", "trusting", NO_CIPHER),
    ("-tls1_2", "stranger", "down the server refuses our certificate (unknown authority)"),
]


def wanting(files: Certificates) -> tuple[str, ...]:
    """The options of a server that wants a client's certificate."""
    return ("-Verify", "2", "-CAfile", str(files.ca), "-verify_return_error")


@pytest.mark.parametrize(("version", "settings", "outcome"), CLIENT_CASES)
def test_a_client_certificate(files: Certificates, version: str, settings: str, outcome: str) -> None:
    with openssl_server(files.good, version, *wanting(files)) as port:
        assert Tried(TlsCheck(address=HERE, port=port, tls=tls_of(files, settings))).said == outcome


HANDSHAKE_CASES = [
    (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "down handshake failed: no protocol version in common"),
    (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-no_ticket"), "ok"),
    (
        ("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"),
        NO_CIPHER,
    ),
    (("-tls1_3", "-num_tickets", "0"), "ok"),
]


@pytest.mark.parametrize(("options", "outcome"), HANDSHAKE_CASES)
def test_what_is_in_common(files: Certificates, options: tuple[str, ...], outcome: str) -> None:
    with openssl_server(files.good, *options) as port:
        assert Tried(TlsCheck(address=HERE, port=port, tls=tls_of(files, "trusting"))).said == outcome


def test_a_server_name_is_sent_and_an_address_is_not(nginx: Nginx, files: Certificates) -> None:
    def said(settings: str, regex: str) -> str:
        request = HttpRequest(path="/name", regex=regex)
        return Tried(
            HttpCheck(address=HERE, port=nginx.tls, tls=tls_of(files, settings), requests=(request,))
        ).said

    assert said("named", "^web.example\n$") == "ok status 200"
    assert said("trusting", "^\n$") == "ok status 200"
    assert said("blind", "^\n$") == "ok status 200"


def test_an_address_of_the_other_family(files: Certificates) -> None:
    with openssl_server(files.good, here="[::1]") as port:
        check = TlsCheck(address="::1", port=port, tls=tls_of(files, "trusting"))
        assert Tried(check).said == "down certificate is for web.example, 127.0.0.1, not ::1"
        assert Tried(TlsCheck(address="::1", port=port, tls=tls_of(files, "named"))).said == "ok"


# ---- what is wrong here is nobody else's fault


def encrypted(directory: Path, source: Path) -> str:
    out = directory / "encrypted.pem"
    subprocess.run(
        ["openssl", "pkey", "-aes128", "-passout", "pass:secret", "-in", str(source), "-out", str(out)],
        check=True,
    )
    return str(out)


def test_a_local_trouble_proves_nothing(nginx: Nginx, files: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("this is no certificate\n")
    missing = "put it there, or change where it is looked for"
    client = str(files.client)
    cases = [
        (Tls(ca_file="/nowhere/ca.pem"), f"ca_file /nowhere/ca.pem: no such file or directory; {missing}"),
        (Tls(ca_file=str(tmp_path)), f"ca_file {tmp_path}: is a directory; {missing}"),
        (Tls(ca_file=str(text)), f"ca_file {text}: not in PEM form; give one that is"),
        (
            Tls(certificate="/nowhere/c.pem"),
            f"certificate /nowhere/c.pem: no such file or directory; {missing}",
        ),
        (
            Tls(certificate=client, key="/nowhere/k.pem"),
            f"key /nowhere/k.pem: no such file or directory; {missing}",
        ),
        (
            Tls(certificate=str(text)),
            f"certificate and key {text}, {text}: not in PEM form; give one that is",
        ),
        (
            Tls(certificate=client, key=str(files.stranger)),
            f"key {files.stranger} does not belong to certificate {client}; give the right one",
        ),
        (
            Tls(certificate=client, key=(locked := encrypted(tmp_path, files.client))),
            f"key {locked} has a passphrase; give one without",
        ),
        (
            Tls(server_name="a" * 70 + ".example"),
            f"server_name '{'a' * 70}.example' is no host name; mend it",
        ),
        (Tls(server_name=".example"), "server_name '.example' is no host name; mend it"),
        (Tls(server_name="a..example"), "server_name 'a..example' is no host name; mend it"),
        (Tls(server_name=""), "server_name '' is no host name; mend it"),
    ]
    for tls, trouble in cases:
        tried = Tried(TlsCheck(address=HERE, port=nginx.tls, tls=tls))
        assert tried.said == f"here {trouble}"
        assert tried.steps == []


def test_a_context_is_made_again_when_a_file_changes(tmp_path: Path) -> None:
    files = Certificates(tmp_path)
    tls = Tls(ca_file=str(files.ca), certificate=str(files.client))
    first = context_for(tls)
    assert context_for(tls) is first
    assert context_for(Tls(ca_file=tls.ca_file, certificate=tls.certificate, server_name=NAME)) is first
    assert context_for(tls, ("h2",)) is not first
    os.utime(files.client, ns=(1, 1))
    assert context_for(tls) is not first


def test_a_rotated_client_certificate_is_read_again(tmp_path: Path) -> None:
    files = Certificates(tmp_path)
    tls = tls_of(files, "client")
    with openssl_server(files.good, "-tls1_3", *wanting(files)) as port:
        check = TlsCheck(address=HERE, port=port, tls=tls)
        assert Tried(check).said == "ok"
        files.client.write_bytes(files.stranger.read_bytes())
        assert Tried(check).said == "down the server refuses our certificate (unknown authority)"
