"""What two routers do that are not told the same, or are kept from hearing each other."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.interop_cases import Case
from tests.support.interop_net import address_of, networks
from tests.support.interop_pair import ADDRESS, CASE, FOUND, SLACK, START, Pair
from tests.support.interop_side import Kind, Role
from tests.support.interop_sides import Keepalived, Vipbus
from tests.support.waiting import eventually


def learned_interval(pair: Pair) -> None:
    """Version 3: a backup waits as long as the active router's interval asks, not its own."""
    slow, fast = replace(CASE, interval=1.0), replace(CASE, interval=0.1)
    pair.start(pair.first, fast, 100)
    pair.become("active", "stopped", fast.silence(100) + START)
    pair.start(pair.second, slow, 150)
    pair.become("backup", "active", slow.silence(150) + START)
    pair.stay(3.0)  # ten times its own silence
    pair.second.crash()
    took = eventually(
        lambda: pair.role(pair.first) == "active", "it follows", within=slow.silence(100) + SLACK
    )
    assert took > slow.silence(100) - 1.0 - 0.5, "it did not wait for the interval that it heard"


def equal_priorities(pair: Pair) -> None:
    """Of two that are active with the same priority the higher address wins (RFC 9568 section 6.4.3)."""
    _apart_and_together(pair, 100, 100)


def apart_and_together(pair: Pair) -> None:
    """Of two that are active the higher priority wins, and the neighbours find it."""
    _apart_and_together(pair, 100, 150)


def apart_and_together_reversed(pair: Pair) -> None:
    """A higher address does not help against a priority."""
    _apart_and_together(pair, 150, 100)


def _apart_and_together(pair: Pair, first: int, second: int) -> None:
    winner = pair.first if first > second else pair.second
    pair.start(pair.first, CASE, first)
    pair.become("active", "stopped", CASE.silence(first) + START)
    pair.reaches(pair.first, FOUND)
    for one in pair.sides:
        one.host.isolate(True)
    pair.start(pair.second, CASE, second)
    pair.become("active", "active", CASE.silence(second) + START)
    for one in pair.sides:
        one.host.isolate(False)
    roles: tuple[Role, Role] = ("active", "backup") if winner is pair.first else ("backup", "active")
    pair.become(*roles, within=SLACK)
    # its neighbours may have believed the other, and hear of the winner at once or by its second burst
    pair.reaches(winner, FOUND)
    pair.stay(1.0)
    loser = pair.second if winner is pair.first else pair.first
    assert loser.history[CASE.name][-2:] == ["active", "backup"]
    assert winner.history[CASE.name] == ["backup", "active"], "the winner never yielded"


def equal_priorities_one_after_the_other(pair: Pair) -> None:
    """Who comes later with the same priority stays backup, whatever its address."""
    pair.start(pair.first, CASE, 100)
    pair.become("active", "stopped", CASE.silence(100) + START)
    pair.start(pair.second, CASE, 100)
    pair.become("active", "backup", START)
    pair.stay(2.0)


def owner(pair: Pair) -> None:
    """Priority 255 with state MASTER: the owner takes over at once, and is followed when it crashes."""
    slow = replace(CASE, version=2, interval=1.0)
    owned = replace(slow, state="MASTER")
    pair.start(pair.first, slow, 100)
    pair.become("active", "stopped", slow.silence(100) + START)
    pair.start(pair.second, owned, 255)
    took = pair.become("backup", "active", START)
    assert took < slow.silence(255), "it waited for a silence"
    pair.reaches(pair.second, FOUND)
    pair.second.crash()
    eventually(lambda: pair.role(pair.first) == "active", "it follows", within=slow.silence(100) + SLACK)
    pair.second.host.boot([ADDRESS])
    pair.start(pair.second, owned, 255)
    pair.become("backup", "active", START)
    pair.reaches(pair.second, FOUND)


def silent_backup(pair: Pair) -> None:
    """From a backup comes no frame with the virtual MAC: a bridge would send there what is for the active."""
    case = replace(CASE, vmac=True)
    more = (
        replace(case, name="base", number=1, vrid=52, more=("vmac_xmit_base",)),
        replace(case, name="six", number=2, vrid=53, family=6),
    )
    pair.start(pair.first, case, 150, *more)
    for each in (case, *more):
        pair.become("active", "stopped", case.silence(150) + START, each.name)
    with pair.second.host.sniffer() as sniffer:
        pair.start(pair.second, case, 100, *more)
        for each in (case, *more):
            pair.become("active", "backup", START, each.name)
        # reports of groups that are joined are repeated once, within a second (RFC 3376 section 8.11)
        time.sleep(2.5)
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, *_) = sniffer.recvfrom(2048)
                if kind != socket.PACKET_OUTGOING:
                    frames.append(frame)
    assert frames, "nothing was heard at all"
    assert [frame.hex() for frame in frames if frame[6:10] == bytes.fromhex("00005e00")] == []


