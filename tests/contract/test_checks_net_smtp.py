"""Checks of mail servers: Exim, aiosmtpd, and servers that do what no mail server should."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.leaks import leave_nothing
from tests.support.net_servers import Connection, exim, tcp_server
from tests.support.web_attempts import Tried
from tests.support.web_certificates import NAME, Certificates
from tests.support.web_servers import free_ports
from vipbus.contracts import SmtpCheck, Tls

HERE = "127.0.0.1"
SHORT = 0.3
"""Seconds for attempts that must run out of time."""
SLACK = 5.0
"""Seconds that a busy machine may take longer."""
CLOSED = 9
"""A port where nobody listens, out of the range that the kernel takes for us."""
TIMED_OUT = f"down timed out after {SHORT:g} s"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def check(port: int, security: str = "none", tls: Tls | None = None, **more: object) -> SmtpCheck:
    return SmtpCheck(address=HERE, port=port, security=security, tls=tls or Tls(), **more)  # type: ignore[arg-type]


# ---- real servers


@pytest.fixture(scope="module")
def mta(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[tuple[int, int]]:
    with exim(tmp_path_factory.mktemp("exim"), files.good) as ports:
        yield ports


GREETING = "220 mail.example ESMTP"
HELLO = "EHLO: 250 mail.example Hello prober.example [127.0.0.1]"
BYE = "QUIT: 221 mail.example closing connection"


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_exim(mta: tuple[int, int], files: Certificates, security: str) -> None:
    port = mta[1] if security == "tls" else mta[0]
    tried = Tried(check(port, security, Tls(ca_file=str(files.ca)), helo_name="prober.example"))
    assert tried.said == f"ok {GREETING}"
    assert tried.warning == ""
    shaken = "TLSv1.3, TLS_AES_256_GCM_SHA384"
    assert (
        tried.steps
        == {
            "none": ["connected", GREETING, HELLO, BYE],
            "starttls": ["connected", GREETING, HELLO, shaken, HELLO, BYE],
            "tls": ["connected", shaken, GREETING, HELLO, BYE],
        }[security]
    )


CLIENTS = [
    ("client", f"ok {GREETING}"),
    ("", "down the server wants a client certificate"),
    ("stranger", "down the server refuses our certificate (bad certificate)"),
]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_client_certificate(tmp_path: Path, files: Certificates, security: str) -> None:
    with exim(tmp_path, files.good, files.ca) as (plain, encrypted):
        for name, outcome in CLIENTS:
            own = str(getattr(files, name)) if name else None
            tls = Tls(ca_file=str(files.ca), certificate=own)
            assert Tried(check(encrypted if security == "tls" else plain, security, tls)).said == outcome


class Taken:
    """What aiosmtpd was told."""

    def __init__(self) -> None:
        self.hellos: list[tuple[str, str, bool]] = []

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.hellos.append(("EHLO", hostname, session.ssl is not None))
        return responses


@contextlib.contextmanager
def aiosmtpd(
    starttls: Path | None = None,
    tls: Path | None = None,
    taken: Taken | None = None,
) -> Iterator[int]:
    """Run aiosmtpd with a certificate for STARTTLS, or for TLS from the start; its port."""
    file = starttls or tls
    context = None
    if file is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
    how = {"tls_context": context} if starttls else {}
    controller = Controller(
        taken or Taken(),
        HERE,
        free_ports(1)[0],
        ssl_context=context if tls else None,
        server_hostname="aio.example",
        **how,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.mark.parametrize("security", ["none", "starttls"])
@pytest.mark.parametrize("name", ["", "a.example"])
def test_the_name_that_is_said(files: Certificates, security: str, name: str) -> None:
    taken = Taken()
    with aiosmtpd(starttls=files.good, taken=taken) as port:
        tried = Tried(check(port, security, Tls(ca_file=str(files.ca)), helo_name=name))
    assert tried.said.startswith("ok 220 aio.example Python SMTP")
    said = name or os.uname().nodename
    again = [("EHLO", said, True)] if security == "starttls" else []
    assert taken.hellos == [("EHLO", said, False), *again]


UNKNOWN = "down certificate is signed by an unknown authority"
CERTIFICATES = [
    # certificate, settings, outcome, warning
    ("good", {}, "ok", ""),
    ("good", {"server_name": NAME}, "ok", ""),
    ("good", {"server_name": "nobody.example"}, "down certificate is for {names}, not nobody.example", ""),
    (
        "good",
        {"ca_file": None},
        f"{UNKNOWN} (trustme v{trustme.__version__})",
        "",
    ),
    ("expired", {}, "down certificate expired on {expired}", ""),
    ("expired", {"verify": False}, "ok", "certificate expired on {expired}"),
    ("early", {}, "down certificate is not valid until {early}", ""),
    ("soon", {}, "ok", "certificate expires in 3 days, on {soon}"),
    ("soon", {"warn_before": 0.0}, "ok", ""),
    ("other_name", {}, "down certificate is for lb.example, www.lb.example, not 127.0.0.1", ""),
    ("self_signed", {}, f"{UNKNOWN} (self-signed)", ""),
    ("self_signed", {"verify": False}, "ok", ""),
]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(("name", "settings", "outcome", "warning"), CERTIFICATES)
def test_a_certificate(
    files: Certificates, *, security: str, name: str, settings: dict[str, object], outcome: str, warning: str
) -> None:
    tls = Tls(**{"ca_file": str(files.ca), **settings})  # type: ignore[arg-type]
    with aiosmtpd(**{security: getattr(files, name)}) as port:
        tried = Tried(check(port, security, tls))
    words = {
        "names": "web.example, 127.0.0.1",
        "expired": f"{files.now - timedelta(days=2):%Y-%m-%d}",
        "early": f"{files.now + timedelta(days=2):%Y-%m-%d}",
        "soon": f"{files.now + timedelta(days=3, hours=1):%Y-%m-%d}",
    }
    if outcome == "ok":
        assert tried.said.startswith("ok 220 aio.example")
        assert tried.warning == warning.format(**words)
    else:
        assert tried.said == outcome.format(**words)


def test_the_wrong_kind_of_tls(mta: tuple[int, int], files: Certificates) -> None:
    tls = Tls(ca_file=str(files.ca))
    assert Tried(check(mta[0], "tls", tls)).said == "down no TLS: the server answered with something else"
    with aiosmtpd() as port:
        tried = Tried(check(port, "starttls", tls))
        assert tried.said == "down no STARTTLS offered"
        assert len(tried.steps) == 3
    with aiosmtpd(tls=files.good) as port:
        silent = Tried(check(port, "none", timeout=SHORT))
        assert silent.said == f"{TIMED_OUT} (waiting for the greeting)"


def test_what_is_wrong_here() -> None:
    name = check(CLOSED, helo_name="a\tb")
    assert Tried(name).said == "here helo_name 'a\\tb': no name of a host; mend it"
    missing = check(CLOSED, "tls", Tls(ca_file="/nowhere/ca.pem"))
    assert Tried(missing).said.startswith("here ca_file /nowhere/ca.pem: no such file or directory")


# ---- servers of a script

Line = bytes | Callable[[Connection], object]
QUIET = b""
"""Nothing is said until the client is gone."""


def script(*lines: Line, heard: list[bytes] | None = None) -> Callable[[Connection], None]:
    """Say a line, hear a command, and so on; then close."""

    def serve(client: Connection) -> None:
        for line in lines:
            if line == QUIET:
                client.rest()
            elif isinstance(line, bytes):
                client.say(line + b"\r\n")
            else:
                line(client)
            said = client.hear()
            if heard is not None:
                heard.append(said)
            if not said:
                return

    return serve


def closing(_: Connection) -> None:
    raise OSError


def hanging_up(client: Connection) -> None:
    client.hear()  # what is left unread would make a reset of it
    raise OSError


def resetting(client: Connection) -> None:
    client.reset()
    raise OSError


def endless_line(client: Connection) -> None:
    client.for_ever(b"220 " + b"x" * 65536)


def endless_lines(client: Connection) -> None:
    client.for_ever(b"250-x\r\n")


def endless_greetings(client: Connection) -> None:
    client.for_ever(b"220 x\r\n" * 1000)


def by_octets(line: bytes) -> Line:
    return lambda client: client.trickle(line + b"\r\n")


READY, HI, DONE = b"220 ready", b"250 hi", b"221 bye"
OK = "ok 220 ready"
SCRIPTS: list[tuple[tuple[Line, ...], str]] = [
    ((READY, HI, DONE), OK),
    ((b"220-ready\r\n220-or\r\n220 not", b"250-hi\r\n250 SIZE 1", DONE), OK),
    ((b"220", b"250", b"221"), "ok 220"),
    ((b"220 \xff\x1b[31m\xc3\xa9", HI, DONE), "ok 220 \ufffd\ufffd[31m\xe9"),
    ((b"220 " + b"long " * 40, HI, DONE), "ok 220 " + "long " * 14 + "lon..."),
    ((by_octets(READY), by_octets(b"250-hi\r\n250 SIZE"), by_octets(DONE)), OK),
    ((READY, b"500 what", HI, DONE), OK),
    ((READY, b"502 what", HI, DONE), OK),
    ((READY, b"550 what", b"550 who", DONE), "down HELO 550 who"),
    ((READY, b"450 later"), "down EHLO 450 later"),
    ((READY, b"354 go on"), "down EHLO 354 go on"),
    ((READY, HI, b"500 what"), OK),
    ((b"554 no service",), "down greeting 554 no service"),
    ((b"421-busy\r\n421 go away",), "down greeting 421 busy"),
    ((b"250 hi",), "down greeting 250 hi"),
    ((b"HTTP/1.1 400 Bad Request",), "down no SMTP: HTTP/1.1 400 Bad Request"),
    ((b"\x00\xff\x1b\x07" * 40,), "down no SMTP: "),
    ((b"SSH-2.0-" + b"x" * 200,), f"down no SMTP: SSH-2.0-{'x' * 69}..."),
    ((b"220 " + b"x" * 9000,), "down no SMTP: response too long"),
    ((READY, b"nonsense"), "down no SMTP: nonsense"),
    ((QUIET,), f"{TIMED_OUT} (waiting for the greeting)"),
    ((READY, QUIET), f"{TIMED_OUT} (waiting for the answer to EHLO)"),
    ((READY, b"500 what", QUIET), f"{TIMED_OUT} (waiting for the answer to HELO)"),
    ((READY, HI, QUIET), f"{TIMED_OUT} (waiting for the answer to QUIT)"),
    ((b"220-more", QUIET), f"{TIMED_OUT} (waiting for the greeting)"),
    ((closing,), "down connection closed (waiting for the greeting)"),
    ((READY, closing), "down connection closed (waiting for the answer to EHLO)"),
    ((READY, HI, closing), "down connection closed (waiting for the answer to QUIT)"),
    ((resetting,), "down connection reset"),
    ((READY, resetting), "down connection reset"),
    ((endless_line,), "down no SMTP: response too long"),
    ((endless_greetings,), "down endless reply: more than 500 lines"),
    ((READY, endless_lines), "down endless reply: more than 500 lines"),
]


@pytest.mark.parametrize(("lines", "outcome"), SCRIPTS)
def test_a_server_that_says(lines: tuple[Line, ...], outcome: str) -> None:
    runs_out = outcome.startswith(TIMED_OUT)
    with tcp_server(script(*lines)) as port:
        tried = Tried(check(port, timeout=SHORT if runs_out else 5.0))
    if outcome == "down no SMTP: ":
        assert tried.said.startswith(outcome)
        assert tried.said.isprintable()
    else:
        assert tried.said == outcome
    assert len(tried.said) < 120
    assert tried.took < (SHORT if runs_out else 0) + SLACK


def test_helo_comes_after_ehlo_alone() -> None:
    heard: list[bytes] = []
    with tcp_server(script(READY, b"500 what", HI, DONE, heard=heard)) as port:
        assert Tried(check(port, helo_name="a.example")).said == OK
    assert heard[:3] == [b"EHLO a.example\r\n", b"HELO a.example\r\n", b"QUIT\r\n"]


def test_nobody_there() -> None:
    assert Tried(check(CLOSED)).said == "down connection refused"


OFFER = b"250-hi\r\n250 STARTTLS"
STARTTLS_SCRIPTS: list[tuple[tuple[Line, ...], str]] = [
    ((READY, HI), "down no STARTTLS offered"),
    ((READY, b"250 STARTTLS"), "down no STARTTLS offered"),  # the name of the server
    ((READY, b"500 what", HI), "down no STARTTLS offered"),
    ((READY, OFFER, b"454 not now"), "down STARTTLS 454 not now"),
    ((READY, OFFER, b"nonsense"), "down no SMTP: nonsense"),
    ((READY, OFFER, QUIET), f"{TIMED_OUT} (waiting for STARTTLS)"),
    ((READY, OFFER, b"220 go", QUIET), f"{TIMED_OUT} (waiting for STARTTLS)"),
    ((READY, OFFER, b"220 go", b"250 in the clear"), "down no TLS: the server answered with something else"),
    ((READY, OFFER, b"220 go", closing), "down connection closed (waiting for STARTTLS)"),
    ((READY, OFFER, closing), "down connection closed (waiting for STARTTLS)"),
    ((READY, OFFER, b"220 go", resetting), "down connection reset"),
    ((READY, OFFER, b"220 go", endless_lines), "down no TLS: the server answered with something else"),
    ((READY, b"250-hi\r\n250-starttls\r\n250 SIZE", b"454 not now"), "down STARTTLS 454 not now"),
]


@pytest.mark.parametrize(("lines", "outcome"), STARTTLS_SCRIPTS)
def test_a_server_that_should_say_starttls(lines: tuple[Line, ...], outcome: str) -> None:
    runs_out = outcome.startswith(TIMED_OUT)
    with tcp_server(script(*lines)) as port:
        tried = Tried(check(port, "starttls", timeout=SHORT if runs_out else 5.0))
    assert tried.said == outcome
    assert tried.took < (SHORT if runs_out else 0) + SLACK


TLS_SCRIPTS: list[tuple[tuple[Line, ...], str]] = [
    ((QUIET,), f"{TIMED_OUT} (waiting for the TLS handshake)"),
    ((READY,), "down no TLS: the server answered with something else"),
    ((hanging_up,), "down connection closed in the TLS handshake"),
    ((resetting,), "down connection reset"),
    ((endless_line,), "down no TLS: the server answered with something else"),
    # requests for another hello, which mean nothing so early
    (
        (lambda client: client.for_ever(b"\x16\x03\x03\x40\x00" + b"\0" * 0x4000),),
        f"{TIMED_OUT} (waiting for the TLS handshake)",
    ),
]


@pytest.mark.parametrize(("lines", "outcome"), TLS_SCRIPTS)
def test_a_server_that_should_speak_tls(lines: tuple[Line, ...], outcome: str) -> None:
    runs_out = outcome.startswith(TIMED_OUT)
    with tcp_server(script(*lines)) as port:
        tried = Tried(check(port, "tls", timeout=SHORT if runs_out else 5.0))
    assert tried.said.startswith(outcome) if outcome.endswith(": ") else tried.said == outcome
    assert tried.took < (SHORT if runs_out else 0) + SLACK


def test_what_was_said_before_tls_does_not_count(files: Certificates) -> None:
    """A reply that somebody on the way puts behind the answer to STARTTLS (RFC 3207, section 4.2)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.good)

    def serve(client: Connection) -> None:
        client.say(READY + b"\r\n")
        client.hear()
        client.say(OFFER + b"\r\n")
        client.hear()
        client.say(b"220 go\r\n250 injected\r\n")
        with context.wrap_socket(client.socket, server_side=True) as wrapped:
            wrapped.recv(1000)
            wrapped.sendall(b"421 from within\r\n")
            wrapped.recv(1000)

    with tcp_server(serve) as port:
        said = Tried(check(port, "starttls", Tls(verify=False))).said
    assert said in ("down EHLO 421 from within", "down no TLS: the server answered with something else")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([READY, HI, OFFER, DONE, b"\r\n"]), max_size=5))
