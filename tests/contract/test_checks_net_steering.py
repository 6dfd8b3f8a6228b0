"""Source, interface and mark of the checks that do not go through a plain TCP connect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.net_wire import Wire
from tests.support.web_attempts import Tried
from vipbus.contracts import Check, DnsCheck, PingCheck, SmtpCheck, UdpCheck

CLOSED = 9
"""A port where nobody listens, out of the range that the kernel takes for us."""


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


KINDS = {
    "dns": (DnsCheck, {}, "down port unreachable"),
    "dns over tcp": (DnsCheck, {"transport": "tcp"}, "down connection refused"),
    "udp": (UdpCheck, {}, "down port unreachable"),
    "smtp": (SmtpCheck, {}, "down connection refused"),
    "ping": (PingCheck, {}, "ok"),
    "ping by a raw socket": (PingCheck, {}, "ok"),
}
STEERED = [
    ({}, set()),
    ({"source": Wire.SECOND}, {"second"}),
    ({"source_port": 999}, {"port"}),
    ({"source": Wire.SECOND, "source_port": 999}, {"second", "port"}),
    ({"interface": "aside"}, {"aside"}),
    ({"mark": 7}, {"marked"}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("settings", "left"), STEERED)
def test_how_it_leaves(wire: Wire, kind: str, settings: dict[str, object], left: set[str]) -> None:
    wire.allow_ping("1 0" if "raw" in kind else "0 0")
    wire.left()
    tried = attempt(wire, kind, settings)
    assert tried.said == KINDS[kind][2]
    # ICMP has no ports
    assert wire.left() == left - ({"port"} if kind.startswith("ping") else set())


@pytest.mark.parametrize("kind", KINDS)
def test_what_this_host_does_not_have(wire: Wire, kind: str) -> None:
    wire.allow_ping("1 0" if "raw" in kind else "0 0")
    nowhere = attempt(wire, kind, {"interface": "nowhere"})
    assert nowhere.said == "here interface nowhere: this host has none; name one that it has"
    nobody = attempt(wire, kind, {"source": "10.97.0.77"})
    assert nobody.said.startswith("here source 10.97.0.77: this host does not have the address; add it")
    assert nowhere.steps == nobody.steps == []


def attempt(wire: Wire, kind: str, settings: dict[str, object]) -> Tried:
    made, more, _ = KINDS[kind]
    check: Check = made(address=wire.ROUTER, port=CLOSED, timeout=5.0, **more, **settings)  # type: ignore[operator]
    with wire.here.entered():
        return Tried(check)
