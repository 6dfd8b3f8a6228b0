"""Checks by datagram: servers that reply, keep silent or are not there; ICMP errors in namespaces."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from health_prober.check import Failed, State, Succeeded, decide, rules_of
from tests.support.leaks import leave_nothing
from tests.support.net_servers import udp_server
from tests.support.net_wire import Wire
from tests.support.web_attempts import Tried
from tests.support.web_servers import free_ports
from vipbus.contracts import UdpCheck

SHORT = 0.3
"""Seconds for attempts that must run out of time."""
SLACK = 5.0
"""Seconds that a busy machine may take longer."""
CLOSED = 9
"""A port where nobody listens, out of the range that the kernel takes for us."""
SILENT = "ok no ICMP error"
TIMED_OUT = f"down timed out after {SHORT:g} s (waiting for a reply)"


def check(port: int, address: str = "127.0.0.1", **more: object) -> UdpCheck:
    return UdpCheck(address=address, port=port, **{"timeout": SHORT, **more})  # type: ignore[arg-type]


ABC = b"abc".hex()
CASES: list[tuple[bytes | None, dict[str, object], str]] = [
    # the reply, the check, outcome
    (None, {}, SILENT),
    (None, {"require_reply": True}, TIMED_OUT),
    (b"abc", {}, "ok a reply of 3 octets"),
    (b"", {}, "ok a reply of 0 octets"),
    (b"abc", {"min_reply_length": 4}, "ok a reply of 3 octets"),
    (b"abc", {"require_reply": True}, "ok a reply of 3 octets"),
    (b"", {"require_reply": True}, "ok a reply of 0 octets"),
    (b"a", {"require_reply": True, "min_reply_length": 1, "max_reply_length": 1}, "ok a reply of 1 octet"),
    (b"abc", {"require_reply": True, "min_reply_length": 4}, "down a reply of 3 octets (wanted 4-65535)"),
    (b"abc", {"require_reply": True, "max_reply_length": 2}, "down a reply of 3 octets (wanted 0-2)"),
    (b"abc", {"require_reply": True, "reply": ABC}, "ok a reply of 3 octets"),
    (b"abcdef", {"require_reply": True, "reply": ABC}, "ok a reply of 6 octets"),
    (b"abd", {"require_reply": True, "reply": ABC}, "down reply differs: 616264"),
    (b"ab", {"require_reply": True, "reply": ABC}, "down reply differs: 6162"),
    (b"", {"require_reply": True, "reply": ABC}, "down reply differs: empty"),
    (b"abd", {"require_reply": True, "reply": ABC, "reply_mask": "fffff0"}, "ok a reply of 3 octets"),
    (b"aXd", {"require_reply": True, "reply": ABC, "reply_mask": "ff00f0"}, "ok a reply of 3 octets"),
    (b"Xbc", {"require_reply": True, "reply": ABC, "reply_mask": "ff00f0"}, "down reply differs: 586263"),
    (b"aXc", {"require_reply": True, "reply": ABC, "reply_mask": "ff00"}, "ok a reply of 3 octets"),
    (b"aXd", {"require_reply": True, "reply": ABC, "reply_mask": "ff00"}, "down reply differs: 615864"),
    (b"x" * 9000, {"require_reply": True, "reply": ABC}, f"down reply differs: {'78' * 24}..."),
    (b"x" * 60_000, {"require_reply": True}, "ok a reply of 60000 octets"),
]


@pytest.mark.parametrize("here", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("reply", "settings", "outcome"), CASES)
def test_a_reply(reply: bytes | None, settings: dict[str, object], outcome: str, here: str) -> None:
    received: list[bytes] = []
    with udp_server(lambda _: [] if reply is None else [reply], here, received) as port:
        tried = Tried(check(port, here, payload="00ff10", **settings))
    assert tried.said == outcome
    assert received == [b"\0\xff\x10"]
    assert tried.steps[0] == "sent 3 octets"
    if reply is None:
        assert tried.steps == ["sent 3 octets"]
        assert SHORT <= tried.took < SHORT + SLACK
    else:
        assert len(tried.steps) == 2
        assert tried.took < SLACK


def test_without_a_payload_something_is_sent() -> None:
    received: list[bytes] = []
    with udp_server(lambda _: [b"yes"], received=received) as port:
        assert Tried(check(port)).said == "ok a reply of 3 octets"
    assert received == [b"vipbus health check"]


@pytest.mark.parametrize("here", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("require_reply", [True, False])
def test_nobody_there(here: str, require_reply: bool) -> None:
    tried = Tried(check(CLOSED, here, require_reply=require_reply))
    assert tried.said == "down port unreachable"
    assert tried.took < SHORT


@pytest.mark.parametrize("here", ["127.0.0.1", "::1"])
def test_a_port_that_meets_itself(here: str) -> None:
    (free,) = free_ports(1)
    assert Tried(check(free, here, source=here, source_port=free)).said == "down port unreachable"


def test_what_comes_from_elsewhere_is_no_reply() -> None:
    """A datagram from another port than the one that was asked."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        udp_server(lambda _: [b"abc"], sender=stranger) as port,
    ):
        assert Tried(check(port, require_reply=True)).said == TIMED_OUT