def test_no_octets_are_our_fault(lines: list[bytes]) -> None:
    with tcp_server(script(*(line or b"220" for line in lines))) as port:
        for security in ("none", "starttls", "tls"):
            tried = Tried(check(port, security, Tls(verify=False), timeout=0.1))
            assert tried.said.isprintable()
            assert len(tried.said) < 160
            assert tried.took < SLACK


def half_closing(client: Connection) -> None:
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()


HURRIED = 0.02
"""Seconds for attempts that run out of time, thousands of them."""


@pytest.mark.leaks
@pytest.mark.timeout(900)
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_thousands_of_rounds_leave_nothing_behind(
    mta: tuple[int, int], files: Certificates, rounds: int, security: str
) -> None:
    tls = Tls(ca_file=str(files.ca))
    with contextlib.ExitStack() as held:

        def by(*lines: Line, timeout: float = 60.0) -> SmtpCheck:
            return check(held.enter_context(tcp_server(script(*lines))), security, tls, timeout=timeout)

        def at(port: int, trusted: Tls = tls) -> SmtpCheck:
            return check(port, security, trusted, timeout=60.0)

        if security == "none":
            good = [at(mta[0]), by(by_octets(READY), HI, DONE), *[by(READY, HI, DONE)] * 8]
            bad = [at(CLOSED), by(QUIET, timeout=HURRIED), by(READY, QUIET, timeout=HURRIED), by(closing)]
            bad += [by(resetting), by(READY, resetting), by(READY, half_closing), by(READY, endless_lines)]
            bad += [by(endless_line), by(b"HTTP/1.1 400 Bad Request")]
        elif security == "starttls":
            good = [at(mta[0])] * 4
            expired = held.enter_context(aiosmtpd(starttls=files.expired))
            bad = [
                at(CLOSED),
                at(expired),
                *[at(mta[0], Tls())] * 2,
                by(QUIET, timeout=HURRIED),
                by(resetting),
            ]
            bad += [by(READY, OFFER, QUIET, timeout=HURRIED), by(READY, OFFER, b"454 not now"), by(READY, HI)]
            bad += [by(READY, OFFER, b"220 go", QUIET, timeout=HURRIED), by(READY, half_closing)]
            bad += [by(READY, OFFER, closing), by(READY, OFFER, b"220 go", closing)]
            bad += [by(READY, OFFER, b"220 go", b"250 in the clear"), by(READY, OFFER, b"220 go", resetting)]
            bad += [by(READY, OFFER, b"220 go", endless_lines)]
        else:
            good = [at(mta[1])] * 4
            expired = held.enter_context(aiosmtpd(tls=files.expired))
            bad = [at(CLOSED), at(expired), at(mta[1], Tls()), by(half_closing), by(READY), by(endless_line)]
            bad += [by(QUIET, timeout=HURRIED), by(hanging_up), by(resetting), at(mta[0])]
            bad += [
                by(lambda client: client.for_ever(b"\x16\x03\x03\x40\x00" + b"\0" * 0x4000), timeout=HURRIED)
            ]
            bad += [at(expired), by(hanging_up), by(resetting), by(QUIET, timeout=HURRIED), at(CLOSED)]
        assert len(good + bad) == 20
        outcomes = leave_nothing(good + bad, rounds)
    assert outcomes["ok"] == rounds * len(good) / 20
    assert outcomes["connection refused"] == rounds * bad.count(at(CLOSED)) / 20
    untrusted = f"{UNKNOWN[5:]} (trustme v{trustme.__version__})"
    assert outcomes[untrusted] == rounds * (bad.count(at(mta[0], Tls())) + bad.count(at(mta[1], Tls()))) / 20
