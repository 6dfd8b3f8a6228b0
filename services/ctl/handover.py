"""``vipbus handover``: have the active router leave an instance's role to another, and see who follows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ctl.answers import HandoverAnswer
from ctl.election import SERVICE, Election, looked_at
from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.handover_plan import Plan, Problem, plan
from ctl.handover_progress import Progress
from ctl.output import complain, say, write_json
from vipbus.bus import BusAwayError, NoBusError, RefusedError
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import Handover, HandoverResult, command_subject, name_token, per_router
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.ending import run_to_end

_ANSWER_WITHIN = 5.0
"""Seconds: more than the agent takes to ask the router that is to follow, and its own loop."""
_LOOK = 0.1
"""Seconds between two looks at whether whoever was heard to follow has come onto the bus."""


class _StopError(Exception):
    """Ends the command with one line and an exit status."""

    def __init__(self, text: str, status: int = EXIT_NOT_DONE) -> None:
        super().__init__(text)
        self.status = status


class _Story:
    """What is known so far, and whether lines tell it."""

    def __init__(self, *, lines: bool) -> None:
        self.plan: Plan | None = None
        self.progress: Progress | None = None
        self._lines = lines

    def say(self, text: str) -> None:
        """Tell a line, unless it is all told at the end."""
        if self._lines:
            say(text)

    def answer(self, reason: str) -> HandoverAnswer | None:
        """Tell all of it; None: there was nothing to hand over."""
        if self.plan is None:
            return None
        return HandoverAnswer(
            done=not reason,
            router=self.plan.giver,
            instances=tuple(role.instance for role in self.plan.going),
            to=self.plan.to,
            successors=tuple(self.progress.successors) if self.progress else (),
            reason=reason,
        )


def main(
    *, bus: str | None, state_dir: Path, instance: str, to: str | None, wait: float, as_json: bool
) -> int:
    """Hand over; return 0 when it is done, 2 when the question makes no sense, 3 when it is not done."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    story = _Story(lines=not as_json)
    reason, status = "", 0
    try:
        run_to_end(_run(find(bus, state_dir), story, instance, to, wait))
    except _StopError as error:
        reason, status = str(error), error.status
    except (NoBusError, BusAwayError) as error:
        reason, status = str(error), EXIT_NOT_DONE
    answer = story.answer(reason)
    if as_json and answer is not None:
        write_json(answer)
    return complain("handover", reason, status) if reason else 0


async def _run(address: BusAddress, story: _Story, instance: str, to: str | None, wait: float) -> None:
    if not instance or to == "":
        raise _StopError("an empty name names nothing", EXIT_WRONG)
    async with looked_at(address, "vipbus-handover") as election:
        before = election.roles
        found = plan(before, election.answering, instance, to)
        if isinstance(found, Problem):
            raise _StopError(found.text, found.status)
        story.plan = found
        name = found.going[0].instance
        if found.done:
            story.say(f"{found.giver} is active for {name} already")
            return
        story.say(f"{found.giver} hands {name} over to {found.to or 'whoever is next'}")
        for note in found.notes:
            story.say(note)
        story.progress = progress = Progress(found, before, time.monotonic())
        await _request(election, found)
        if wait:
            await _until_followed(election, found, progress, story.say, wait)
        else:
            story.say("it has begun")


async def _request(election: Election, found: Plan) -> None:
    subject = command_subject(SERVICE, per_router("handover", name_token(found.giver)))
    body = msgspec.json.encode(Handover(instance=found.going[0].instance, to=found.to))
    who = f"the vrrp-agent of {found.giver}"
    try:
        answer = await election.bus.request(subject, body, timeout=_ANSWER_WITHIN)
        result = msgspec.json.decode(answer, type=HandoverResult)
    except BusAwayError as error:
        raise _StopError(f"{who} does not answer ({error}); look at its log") from None
    except (RefusedError, *UNREADABLE) as error:
        raise _StopError(f"{who} answers with an error: {error}") from None
    if not result.accepted:
        raise _StopError(f"{found.giver} refuses: {result.reason}")


async def _until_followed(
    election: Election, found: Plan, progress: Progress, tell: Callable[[str], None], wait: float
) -> None:
    """Wait until every role that went has a successor, and say which.

    Raises:
        _StopError: one has none in time, or another than was asked for.
    """
    until = time.monotonic() + wait
    while True:
        now = time.monotonic()
        for line in progress.look(election.roles, now):
            tell(line)
        if not progress.missing:
            break
        if now >= until:
            raise _StopError(_nobody_followed(election, progress, wait))
        await election.change(min(until - now, _LOOK) if progress.heard else until - now)
    if progress.wrong:
        tells = f"`vipbus vrrp show {found.going[0].instance}` tells the priorities"
        raise _StopError(f"{progress.wrong} followed, not {found.to}; {tells}")


def _nobody_followed(election: Election, progress: Progress, wait: float) -> str:
    if not election.bus.connected:
        return f"the bus at {election.bus.address} went away, and who is active is not known here"
    first, *_ = progress.missing.values()
    still = "".join(
        f"; {role.router} is {role.role}: {role.cause}" for role in election.roles if role.key == first.key
    )
    return (
        f"no other router is active for {', '.join(progress.missing)} after {wait:g} s{still}; `vipbus vrrp "
        f"show {first.instance}` tells how the others are"
    )
