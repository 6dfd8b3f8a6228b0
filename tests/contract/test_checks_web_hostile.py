"""Servers that are slow, half-open, resetting, endless or send garbage: every check ends on time."""

from __future__ import annotations

import socket
import struct
import tracemalloc
from pathlib import Path
from random import Random

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from msgspec.structs import replace

from tests.support.web_attempts import Tried
from tests.support.web_certificates import Certificates
from tests.support.web_servers import openssl_server
from tests.support.web_servers_raw import (
    RawServer,
    Script,
    closing,
    endless,
    frames,
    half_closing,
    resetting,
    sending,
    slowly,
    until_gone,
)
from vipbus.contracts import Check, GrpcCheck, HttpCheck, HttpRequest, Tls, TlsCheck

HERE = "127.0.0.1"
TIMEOUT = 0.5
SLACK = 5.0
"""Seconds for a machine that is busy with other things."""
MOST_MEMORY = 32 << 20
"""Octets that an attempt may take at most: chunks of one octet make much of the 1 MiB that is kept."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def told(script: Script, check: Check, *, certificate: Path | None = None, within: float = TIMEOUT) -> str:
    """Try a check against a script; it must end on time, and the server must see the end of it."""
    tracemalloc.start()
    try:
        with RawServer(script, certificate) as server:
            tried = Tried(replace(check, port=server.port, timeout=within))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tried.took < within + SLACK
    assert peak < MOST_MEMORY
    cause = tried.said
    assert cause.isprintable()
    assert len(cause) < 200
    return cause


def longest(name: str) -> float:
    """Give the timeout: a flood must end by its size, and counting memory makes everything slow."""
    return 10.0 if name.startswith("endless") else TIMEOUT


def assert_is(cause: str, outcome: str) -> None:
    """Compare; a star at the end stands for anything, a bar is between two that may be."""
    for each in outcome.split("|"):
        if cause == each or (each.endswith("*") and cause.startswith(each[:-1])):
            return
    assert cause == outcome


# ---- HTTP/1

OK = b"HTTP/1.1 200 OK\r\n"
WAITING = f"down timed out after {TIMEOUT:g} s (waiting for the response)"
READING = f"down timed out after {TIMEOUT:g} s (reading the content)"

HTTP1_CASES: list[tuple[str, Script, str]] = [
    ("silent", until_gone, WAITING),
    ("closes", closing, "down closed before a response came|down connection reset"),
    ("half-open", half_closing, "down closed before a response came"),
    ("resets", resetting, "down connection reset"),
    ("closes when asked", sending(then=closing), "down closed before a response came"),
    ("closes in the header", sending(OK, then=closing), "down closed in the header"),
    (
        "closes in the content",
        sending(OK + b"Content-Length: 5\r\n\r\nabc", then=closing),
        "down closed in the content",
    ),
    (
        "closes in a chunk",
        sending(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", then=closing),
        "down closed in the content",
    ),
    ("closes after all", sending(OK + b"\r\nabc", then=closing), "ok status 200"),
    (
        "resets in the content",
        sending(OK + b"Content-Length: 5\r\n\r\nabc", then=resetting),
        "down connection reset",
    ),
    ("stops in the header", sending(OK + b"A: b\r\n"), WAITING),
    ("stops in the content", sending(OK + b"Content-Length: 5\r\n\r\nabc"), READING),
    ("no length and stays", sending(OK + b"\r\nabc"), READING),
    ("slow", slowly(OK + b"A: b\r\n\r\n"), WAITING),
    ("slow content", sending(OK + b"\r\n", then=slowly(b"a" * 99)), READING),
    ("endless content", endless(b"a", OK + b"\r\n"), "ok status 200"),
    ("endless chunks", endless(b"1\r\na\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"), "ok status 200"),
    ("endless chunk size", endless(b"0", OK + b"Transfer-Encoding: chunked\r\n\r\n"), "ok status 200"),
    ("endless header", endless(b"A: b\r\n", OK), "down more than 64 KiB of header"),
    ("endless header line", endless(b"a", OK + b"A: "), "down more than 64 KiB of header"),
    ("endless status line", endless(b"a", b"HTTP/1.1 200 "), "down more than 64 KiB of header"),
    ("endless interim", endless(b"HTTP/1.1 103 Early\r\n\r\n"), "down more than 64 KiB of header"),
    ("garbage", sending(b"\x80\x81\x1b[2J garbage\r\n\r\n"), "down no HTTP response: *"),
    ("endless garbage", endless(b"\xff\x00"), "down no HTTP response: *"),
    (
        "another protocol",
        sending(b"220 mx.example ESMTP\r\n"),
        "down no HTTP response: '220 mx.example ESMTP*",
    ),
    (
        "two lengths",
        sending(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "down no HTTP response: *",
    ),
    ("a length that is none", sending(OK + b"Content-Length: -1\r\n\r\n"), "down no HTTP response: *"),
    (
        "a length without end",
        sending(OK + b"Content-Length: " + b"9" * 99 + b"\r\n\r\n"),
        "down no HTTP response: *",
    ),
    ("status 0", sending(b"HTTP/1.1 000 Nothing\r\n\r\n"), "down *"),
]


@pytest.mark.parametrize("by_tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("case", HTTP1_CASES, ids=[case[0] for case in HTTP1_CASES])
def test_http1(files: Certificates, case: tuple[str, Script, str], *, by_tls: bool) -> None:
    name, script, outcome = case
    tls = Tls(ca_file=str(files.ca)) if by_tls else None
    check = HttpCheck(address=HERE, port=1, tls=tls)
    cause = told(script, check, certificate=files.good if by_tls else None, within=longest(name))
    assert_is(cause, outcome)


def test_a_regular_expression_that_would_take_for_ever() -> None:
    request = HttpRequest(regex="(a+)+$", status=())
    script = sending(OK + b"\r\n" + b"a" * 50 + b"b", then=closing)
    cause = told(script, HttpCheck(address=HERE, port=1, requests=(request,)))
    assert cause.startswith(("down timed out after 0.5 s", "down regex '(a+)+$' "))


def test_a_server_that_never_accepts() -> None:
    with socket.create_server((HERE, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((HERE, port)):  # fills the backlog
            tried = Tried(HttpCheck(address=HERE, port=port, timeout=TIMEOUT))
    assert tried.said == f"down timed out after {TIMEOUT:g} s (connecting)"
    assert tried.took < TIMEOUT + SLACK


# ---- HTTP/2 and gRPC, which is over it


def header(*fields: tuple[str, str]) -> bytes:
    octets: bytes = Encoder().encode(fields)
    return octets


def headers(
    *fields: tuple[str, str], flags: tuple[str, ...] = ("END_HEADERS",), stream: int = 1
) -> HeadersFrame:
    return HeadersFrame(stream, header(*fields), flags=flags)


STATUS = (":status", "200")
GRPC = (STATUS, ("content-type", "application/grpc"))
BEGUN = headers(*GRPC)
END = ("END_HEADERS", "END_STREAM")
PING = PingFrame(0, b"12345678").serialize()
CHANGE = SettingsFrame(0, {SettingsFrame.MAX_CONCURRENT_STREAMS: 5}).serialize()
WINDOW = WindowUpdateFrame(0, 1).serialize()
UNKNOWN = struct.pack(">I", 6)[1:] + b"\xee\0\0\0\0\0grease"
NOTHING = DataFrame(1, b"").serialize()
PADDED = DataFrame(1, b"", flags=("PADDED",), pad_length=250).serialize()
SMALL = DataFrame(1, b"a").serialize()
PUSH = PushPromiseFrame(1, 2, header((":method", "GET")), flags=("END_HEADERS",))
MORE = ContinuationFrame(1, b"").serialize()
BIG_FIELD = header(("x", "y" * 4000))
BOMB = BIG_FIELD + b"\xbe" * 12000
"""A field of 4 kB, and 12,000 octets that repeat it from the table: 48 MB (CVE-2016-6581)."""

CUT = "down closed before the response was complete"
MUTE = "down closed without an answer"
FLOOD = "down endless HTTP/2 frames|down broken HTTP/2 (Flow control window shrunk below 0)"
ENDLESS = "down endless HTTP/2 frames without content"
LARGE = SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31})

HTTP2_CASES: list[tuple[str, Script, str, str]] = [
    # what the server does, the cause with HTTP/2, and with gRPC where it is another
    ("silent", until_gone, WAITING, ""),
    ("closes", closing, MUTE + "|down connection reset", ""),
    ("half-open", half_closing, MUTE, ""),
    ("resets", resetting, "down connection reset", ""),
    ("settings, then silent", sending(frames()), WAITING, ""),
    ("settings, then closes", sending(frames(), then=closing), CUT, ""),
    ("header, then silent", sending(frames(BEGUN)), READING, WAITING),
    ("header, then closes", sending(frames(BEGUN), then=closing), CUT, ""),
    ("header, then resets", sending(frames(BEGUN), then=resetting), "down connection reset", ""),
    ("slow", slowly(frames(BEGUN)), WAITING, ""),
    ("garbage", sending(b"\x80\x81 garbage\r\n\r\n"), "down no HTTP/2: *", ""),
    ("HTTP/1", sending(b"HTTP/1.1 400 Bad\r\n\r\n"), "down no HTTP/2: 'HTTP/1.1 400 Bad'", ""),
    ("short garbage", sending(b"nope", then=closing), "down no HTTP/2: 'nope'", ""),
    ("endless garbage", endless(b"\xff\x00"), "down no HTTP/2: *", ""),
    ("no settings first", sending(PING), "down no HTTP/2: *", ""),
    (
        "garbage later",
        sending(frames(), b"\xff" * 500),
        "down broken HTTP/2 (a frame of 16777215 octets)",
        "",
    ),
    (
        "bad settings",
        sending(frames(LARGE)),
        "down broken HTTP/2 (Setting 4 has invalid value 2147483648)",
        "",
    ),
    (
        "broken header",
        sending(frames(HeadersFrame(1, b"\xff" * 9, flags=END))),
        "down broken HTTP/2 (Error dec*",
        "",
    ),
    (
        "header bomb",
        sending(frames(HeadersFrame(1, BOMB, flags=END))),
        "down broken HTTP/2 (Oversized header*",
        "",
    ),
    ("goes away in good order", sending(frames(GoAwayFrame(0, 1, 0)), then=closing), CUT, ""),
    (
        "goes away",
        sending(frames(GoAwayFrame(0, 0, 11))),
        "down connection ended by the server (enhance your calm)",
        "",
    ),
    (
        "goes away unseen",
        sending(frames(GoAwayFrame(0, 0, 0))),
        "down connection ended by the server (no error)",
        "",
    ),
    (
        "goes away oddly",
        sending(frames(GoAwayFrame(0, 0, 99))),
        "down connection ended by the server (error 99)",
        "",
    ),
    ("resets the stream", sending(frames(RstStreamFrame(1, 7))), "down request refused (refused stream)", ""),
    (
        "resets it later",
        sending(frames(BEGUN, RstStreamFrame(1, 2))),
        "down request refused (internal error)",
        "",
    ),
    ("endless pings", endless(PING, frames()), ENDLESS, ""),
    ("endless settings", endless(CHANGE, frames()), ENDLESS, ""),
    ("endless windows", endless(WINDOW, frames()), ENDLESS, ""),
    ("endless unknown frames", endless(UNKNOWN, frames()), ENDLESS, ""),
    ("endless empty data", endless(NOTHING, frames(BEGUN)), ENDLESS, ""),
    ("endless padding", endless(PADDED, frames(BEGUN)), ENDLESS, FLOOD + "|" + ENDLESS),
    ("endless small data", endless(SMALL, frames(BEGUN)), ENDLESS, ""),
    (
        "endless continuation",
        endless(MORE, frames(headers(*GRPC, flags=()))),
        "down broken HTTP/2 (Too many con*",
        "",
    ),
    ("endless interim", endless(headers((":status", "103")).serialize(), frames()), ENDLESS, ""),
    (
        "endless content",
        endless(DataFrame(1, b"a" * 9000).serialize(), frames(BEGUN)),
        "ok status 200",
        FLOOD,
    ),
    ("endless goodbyes", endless(GoAwayFrame(0, 1, 0).serialize(), frames()), ENDLESS, ""),
    ("pushes", sending(frames(PUSH)), "down broken HTTP/2 (Received pushed stream)", "down broken HTTP/2 (*"),
    (
        "answers another",
        sending(frames(headers(STATUS, flags=END, stream=3))),
        "down broken HTTP/2 (Invalid stream*",
        "",
    ),
    (
        "no status",
        sending(frames(headers(("a", "b"), flags=END))),
        "down broken HTTP/2 (*",
        "down no gRPC answer (*",
    ),
    (
        "status ok",
        sending(frames(headers((":status", "ok"), flags=END))),
        "down broken HTTP/2 (status 'ok')",
        "down grpc *",
    ),
    (
        "a long status",
        sending(frames(headers((":status", "9" * 5000), flags=END))),
        "down broken HTTP/2 (st*",
        "down grpc *",
    ),
    (
        "not even ASCII",
        sending(frames(headers((":status", "\u0662\u0660\u0660"), flags=END))),
        "down broken HTTP/2 (*",
        "",
    ),
    (
        "interim first",
        sending(frames(headers((":status", "103")), headers(STATUS, flags=END))),
        "ok status 200",
        "down grpc *",
    ),
    (
        "unknown frames",
        sending(frames(), UNKNOWN, headers(STATUS, flags=END).serialize()),
        "ok status 200",
        "down grpc *",
    ),
]


@pytest.mark.parametrize("by_tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("kind", ["http", "grpc"])
@pytest.mark.parametrize("case", HTTP2_CASES, ids=[case[0] for case in HTTP2_CASES])
def test_http2(files: Certificates, case: tuple[str, Script, str, str], kind: str, *, by_tls: bool) -> None:
    name, script, by_http, by_grpc = case
    tls = Tls(ca_file=str(files.ca)) if by_tls else None
    check: Check = HttpCheck(address=HERE, port=1, version="2", tls=tls)
    if kind == "grpc":
        check = GrpcCheck(address=HERE, port=1, tls=tls)
    cause = told(script, check, certificate=files.good if by_tls else None, within=longest(name))
    assert_is(cause, (by_grpc if kind == "grpc" else "") or by_http)


def message(octets: bytes, *, compressed: int = 0, length: int | None = None) -> DataFrame:
    """One message of gRPC in one frame."""
    return DataFrame(1, struct.pack(">BI", compressed, len(octets) if length is None else length) + octets)


def ended(status: str, *more: tuple[str, str]) -> HeadersFrame:
    """The trailers."""
    return headers(("grpc-status", status), *more, flags=END)


def only(*fields: tuple[str, str]) -> Script:
    """A response that is only a header."""
    return sending(frames(headers(*fields, flags=END)))


SERVING = message(b"\x08\x01")
GRPC_CASES: list[tuple[str, Script, str]] = [
    ("serving", sending(frames(BEGUN, SERVING, ended("0"))), "ok serving"),
    ("not serving", sending(frames(BEGUN, message(b"\x08\x02"), ended("0"))), "down not serving"),
    ("an empty answer", sending(frames(BEGUN, message(b""), ended("0"))), "down serving status unknown"),
    (
        "a status of tomorrow",
        sending(frames(BEGUN, message(b"\x08\x09"), ended("0"))),
        "down serving status 9",
    ),
    ("serving, and yet not", sending(frames(BEGUN, SERVING, ended("13"))), "down grpc status INTERNAL"),
    ("serving for ever", sending(frames(BEGUN, SERVING)), WAITING),
    ("unavailable", only(*GRPC, ("grpc-status", "14"), ("grpc-message", "a%20b%0A\u00e9")), "down *"),
    (
        "at rest",
        only(*GRPC, ("grpc-status", "14"), ("grpc-message", "go%20away")),
        "down grpc status UNAVAILABLE: go away",
    ),
    (
        "a long message",
        only(*GRPC, ("grpc-status", "2"), ("grpc-message", "x" * 9000)),
        "down grpc status UNKNOWN: xxx*",
    ),
    ("no status", only(*GRPC), "down *"),
    (
        "a status that is none",
        only(*GRPC, ("grpc-status", "fine")),
        "down grpc status UNKNOWN: Invalid grpc-status: 'fine'",
    ),
    (
        "a page",
        only(STATUS, ("content-type", "text/html")),
        "down grpc status UNKNOWN: Invalid content-type: 'text/html'",
    ),
    ("a proxy", only((":status", "503")), "down grpc status UNAVAILABLE: Received :status = '503'"),
    (
        "compressed",
        sending(frames(BEGUN, message(b"\x08\x01", compressed=1), ended("0"))),
        "down no gRPC answer (*",
    ),
    ("garbage", sending(frames(BEGUN, message(b"\xff\xff"), ended("0"))), "down no gRPC answer (*"),
    (
        "a short message",
        sending(frames(BEGUN, message(b"\x08", length=2), ended("0"))),
        "down no gRPC answer (*",
    ),
    ("a huge message", sending(frames(BEGUN, message(b"\x08", length=2**32 - 1))), WAITING),
    ("half a message", sending(frames(BEGUN, DataFrame(1, b"\0\0"), ended("0"))), "down no gRPC answer (*"),
    ("no message", sending(frames(BEGUN, ended("0"))), "down no gRPC answer (*"),
    ("two messages", sending(frames(BEGUN, SERVING, SERVING, ended("0"))), "ok serving"),
]


@pytest.mark.parametrize("case", GRPC_CASES, ids=[case[0] for case in GRPC_CASES])
def test_grpc(case: tuple[str, Script, str]) -> None:
    _, script, outcome = case
    assert_is(told(script, GrpcCheck(address=HERE, port=1)), outcome)


VALID = [
    (HttpCheck(address=HERE, port=1), OK + b"Content-Length: 3\r\nA: b\r\n\r\nabc"),
    (
        HttpCheck(address=HERE, port=1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n",
    ),
    (HttpCheck(address=HERE, port=1, version="2"), frames(headers(STATUS), DataFrame(1, b"abc"), ended("0"))),
    (GrpcCheck(address=HERE, port=1), frames(BEGUN, SERVING, ended("0"))),
]


@pytest.mark.parametrize(("check", "valid"), VALID, ids=["length", "chunks", "http2", "grpc"])
def test_any_octet_may_be_another(check: Check, valid: bytes) -> None:
    random = Random(len(valid))
    waiting = [valid]
    for _ in range(400):
        octets = bytearray(valid)
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            octets[random.randrange(len(octets))] = random.choice(
                (0, 1, 127, 128, 255, random.randrange(256))
            )
        if random.random() < 0.2:
            del octets[random.randrange(len(octets)) :]
        waiting.append(bytes(octets))
    outcomes = set()

    def script(connection: socket.socket) -> None:
        sending(waiting[0], then=closing)(connection)

    with RawServer(script) as server:
        while waiting:
            tried = Tried(replace(check, port=server.port, timeout=TIMEOUT))
            assert tried.took < TIMEOUT + SLACK
            assert tried.said.startswith(("ok ", "down "))
            outcomes.add(tried.said)
            waiting.pop(0)
    assert len(outcomes) > 5
    assert any(outcome.startswith("ok ") for outcome in outcomes)


CLOSED_WINDOW = SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0})


def with_window(*pieces: bytes) -> Script:
    """Close the window before anything else, so that no body can come."""

    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        until_gone(connection)

    return script


def test_a_body_that_the_server_does_not_take() -> None:
    check = HttpCheck(
        address=HERE, port=1, version="2", requests=(HttpRequest(method="POST", body="x" * 200_000),)
    )
    taking = f"down timed out after {TIMEOUT:g} s (waiting for the server to take the body)"
    assert told(with_window(CLOSED_WINDOW.serialize()), check) == taking
    refused = headers((":status", "413"), flags=END).serialize() + RstStreamFrame(1, 0).serialize()
    assert told(with_window(frames(), refused), check) == "down wrong status 413 (wanted 200-299)"


# ---- TLS

HANDSHAKING = f"down timed out after {TIMEOUT:g} s (waiting for the TLS handshake)"
OTHER = "down no TLS: the server answered with something else"
PLAIN = "down no TLS: the server answered with plain text"
BROKEN_IN = "down connection closed in the TLS handshake"


def record(kind: int, octets: bytes) -> bytes:
    """One record of TLS (RFC 8446, section 5.1)."""
    return struct.pack(">BHH", kind, 0x0303, len(octets)) + octets


def said(kind: int, octets: bytes) -> bytes:
    """One message of a handshake in a record (RFC 5246, section 7.4)."""
    return record(22, bytes([kind]) + struct.pack(">I", len(octets))[1:] + octets)


def broken_certificate(octets: bytes) -> bytes:
    """The beginning of a handshake in TLS 1.2 with a certificate of these octets."""
    hello = b"\x03\x03" + b"r" * 32 + b"\0" + b"\xc0\x2f" + b"\0" + b"\0\x05\xff\x01\0\x01\0"
    length = struct.pack(">I", len(octets))[1:]
    longer = struct.pack(">I", len(octets) + 3)[1:]
    return said(2, hello) + said(11, longer + length + octets)


TLS_CASES: list[tuple[str, Script, str]] = [
    ("silent", until_gone, HANDSHAKING),
    ("closes", closing, BROKEN_IN + "|down connection reset"),
    ("half-open", half_closing, BROKEN_IN),
    ("resets", resetting, "down connection reset"),
    ("slow", slowly(b"\x16\x03\x03\x40\0" + bytes(999)), HANDSHAKING),
    ("garbage", sending(b"\x80\x81 garbage\r\n\r\n"), OTHER),
    ("endless garbage", endless(b"\xff\x00"), OTHER),
    ("a greeting", sending(b"220 mx.example ESMTP\r\n"), f"{PLAIN} (220 mx.example ESMTP)|{OTHER}"),
    ("a short greeting", sending(b"hi\r\n", then=closing), f"{PLAIN} (hi)|{BROKEN_IN}"),
    ("an alert", sending(record(21, b"\x02\x50")), "down TLS failed: tlsv1 alert internal error"),
    ("an alert of no name", sending(record(21, b"\x02\xee")), "down TLS failed: *"),
    ("endless warnings", endless(record(21, b"\x01\x64")), "down TLS failed: no renegotiation"),
    ("endless empty records", endless(record(22, b"")), "down TLS failed: *"),
    ("an endless message", endless(record(22, bytes(9000)), said(2, bytes(9000))), "down TLS failed: *"),
    ("a long message", sending(record(22, b"\x02\xff\xff\xff" + bytes(9000))), "down TLS failed: *"),
    ("no certificate", sending(broken_certificate(b"")), "down certificate cannot be read"),
    (
        "a broken certificate",
        sending(broken_certificate(b"\x30\x82" + b"x" * 500)),
        "down certificate cannot be read",
    ),
    (
        "our own words",
        lambda connection: connection.sendall(connection.recv(65536)),
        "down TLS failed: unexpected message",
    ),
]


@pytest.mark.parametrize("kind", ["tls", "http", "grpc"])
@pytest.mark.parametrize("case", TLS_CASES, ids=[case[0] for case in TLS_CASES])
def test_tls(files: Certificates, case: tuple[str, Script, str], kind: str) -> None:
    tls = Tls(ca_file=str(files.ca))
    check: Check = TlsCheck(address=HERE, port=1, tls=tls)
    if kind == "http":
        check = HttpCheck(address=HERE, port=1, tls=tls)
    elif kind == "grpc":
        check = GrpcCheck(address=HERE, port=1, tls=tls)
    _, script, outcome = case
    cause = told(script, check)
    assert_is(cause, outcome)


def test_endless_session_tickets(files: Certificates) -> None:
    with openssl_server(files.good, "-tls1_3", "-num_tickets", "5000", "-www") as port:
        tls = Tls(ca_file=str(files.ca))
        assert Tried(TlsCheck(address=HERE, port=port, tls=tls)).said == "ok"
        assert Tried(HttpCheck(address=HERE, port=port, tls=tls)).said == "down endless TLS without content"