def test_silence_in_a_verdict() -> None:
    with udp_server(lambda _: []) as port:
        silent = check(port)
        event = Tried(silent).event
    assert isinstance(event, Succeeded)
    state, decision = decide(rules_of(silent), State("unknown", 0.0), event, event.began + SHORT)
    assert decision is not None
    assert (decision.verdict, decision.cause) == ("up", "no ICMP error within 0.3 s")
    # silence again is no news
    assert decide(rules_of(silent), state, event, event.began + 1)[1] is None


# ---- what a network says


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


BOTH = {"require_reply": False}, {"require_reply": True}


def test_where_nobody_listens_on_a_network(wire: Wire) -> None:
    with wire.here.entered():
        for address in (wire.ROUTER, wire.ROUTER_6):
            assert Tried(check(CLOSED, address, timeout=5.0)).said == "down port unreachable"
        for address in (wire.DROPPED, wire.DROPPED_6):
            assert Tried(check(CLOSED, address)).said == SILENT


@pytest.mark.parametrize("settings", BOTH)
@pytest.mark.parametrize(("target", "cause"), Wire.CAUSES)
def test_an_icmp_error(wire: Wire, target: str, cause: str, settings: dict[str, object]) -> None:
    with wire.here.entered():
        tried = Tried(check(CLOSED, target, timeout=5.0, **settings))
    assert tried.said == f"down {cause}"
    assert tried.took < 5.0


# ---- hostile servers


def test_a_flood_ends_at_its_first_datagram() -> None:
    def flood(_: bytes) -> Iterator[bytes]:
        while True:
            yield b"x"

    with udp_server(flood) as port:
        assert Tried(check(port)).said == "ok a reply of 1 octet"


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_leave_nothing_behind(rounds: int) -> None:
    reply: Callable[[bytes], list[bytes]] = lambda _: [b"abc"]  # noqa: E731  # one line of a table
    with udp_server(reply) as port, udp_server(lambda _: []) as silent:
        checks = [
            *[check(port, require_reply=True, timeout=60.0)] * 5,
            check(port, reply="00", require_reply=True, timeout=60.0),
            *[check(CLOSED, timeout=60.0)] * 2,
            check(silent, timeout=0.002),
            check(silent, require_reply=True, timeout=0.002),
        ]
        outcomes = leave_nothing(checks, rounds)
    assert outcomes == {
        "ok": rounds * 6 / 10,
        "reply differs: 616263": rounds / 10,
        "port unreachable": rounds * 2 / 10,
        "timed out after 0.002 s (waiting for a reply)": rounds / 10,
    }


def test_the_time_is_kept() -> None:
    with udp_server(lambda _: []) as silent:
        began = time.monotonic()
        assert isinstance(Tried(check(silent, require_reply=True)).event, Failed)
        assert SHORT <= time.monotonic() - began < SHORT + SLACK