def killed_and_back(pair: Pair) -> None:
    """A killed vrrp-agent that is started again goes on where it was, and the other never notices."""
    slow = replace(CASE, version=2, interval=1.0, vmac=True)
    ours, other = (pair.first, pair.second) if isinstance(pair.first, Vipbus) else (pair.second, pair.first)
    pair.start(ours, slow, 150)
    eventually(lambda: pair.role(ours) == "active", "it is active", within=slow.silence(150) + START)
    pair.start(other, slow, 100)
    eventually(lambda: pair.role(other) == "backup" and other.received(), "the other is backup", within=START)
    pair.reaches(ours, FOUND)
    for _ in range(2):
        ours.kill()
        assert ADDRESS in ours.host.addresses()
        pair.start(ours, slow, 150)
        eventually(lambda: pair.role(ours) == "active", "it goes on", within=slow.silence(100))
        pair.reaches(ours, 1)
    time.sleep(slow.silence(100))
    assert pair.role(other) == "backup"
    assert other.history[CASE.name] == ["backup"]
    assert ours.history[CASE.name] == ["active"], "it was never anything else in this life"
    assert other.complaints() == []


def foreign_sender(pair: Pair) -> None:
    """check_unicast_src: who is no peer is not heard, whatever its priority."""
    case = replace(CASE, unicast=True)
    pair.start(pair.first, case, 100)
    pair.become("active", "stopped", case.silence(100) + START)
    pair.start(pair.second, case, 50)
    pair.become("active", "backup", START)
    _forge(pair, pair.neighbour.number)
    pair.stay(1.0)
    for one in pair.sides:
        if isinstance(one, Vipbus):
            assert one.dropped(CASE.name, "peer") > 0
    # the same packets under the peer's address are believed: they were right in everything else
    _forge(pair, pair.second.host.number)
    eventually(lambda: pair.role(pair.first) and pair.first.history[CASE.name][2:], "it yields to its peer")


def _forge(pair: Pair, sender: int) -> None:
    """Send both routers a few advertisements of high priority from the neighbour, under any address."""
    from scapy.layers.inet import IP  # noqa: PLC0415  # slow to import
    from scapy.layers.vrrp import VRRPv3  # noqa: PLC0415

    body = VRRPv3(vrid=CASE.vrid, priority=254, ipcount=1, adv=40, addrlist=[ADDRESS])
    with pair.neighbour.raw_socket() as out:
        for _ in range(5):
            for one in pair.sides:
                to = address_of(0, 4, one.host.number)
                source = address_of(0, 4, sender)
                out.sendto(bytes(IP(src=source, dst=to, ttl=255, proto=112) / body), (to, 0))
            time.sleep(0.05)


def _deaf(pair: Pair, mine: Case, theirs: Case, reason: str, keepalived_counter: str) -> None:
    """Two that do not understand each other are both active, and both count why.

    Once is enough: what arrives and is refused puts off keepalived's next advertisement (2.2.7), so that one
    with a longer interval speaks once and is silent for good.
    """
    pair.start(pair.first, mine, 100)
    pair.start(pair.second, theirs, 150)
    pair.become("active", "active", max(mine.silence(100), theirs.silence(100)) + START)
    for one in pair.sides:
        if isinstance(one, Vipbus):
            eventually(lambda one=one: one.dropped(CASE.name, reason) > 0, f"it counts {reason}")  # type: ignore[misc]
            assert one.received().get(CASE.name, 0) == 0
        elif isinstance(one, Keepalived) and keepalived_counter:
            eventually(
                lambda one=one: one.statistics()[CASE.name][keepalived_counter] > 0,  # type: ignore[misc]
                f"it counts {keepalived_counter}",
            )
        assert one.complaints() != []


def other_password(pair: Pair) -> None:
    """Version 2: another password."""
    one = replace(CASE, version=2, interval=1.0, password="one")
    _deaf(pair, one, replace(one, password="other"), "password", "auth_failure")


def no_password(pair: Pair) -> None:
    """Version 2: a password on one side only."""
    one = replace(CASE, version=2, interval=1.0, password="one")
    _deaf(pair, one, replace(one, password=""), "authentication", "authtype_mismatch")


def other_interval(pair: Pair) -> None:
    """Version 2: another interval is refused (RFC 3768 section 7.1)."""
    one = replace(CASE, version=2, interval=1.0)
    _deaf(pair, one, replace(one, interval=2.0), "interval", "")  # 2.2.7 says it and does not count


def other_version(pair: Pair) -> None:
    """Versions 2 and 3 under one identifier."""
    _deaf(pair, replace(CASE, version=2, interval=1.0), CASE, "version", "")


SCENARIOS: Final[Sequence[Callable[[Pair], None]]] = (
    learned_interval,
    equal_priorities,
    equal_priorities_one_after_the_other,
    apart_and_together,
    apart_and_together_reversed,
    owner,
    silent_backup,
    killed_and_back,
    foreign_sender,
    other_password,
    no_password,
    other_interval,
    other_version,
)


@dataclass(frozen=True)
class Scenario:
    """One of these between two kinds of router."""

    play: Callable[[Pair], None]
    kinds: tuple[Kind, Kind]

    @property
    def name(self) -> str:
        """Of the test, and of its directory."""
        return f"{'-'.join(self.kinds)}-{self.play.__name__}"

    def run(self, directory: Path, prefix: str) -> None:
        """Play it."""
        with networks(directory, prefix) as made:
            self.play(Pair(made, self.kinds))
