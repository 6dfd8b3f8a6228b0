"""The commands of one router: what is asked on the bus, and the loop's answer to it.

The loop is asked through its mailbox and answers when it comes to it: nobody waits for longer than it should
take, and the loop waits for nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from vipbus.contracts import (
    Handover,
    HandoverResult,
    Role,
    RoleName,
    ShowVrrp,
    VrrpReport,
    command_subject,
    name_token,
    per_router,
)
from vipbus.contracts.limits import UNREADABLE
from vrrp_agent import exchange
from vrrp_agent.exchange import Answer, HandOver, InstanceState, Mailbox, Show, Shown, Take
from vrrp_agent.report import vrrp_report

if TYPE_CHECKING:
    from vipbus.bus import Bus
    from vipbus.bus import Command as Served

T = TypeVar("T")

TAKE_WITHIN = 1.5
"""Seconds that the router that is to follow has for its answer."""
LOOP_WITHIN = 1.0
"""Seconds that the loop has for its answer; it needs a millisecond."""


class Commands:
    """Lives over every connection: an answer to a request of the one before finds nobody and is dropped."""

    def __init__(
        self, router: str, inbox: Mailbox[exchange.Command], roles: Callable[[], Mapping[str, Role]]
    ) -> None:
        self._router = router
        self._inbox = inbox
        self._roles = roles
        """The roles of this router as they were last told, by key."""
        self._results: _Tickets[str] = _Tickets()
        self._states: _Tickets[tuple[InstanceState, ...]] = _Tickets()

    def served_on(self, bus: Bus) -> dict[str, Served]:
        """Give the commands, by verb, to be served on a connection."""

        async def handover(body: bytes) -> bytes:
            asked = msgspec.json.decode(body, type=Handover)
            return self._result(await self.hand_over(bus, asked))

        async def take(body: bytes) -> bytes:
            return self._result(await self.take(msgspec.json.decode(body, type=Handover)))

        async def show(body: bytes) -> bytes:
            asked = msgspec.json.decode(body, type=ShowVrrp) if body else ShowVrrp()
            return msgspec.json.encode(await self.show(asked))

        token = name_token(self._router)
        commands = {"handover": handover, "take": take, "show": show}
        return {per_router(verb, token): command for verb, command in commands.items()}

    def answered(self, answer: Answer | Shown) -> None:
        """Hand the loop's answer to whoever waits for it."""
        match answer:
            case Answer():
                self._results.answered(answer.ticket, answer.problem)
            case Shown():
                self._states.answered(answer.ticket, answer.states)

    # ---- the commands

    async def hand_over(self, bus: Bus, asked: Handover) -> str:
        """Begin a handover; return why not, empty when it has begun."""
        problem = self._no_role(asked.instance, "active", "only an active router hands over")
        if problem:
            return problem
        if asked.to is not None:
            problem = await self._ask_to_follow(bus, asked.instance, asked.to)
            if problem:
                return f"{problem}; nothing was changed"
        return await self._ask(
            lambda ticket: HandOver(instance=name_token(asked.instance), to=asked.to, ticket=ticket)
        )

    async def take(self, asked: Handover) -> str:
        """Follow at the next priority 0 at once; return why not, empty when it will."""
        problem = self._no_role(asked.instance, "backup", "only a backup follows")
        if problem:
            return problem
        return await self._ask(lambda ticket: Take(instance=name_token(asked.instance), ticket=ticket))

    async def show(self, asked: ShowVrrp) -> VrrpReport:
        """Report on every instance, or on one; one that is not there is an empty report.

        Raises:
            ValueError: the loop did not answer.
        """
        token = name_token(asked.instance) if asked.instance else None
        try:
            states = await self._states.ask(lambda ticket: self._inbox.put(Show(ticket=ticket)))
        except TimeoutError:
            raise ValueError(self._silence()) from None
        return vrrp_report(self._router, states, token)

    def _result(self, problem: str) -> bytes:
        return msgspec.json.encode(HandoverResult(accepted=not problem, router=self._router, reason=problem))

    def _no_role(self, instance: str, wanted: RoleName, rule: str) -> str:
        """Say why an instance cannot do what asks for a role."""
        roles = self._roles()
        token = name_token(instance) if instance else ""
        role = roles.get(f"{name_token(self._router)}.{token}")
        if role is None:
            there = ", ".join(sorted(each.instance for each in roles.values())) or "none"
            return f"{self._router} has no instance {instance!r}; there is {there}"
        if role.role == wanted:
            return ""
        active = f", {role.active_router} is active" if role.active_router else ""
        return f"{role.instance} is {role.role} on {self._router}{active}: {rule}"

    async def _ask_to_follow(self, bus: Bus, instance: str, to: str) -> str:
        """Ask another router to follow; return why it does not."""
        from vipbus.bus import BusAwayError, RefusedError  # noqa: PLC0415  # nats is there already

        if not to or name_token(to) == name_token(self._router):
            return f"{to or 'nobody'} cannot follow {self._router}: name another router"
        subject = command_subject("vrrp-agent", per_router("take", name_token(to)))
        body = msgspec.json.encode(Handover(instance=instance, to=to))
        try:
            answer = await bus.request(subject, body, timeout=TAKE_WITHIN)
            result = msgspec.json.decode(answer, type=HandoverResult)
        except BusAwayError:
            return f"the vrrp-agent of {to} does not answer on this bus"
        except RefusedError as error:
            return f"{to} refuses: {error}"
        except UNREADABLE as error:
            return f"{to} answers what is not understood ({error})"
        return "" if result.accepted else f"{to} refuses: {result.reason}"

    async def _ask(self, question: Callable[[int], HandOver | Take]) -> str:
        try:
            return await self._results.ask(lambda ticket: self._inbox.put(question(ticket)))
        except TimeoutError:
            return f"{self._silence()}; `vipbus status` shows whether it is done all the same"

    def _silence(self) -> str:
        return (
            f"the election loop of {self._router} has not answered within {LOOP_WITHIN:g} s: see the log of "
            "vrrp-agent"
        )


class _Tickets(Generic[T]):
    """Questions to the loop that wait for its answer, by ticket."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[T]] = {}

    async def ask(self, put: Callable[[int], None]) -> T:
        """Put a question under a new ticket; return the answer.

        Raises:
            TimeoutError: there was none.
        """
        ticket = next(self._numbers)
        self._waiting[ticket] = answer = asyncio.get_running_loop().create_future()
        put(ticket)
        try:
            return await asyncio.wait_for(answer, LOOP_WITHIN)
        finally:
            del self._waiting[ticket]

    def answered(self, ticket: int, answer: T) -> None:
        """Hand the answer to whoever waits for it; nobody does when it comes late."""
        waiting = self._waiting.get(ticket)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
