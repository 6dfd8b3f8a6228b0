"""What is asked of a router on the bus: refused with a reason, or put to the loop and answered by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.waiting import eventually_async
from tests.unit.vrrp_agent.test_report import state
from vipbus.bus import BusAwayError, RefusedError
from vipbus.contracts import Handover, HandoverResult, Role, RoleName, VrrpReport
from vipbus.contracts.limits import UNREADABLE
from vrrp_agent import commands
from vrrp_agent.commands import Commands
from vrrp_agent.exchange import Answer, Command, HandOver, Mailbox, Show, Shown, Take

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def role(name: str, what: RoleName) -> Role:
    return Role(
        router="Router-A",
        instance=name,
        role=what,
        epoch=1,
        priority=100,
        virtual_router_id=51,
        interface="eth0",
        addresses=(),
        revision=1,
        since=NOW,
        cause="why",
        active_router="192.0.2.2" if what == "backup" else None,
    )


ROLES = {each.key: each for each in (role("VI_1", "active"), role("VI_2", "backup"), role("VI_3", "fault"))}


class Loop:
    """Stands in for the election loop: notes what it is asked, and answers at once."""

    def __init__(self, problem: str | None = "", roles: Mapping[str, Role] = ROLES) -> None:
        self.asked: list[Command] = []
        self.problem = problem
        """What it answers; None: nothing."""
        self._inbox: Mailbox[Command] = Mailbox(self._answer)
        self.commands = Commands("Router-A", self._inbox, lambda: roles)

    def _answer(self) -> None:
        for command in self._inbox.take():
            self.asked.append(command)
            if self.problem is None:
                continue
            match command:
                case HandOver() | Take():
                    answer: Answer | Shown = Answer(ticket=command.ticket, problem=self.problem)
                case Show():
                    answer = Shown(ticket=command.ticket, states=(state("VI_1"), state("VI_2")))
                case _:
                    raise AssertionError(command)
            asyncio.get_running_loop().call_soon(self.commands.answered, answer)


class Peer:
    """Stands in for the bus: answers a request as another router's agent, or as a bus without one."""

    def __init__(self, answer: HandoverResult | bytes | Exception | None = None) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self._answer = answer

    async def request(self, subject: str, body: bytes, timeout: float) -> bytes:
        assert timeout > 0
        self.asked.append((subject, body))
        if isinstance(self._answer, Exception):
            raise self._answer
        assert self._answer is not None
        return self._answer if isinstance(self._answer, bytes) else msgspec.json.encode(self._answer)


def ask(loop: Loop, verb: str, body: bytes, peer: Peer | None = None) -> Any:
    """Ask as the bus does; return the decoded answer."""
    served = loop.commands.served_on(peer or Peer())  # type: ignore[arg-type]  # all that is used of a bus
    answer = asyncio.run(served[f"{verb}.router-a"](body))  # type: ignore[arg-type]  # an async def
    return msgspec.json.decode(answer, type=VrrpReport if verb == "show" else HandoverResult)


def handover(loop: Loop, instance: str, to: str | None = None, peer: Peer | None = None) -> HandoverResult:
    body = msgspec.json.encode(Handover(instance=instance, to=to))
    result: HandoverResult = ask(loop, "handover", body, peer)
    return result


ACCEPTS = HandoverResult(accepted=True, router="b")


def test_a_handover_is_put_to_the_loop() -> None:
    loop = Loop()
    assert handover(loop, "vi_1") == HandoverResult(accepted=True, router="Router-A")
    assert loop.asked == [HandOver(instance="vi_1", to=None, ticket=1)]


def test_the_router_that_is_to_follow_is_asked_first() -> None:
    loop, peer = Loop(), Peer(ACCEPTS)
    assert handover(loop, "VI_1", "Router.B", peer).accepted
    assert loop.asked == [HandOver(instance="vi_1", to="Router.B", ticket=1)]
    ((subject, body),) = peer.asked
    assert subject == "vipbus.cmd.vrrp-agent.take.router-b"
    assert msgspec.json.decode(body, type=Handover) == Handover(instance="VI_1", to="Router.B")


