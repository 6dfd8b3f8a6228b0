"""``vipbus drain``, ``disable`` and ``enable``: say it, and see what the routers' tables have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ctl.answers import OperateAnswer
from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.operate_progress import Progress
from ctl.output import complain, say, write_json
from ctl.words import OPERATED, count, from_token
from vipbus.bus import Bus, BusAwayError, NoBusError, RefusedError, conditions
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import (
    HEALTH,
    PROXY,
    TABLE,
    Operate,
    OperateResult,
    Verdict,
    VirtualServerTable,
    command_subject,
)
from vipbus.contracts.limits import UNREADABLE

_BUS_WITHIN = 3.0
_ANSWER_WITHIN = 15.0
"""Seconds: config-service reads the configuration of the whole bus to say which names come near."""
_NAMED = 8
"""Pools named in a line of their own."""


class _StopError(Exception):
    """Ends the command with one line and an exit status."""

    def __init__(self, text: str, status: int = EXIT_NOT_DONE) -> None:
        super().__init__(text)
        self.status = status


class _Story:
    """What is known so far, and whether lines tell it."""

    def __init__(self, asked: Operate, *, lines: bool) -> None:
        self.asked = asked
        self.keys: tuple[str, ...] = ()
        self.progress: Progress | None = None
        self._lines = lines

    def say(self, lines: Iterable[str]) -> None:
        """Tell lines, unless it is all told at the end."""
        for line in lines if self._lines else ():
            say(line)

    def answer(self, reason: str) -> OperateAnswer:
        """Tell all of it."""
        return OperateAnswer(
            done=not reason,
            state=self.asked.state,
            by=self.asked.by,
            why=self.asked.why,
            keys=self.keys,
            tables=tuple(self.progress.tables()) if self.progress else (),
            reason=reason,
        )


def main(*, bus: str | None, state_dir: Path, verb: str, asked: Operate, wait: float, as_json: bool) -> int:
    """Do it; return 0 when every table has it, 2 when it was refused, 3 when it is not done."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    story = _Story(asked, lines=not as_json)
    reason, status = "", 0
    try:
        if not asked.real_server or asked.virtual_server == "" or not asked.by:
            raise _StopError("an empty name names nothing", EXIT_WRONG)
        asyncio.run(_run(find(bus, state_dir), story, wait))
    except _StopError as error:
        reason, status = str(error), error.status
    except (NoBusError, BusAwayError) as error:
        reason, status = str(error), EXIT_NOT_DONE
    if as_json:
        write_json(story.answer(reason))
    return complain(verb, reason, status) if reason else 0


async def _run(address: BusAddress, story: _Story, wait: float) -> None:
    bus = Bus(address, source="vipbus-operate")
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        result = await _ask(bus, story.asked)
        story.keys = result.keys
        story.say(_said(story.asked, result.keys))
        if not result.accepted:
            raise _StopError(result.reason, EXIT_WRONG)
        if wait:
            await _until_done(bus, story, wait)
    finally:
        await bus.close()


async def _ask(bus: Bus, asked: Operate) -> OperateResult:
    subject = command_subject("config-service", "operate")
    try:
        answer = await bus.request(subject, msgspec.json.encode(asked), timeout=_ANSWER_WITHIN)
        return msgspec.json.decode(answer, type=OperateResult)
    except RefusedError as error:
        raise _StopError(str(error), EXIT_WRONG) from None
    except UNREADABLE as error:
        raise _StopError(f"config-service answered what is not understood: {error}") from None


def _said(asked: Operate, keys: Sequence[str]) -> list[str]:
    how = f"{OPERATED[asked.state]} by {asked.by}" + (f": {asked.why}" if asked.why else "")
    pairs = [key.split(".") for key in keys]
    if len(pairs) > _NAMED:
        return [f"{from_token(pairs[0][-1])} of {count(len(pairs), 'virtual server')} {how}"]
    return [f"{from_token(real)} of {from_token(virtual)} {how}" for virtual, real in pairs]


async def _until_done(bus: Bus, story: _Story, wait: float) -> None:
    """Wait until every router's table has it as was said, and say what each has.

    Raises:
        _StopError: some have not.
    """
    asked, keys = story.asked, story.keys
    virtual = {key.partition(".")[0] for key in keys}
    changed = asyncio.Event()
    pattern = next(iter(virtual)) if len(virtual) == 1 else "*"
    follow = bus.follow(TABLE, f"*.virtual-server.{pattern}", on_change=changed.set)
    pools = bus.follow(PROXY, f"*.{pattern}", on_change=changed.set)
    asked_who = asyncio.gather(conditions(bus, "ipvs-programmer"), conditions(bus, "haproxy-programmer"))
    verdicts: dict[str, Verdict] = {}
    if asked.state is None:
        real = keys[0].partition(".")[2]
        verdicts = {key: entry.value for key, entry in (await bus.read(HEALTH, f"*.{real}")).items()}
    answering, proxied = ({each.router for each in found if each.router} for found in await asked_who)
    story.progress = progress = Progress(asked.state, keys, verdicts, answering, proxied)
    done = False
    try:
        async with asyncio.timeout(wait):
            while not done:
                await changed.wait()
                changed.clear()
                done = follow.live and pools.live
                done = done and progress.look(
                    [table for table in follow.values() if isinstance(table, VirtualServerTable)],
                    pools.values(),
                )
    except TimeoutError:
        if not (follow.live and pools.live):
            raise _StopError(f"the routers' tables were not read within {wait:g} s") from None
    story.say(progress.lines())
    if progress.undone:
        raise _StopError(
            f"{', '.join(progress.undone)} {'has' if len(progress.undone) == 1 else 'have'} it otherwise "
            f"after {wait:g} s; `vipbus status` tells how its programmers are there"
        )
