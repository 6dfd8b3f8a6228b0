"""Checks of name servers: Knot and dnsmasq, and servers that do what no name server should."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterable, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.leaks import leave_nothing
from tests.support.net_servers import BIG_RECORDS, Connection, dnsmasq, knot, tcp_server, udp_server
from tests.support.web_attempts import Tried
from vipbus.contracts import DnsCheck

HERE = "127.0.0.1"
SHORT = 0.3
"""Seconds for attempts that must run out of time."""
SLACK = 5.0
"""Seconds that a busy machine may take longer."""
CLOSED = 9
"""A port where nobody listens, out of the range that the kernel takes for us."""
TIMED_OUT = f"down timed out after {SHORT:g} s"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with knot(tmp_path_factory.mktemp("knot")) as port:
        yield port


def check(port: int, question: str = "www.example A", *expect: str, **more: object) -> DnsCheck:
    name, type_ = question.split()
    return DnsCheck(address=HERE, port=port, name=name, type=type_, expect=expect, **more)  # type: ignore[arg-type]


WWW = "answers 10.0.0.1, 10.0.0.2"
BIG = 'answers "000 ' + "x" * 72 + "..."
CASES = [
    # question, expected answers, outcome, what came
    ("www.example A", (), f"ok {WWW}", "NOERROR, 2 records"),
    ("WWW.Example. A", (), f"ok {WWW}", "NOERROR, 2 records"),
    ("www.example A", ("10.0.0.2",), f"ok {WWW}", "NOERROR, 2 records"),
    ("www.example A", ("10.0.0.2", "10.0.0.1"), f"ok {WWW}", "NOERROR, 2 records"),
    ("www.example A", ("10.0.0.9",), f"down {WWW}, wanted 10.0.0.9", "NOERROR, 2 records"),
    ("www.example A", ("10.0.0.1", "10.0.0.9"), f"down {WWW}, wanted 10.0.0.9", "NOERROR, 2 records"),
    ("www.example TYPE1", (), f"ok {WWW}", "NOERROR, 2 records"),
    ("www.example AAAA", ("FD00:0::1",), "ok answers fd00::1", "NOERROR, 1 record"),
    ("alias.example A", ("10.0.0.1",), f"ok {WWW}", "NOERROR, 3 records"),
    ("alias.example CNAME", ("www.EXAMPLE",), "ok answers www.example.", "NOERROR, 1 record"),
    ("loop.example A", (), "down no answer of type A", "NOERROR, 2 records"),
    ("out.example A", (), "down no answer of type A", "NOERROR, 1 record"),
    ("mail.example MX", ("10 mx.example",), "ok answers 10 mx.example.", "NOERROR, 1 record"),
    (
        "mail.example MX",
        ("20 mx.example",),
        "down answers 10 mx.example., wanted 20 mx.example.",
        "NOERROR, 1 record",
    ),
    ("mail.example A", (), "down no answer of type A", "NOERROR, 0 records"),
    ("txt.example TXT", ('"hello world" more',), 'ok answers "hello world" "more"', "NOERROR, 1 record"),
    ("example SOA", (), "ok answers ns.example. admin.example. 1 2 3 4 5", "NOERROR, 1 record"),
    ("example ANY", ("ns.example",), "here expect 'ns.example': no ANY record", None),
    ("nobody.example A", (), "down rcode NXDOMAIN", "NXDOMAIN, 0 records"),
    ("www.broken A", (), "down rcode SERVFAIL", "SERVFAIL, 0 records"),
    (". SOA", (), "down rcode REFUSED", "REFUSED, 0 records"),
    ("www.example NONSENSE", (), "here type NONSENSE: no such record type", None),
    ("www.example AXFR", (), "here type AXFR: no record has it", None),
    ("a..b A", (), "here name 'a..b': a dns label is empty; mend it", None),
    ("www.example A", ("ten",), "here expect 'ten': no A record (text input is malformed); mend it", None),
]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("question", "expect", "outcome", "came"), CASES)
def test_a_question(
    port: int, *, transport: str, question: str, expect: tuple[str, ...], outcome: str, came: str | None
) -> None:
    tried = Tried(check(port, question, *expect, transport=transport))
    if came is None:
        assert tried.said.startswith(outcome)
        assert tried.steps == []
        return
    assert tried.said == outcome
    asked = f"asked for {question} over {transport.upper()}"
    assert tried.steps == (["connected"] if transport == "tcp" else []) + [asked, came]


def test_an_answer_that_fits_into_no_datagram(port: int) -> None:
    tried = Tried(check(port, "big.example TXT"))
    assert tried.said == f"ok {BIG}"
    assert tried.steps == [
        "asked for big.example TXT over UDP",
        "NOERROR, 0 records",
        "truncated; once more over TCP",
        "connected",
        "asked for big.example TXT over TCP",
        f"NOERROR, {BIG_RECORDS} records",
    ]


def test_an_answer_without_records_will_do_where_that_is_wished(port: int) -> None:
    assert Tried(check(port, "mail.example A", allow_empty=True)).said == "ok no answer of the type"
    assert Tried(check(port, "www.broken A", allow_empty=True)).said == "down rcode SERVFAIL"
    assert (
        Tried(check(port, "mail.example A", "10.0.0.1", allow_empty=True)).said == "down no answer of type A"
    )
    cut_short = Tried(check(port, "big.example TXT", allow_empty=True))
    assert cut_short.said == "ok no answer of the type"
    assert len(cut_short.steps) == 2  # keepalived does not ask again either


def test_the_other_family(port: int) -> None:
    for transport in ("udp", "tcp"):
        over_six = DnsCheck(address="::1", port=port, name="ns.example", type="A", transport=transport)  # type: ignore[arg-type]
        assert Tried(over_six).said == "ok answers 10.0.0.53"


def test_another_server() -> None:
    with dnsmasq() as port:
        assert Tried(check(port, "host.example A", "10.0.0.7")).said == "ok answers 10.0.0.7"
        assert Tried(check(port, "host.example AAAA", transport="tcp")).said == "ok answers fd00::7"
        assert Tried(check(port, "nobody.elsewhere A")).said == "down rcode REFUSED"


def test_nobody_there() -> None:
    assert Tried(check(CLOSED)).said == "down port unreachable"
    assert Tried(check(CLOSED, transport="tcp")).said == "down connection refused"


# ---- servers that no zone file makes


def made(change: Callable[[dns.message.Message], object] = lambda _: None) -> Callable[[bytes], bytes]:
    """Answer well, but for one thing."""

    def answer(query: bytes) -> bytes:
        asked = dns.message.from_wire(query)
        response = dns.message.make_response(asked)
        response.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", "10.0.0.1"))
        change(response)
        return response.to_wire()

    return answer


def other_id(response: dns.message.Message) -> None:
    response.id ^= 1


def other_name(response: dns.message.Message) -> None:
    response.question = [dns.rrset.from_text("other.example.", 0, "IN", "A")]


def other_type(response: dns.message.Message) -> None:
    response.question = [dns.rrset.from_text("www.example.", 0, "IN", "AAAA")]


def no_question(response: dns.message.Message) -> None:
    response.question = []


def a_query(response: dns.message.Message) -> None:
    response.flags &= ~dns.flags.QR


def elsewhere(response: dns.message.Message) -> None:
    response.answer = [dns.rrset.from_text("other.example.", 60, "IN", "A", "10.0.0.1")]


def of_aliases(response: dns.message.Message) -> None:
    response.answer = [
        dns.rrset.from_text(f"a{each}.example.", 60, "IN", "CNAME", f"a{each + 1}.example.")
        for each in range(400)
    ]
    response.answer.append(dns.rrset.from_text("www.example.", 60, "IN", "CNAME", "a0.example."))


GOOD = made()
IGNORED = "; what came answers another question)"
HOSTILE_CASES: list[tuple[Callable[[bytes], Iterable[bytes]], str]] = [
    (lambda _: [], f"{TIMED_OUT} (waiting for the answer)"),
    (lambda query: [made(other_id)(query)], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [made(other_name)(query)], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [made(other_type)(query)], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [made(no_question)(query)], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [made(a_query)(query)], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [query], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [query[:5]], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda _: [b""], f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
    (lambda query: [made(other_id)(query), b"noise", GOOD(query)], "ok answers 10.0.0.1"),
    (lambda query: [GOOD(query) + b"more"], "ok answers 10.0.0.1"),
    (lambda query: [GOOD(query)[:12] + b"\xff" * 40], "down garbage: "),
    (lambda query: [GOOD(query)[:-3]], "down garbage: "),
    (
        lambda query: [query[:2] + b"\x80\0\0\0" + b"\xff" * 60],
        "down an answer of 65535 records, more than 1000",
    ),
    (lambda query: [made(elsewhere)(query)], "down no answer of type A"),
    (lambda query: [made(of_aliases)(query)], "down no answer of type A"),
]


@pytest.mark.parametrize(("answer", "outcome"), HOSTILE_CASES)
def test_a_hostile_server(answer: Callable[[bytes], Iterable[bytes]], outcome: str) -> None:
    runs_out = outcome.startswith(TIMED_OUT)
    with udp_server(answer) as port:
        tried = Tried(check(port, timeout=SHORT if runs_out else 5.0))
        assert tried.said.startswith(outcome) if outcome.endswith(": ") else tried.said == outcome
        assert tried.took < (SHORT if runs_out else 0) + SLACK

    def over_tcp(client: Connection) -> None:
        for each in answer(client.hear()[2:]):
            client.say(len(each).to_bytes(2) + each)
        client.rest()

    with tcp_server(over_tcp) as port:
        tried = Tried(check(port, transport="tcp", timeout=SHORT if runs_out else 5.0))
        assert tried.said.startswith(outcome) if outcome.endswith(": ") else tried.said == outcome
        assert tried.took < (SHORT if runs_out else 0) + SLACK


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_flood_ends_in_time(transport: str) -> None:
    """Datagrams and messages that are not ours come faster than they can be read."""

    def flood(query: bytes) -> Iterator[bytes]:
        while True:
            yield made(other_id)(query)

    def over_tcp(client: Connection) -> None:
        wrong = made(other_id)(client.hear()[2:])
        client.for_ever((len(wrong).to_bytes(2) + wrong) * 100 + b"\0\0" * 1000)

    with udp_server(flood) if transport == "udp" else tcp_server(over_tcp) as port:
        tried = Tried(check(port, transport=transport, timeout=SHORT))
        assert tried.said == f"{TIMED_OUT} (waiting for the answer{IGNORED}"
        assert SHORT <= tried.took < SHORT + SLACK


def closed_at_once(client: Connection) -> None:
    client.hear()


def reset(client: Connection) -> None:
    client.hear()
    client.reset()


def cut_off(client: Connection) -> None:
    answer = GOOD(client.hear()[2:])
    client.say(len(answer).to_bytes(2) + answer[:-1])


def never_whole(client: Connection) -> None:
    client.hear()
    client.say(b"\xff\xff" + b"x" * 1000)
    client.rest()


def by_octets(client: Connection) -> None:
    answer = GOOD(client.hear()[2:])
    client.trickle(len(answer).to_bytes(2) + answer)
    client.rest()


def deaf(client: Connection) -> None:
    client.rest()


def endless(client: Connection) -> None:
    client.for_ever(b"\xff" * 65536)


TCP_CASES = [
    (closed_at_once, "down connection closed before the answer"),
    (reset, "down connection reset"),
    (cut_off, "down connection closed before the answer"),
    (never_whole, f"{TIMED_OUT} (waiting for the answer)"),
    (by_octets, "ok answers 10.0.0.1"),
    (deaf, f"{TIMED_OUT} (waiting for the answer)"),
    (endless, f"{TIMED_OUT} (waiting for the answer{IGNORED}"),
]


@pytest.mark.parametrize(("serve", "outcome"), TCP_CASES)
def test_a_hostile_server_over_tcp(serve: Callable[[Connection], None], outcome: str) -> None:
    runs_out = outcome.startswith(TIMED_OUT)
    with tcp_server(serve) as port:
        tried = Tried(check(port, transport="tcp", timeout=SHORT if runs_out else 5.0))
        assert tried.said == outcome
        assert tried.took < (SHORT if runs_out else 0) + SLACK


def test_a_truncated_answer_where_nobody_listens_over_tcp() -> None:
    def truncated(response: dns.message.Message) -> None:
        response.flags |= dns.flags.TC

    with udp_server(lambda query: [made(truncated)(query)]) as port:
        said = Tried(check(port)).said
    assert said == "down answer truncated, and over TCP: connection refused"


def test_ids_and_ports_are_new_each_time() -> None:
    queries: list[bytes] = []
    with udp_server(lambda query: [GOOD(query)], received=queries) as port:
        for _ in range(20):
            assert Tried(check(port)).said == "ok answers 10.0.0.1"
    assert len({query[:2] for query in queries}) >= 18  # of 65,536: two may meet, not more
    assert len({query[2:] for query in queries}) == 1


NOISE = st.binary(max_size=600) | st.lists(st.binary(max_size=40)).map(b"".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=NOISE, at=st.integers(0, 70), header=st.booleans())
def test_no_octets_are_our_fault(noise: bytes, at: int, header: bool) -> None:
    """Damage a good answer, or put noise behind a good header: an outcome in words, never an exception."""

    def damaged(query: bytes) -> list[bytes]:
        good = GOOD(query)
        return [
            good[:at] + noise + good[at + len(noise) :]
            if header
            else query[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + query[12:] + noise
        ]

    with udp_server(damaged) as port:
        tried = Tried(check(port, timeout=0.05))
    assert tried.said.isprintable()
    assert len(tried.said) <= 200
    assert tried.took < SLACK


def test_the_slowest_message_to_read_is_read_in_time() -> None:
    """1000 records whose names are made of all that one message may refer to."""
    labels = b"".join(b"\1" + bytes([letter]) for letter in random.Random(1).randbytes(120)) + b"\0"

    def slow(query: bytes) -> bytes:
        asked = query[12:]
        first = 12 + len(asked)
        records = b"\xc0\x0c\0\x02\0\x01\0\0\0\x3c" + len(labels).to_bytes(2) + labels
        name = (0xC000 | (first + 12)).to_bytes(2)
        records += (name + b"\0\x02\0\x01\0\0\0\x3c\0\x02" + name) * 999
        return query[:2] + b"\x84\0\0\1\x03\xe8\0\0\0\0" + asked + records

    def over_tcp(client: Connection) -> None:
        answer = slow(client.hear()[2:])
        client.say(len(answer).to_bytes(2) + answer)
        client.rest()

    with tcp_server(over_tcp) as port:
        tried = Tried(check(port, transport="tcp"))
        assert tried.said == "down no answer of type A"
        tried = Tried(check(port, "www.example NS", "other.example", transport="tcp", timeout=SHORT))
        assert tried.said == f"{TIMED_OUT} (waiting for the answer)"
        assert tried.took < SHORT + SLACK


HURRIED = 0.002
"""Seconds for attempts that run out of time, thousands of them."""


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_by_udp_leave_nothing_behind(port: int, rounds: int) -> None:
    with contextlib.ExitStack() as held:

        def by(answer: Callable[[bytes], Iterable[bytes]], timeout: float = 60.0) -> DnsCheck:
            return check(held.enter_context(udp_server(answer)), timeout=timeout)

        checks = [
            *[check(port, timeout=60.0)] * 13,
            check(port, "big.example TXT", timeout=60.0),
            check(port, "nobody.example A", timeout=60.0),
            check(CLOSED, timeout=60.0),
            *[by(lambda _: [], timeout=HURRIED)] * 2,
            by(lambda _: [b"garbage"], timeout=HURRIED),
            by(lambda query: [query[:2] + b"\x84\0\0\1\0\1" + query[10:]]),
        ]
        outcomes = leave_nothing(checks, rounds)
    assert outcomes["ok"] == rounds * 14 / 20
    assert outcomes["rcode NXDOMAIN"] == outcomes["port unreachable"] == rounds / 20


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_by_tcp_leave_nothing_behind(port: int, rounds: int) -> None:
    with contextlib.ExitStack() as held:

        def by(serve: Callable[[Connection], None], timeout: float = 60.0) -> DnsCheck:
            return check(held.enter_context(tcp_server(serve)), transport="tcp", timeout=timeout)

        def resetting(client: Connection) -> None:
            client.hear()
            client.reset()

        def half_closing(client: Connection) -> None:
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()

        checks = [
            *[check(port, transport="tcp", timeout=60.0)] * 10,
            check(port, "big.example TXT", transport="tcp", timeout=60.0),
            check(port, "nobody.example A", transport="tcp", timeout=60.0),
            check(CLOSED, transport="tcp", timeout=60.0),
            *[by(deaf, timeout=HURRIED)] * 2,
            by(resetting),
            by(half_closing),
            by(lambda client: client.say(b"")),
            by(lambda client: client.for_ever(b"\0\0"), timeout=HURRIED),
            by(lambda client: client.say(b"\xff\xff" + b"garbage" * 10_000)),
        ]
        outcomes = leave_nothing(checks, rounds)
    assert outcomes["ok"] == rounds * 11 / 20
    assert outcomes["rcode NXDOMAIN"] == outcomes["connection refused"] == rounds / 20