REFUSED: list[tuple[str, str, str | None, Peer, str]] = [
    ("no such instance", "VI_9", None, Peer(), "Router-A has no instance 'VI_9'; there is VI_1, VI_2, VI_3"),
    ("no name at all", "", None, Peer(), "Router-A has no instance ''; there is VI_1, VI_2, VI_3"),
    (
        "backup",
        "VI_2",
        None,
        Peer(),
        "VI_2 is backup on Router-A, 192.0.2.2 is active: only an active router hands over",
    ),
    ("in fault", "VI_3", None, Peer(), "VI_3 is fault on Router-A: only an active router hands over"),
    ("to itself", "VI_1", "router-a", Peer(), "router-a cannot follow Router-A: name another router"),
    ("to nobody", "VI_1", "", Peer(), "nobody cannot follow Router-A: name another router"),
    (
        "to one that is away",
        "VI_1",
        "b",
        Peer(BusAwayError("nobody serves it")),
        "the vrrp-agent of b does not answer on this bus; nothing was changed",
    ),
    (
        "to one that says no",
        "VI_1",
        "b",
        Peer(HandoverResult(accepted=False, router="b", reason="VI_1 is fault on b")),
        "b refuses: VI_1 is fault on b; nothing was changed",
    ),
    (
        "to one that cannot read it",
        "VI_1",
        "b",
        Peer(RefusedError("Object missing")),
        "b refuses: Object missing; nothing was changed",
    ),
    ("to one that talks nonsense", "VI_1", "b", Peer(b"\xff"), "b answers what is not understood"),
    ("to one that talks JSON", "VI_1", "b", Peer(b"[" * 100_000), "b answers what is not understood"),
]


@pytest.mark.parametrize(
    ("instance", "to", "peer", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_makes_no_handover_changes_nothing(
    instance: str, to: str | None, peer: Peer, reason: str
) -> None:
    loop = Loop()
    result = handover(loop, instance, to, peer)
    assert not result.accepted
    assert result.reason.startswith(reason)
    assert loop.asked == []


def test_the_loop_has_the_last_word() -> None:
    loop = Loop(problem="VI_1 is leaving already")
    result = handover(loop, "VI_1", "b", Peer(ACCEPTS))
    assert (result.accepted, result.reason) == (False, "VI_1 is leaving already")


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ("VI_2", ""),
        ("VI_1", "VI_1 is active on Router-A: only a backup follows"),
        ("VI_3", "VI_3 is fault on Router-A: only a backup follows"),
    ],
)
def test_only_a_backup_takes(instance: str, reason: str) -> None:
    loop = Loop()
    result = ask(loop, "take", msgspec.json.encode(Handover(instance=instance, to="Router-A")))
    assert (result.accepted, result.reason) == (not reason, reason)
    assert loop.asked == ([] if reason else [Take(instance="vi_2", ticket=1)])


def test_a_loop_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LOOP_WITHIN", 0.05)
    loop = Loop(problem=None)
    result = handover(loop, "VI_1")
    assert not result.accepted
    assert "the election loop of Router-A has not answered within 0.05 s" in result.reason
    with pytest.raises(ValueError, match="the election loop of Router-A has not answered"):
        ask(loop, "show", b"")
    # an answer that comes too late, or to nobody, is dropped
    loop.commands.answered(Answer(ticket=1))
    loop.commands.answered(Shown(ticket=77, states=()))


@pytest.mark.parametrize(
    ("body", "instances"),
    [
        (b"", ["VI_1", "VI_2"]),
        (b"{}", ["VI_1", "VI_2"]),
        (b'{"instance":"vi_2"}', ["VI_2"]),
        (b'{"instance":"VI_9"}', []),
        (b'{"instance":""}', ["VI_1", "VI_2"]),
    ],
)
def test_show(body: bytes, instances: list[str]) -> None:
    told: VrrpReport = ask(Loop(), "show", body)
    assert (told.router, [each.instance for each in told.instances]) == ("Router-A", instances)


@pytest.mark.parametrize("verb", ["handover", "take", "show"])
@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'{"instance":5}', b"[" * 100_000, b"null"])
def test_a_body_that_is_not_readable_reaches_no_loop(verb: str, body: bytes) -> None:
    loop = Loop()
    with pytest.raises(UNREADABLE):
        ask(loop, verb, body)
    assert loop.asked == []


def test_two_questions_at_once_get_their_own_answers() -> None:
    loop = Loop(problem=None)

    async def story() -> tuple[str, str]:
        first, second = (
            asyncio.ensure_future(loop.commands.take(Handover(instance="VI_2"))) for _ in range(2)
        )
        await eventually_async(lambda: len(loop.asked) == 2, "both are asked")
        loop.commands.answered(Answer(ticket=2, problem="second"))
        loop.commands.answered(Answer(ticket=1, problem="first"))
        return await first, await second

    within: Callable[..., Any] = asyncio.wait_for
    assert asyncio.run(within(story(), 10)) == ("first", "second")
