"""``vipbus config reload``: have every running config-service, or one router's, read its file again."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import msgspec

from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import complain, say, write_json
from ctl.words import count
from vipbus.bus import Bus, BusAwayError, NoBusError, RefusedError, conditions
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import ReloadConfig, ReloadResult, command_subject, name_token, per_router
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.ending import run_to_end
from vipbus.telemetry.logs import plain

_COMMAND = "config reload"
_SERVICE = "config-service"
_BUS_WITHIN = 3.0
_ANSWER_WITHIN = 70.0
"""Seconds: more than config-service takes until it says that the bus does not take what the file says."""


def main(*, bus: str | None, state_dir: Path, router: str | None, as_json: bool) -> int:
    """Reload; print what became of it; return 0, 2 when the file was refused, 3 when nobody answered."""
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        result = run_to_end(_request(find(bus, state_dir), router))
    except RefusedError as error:
        return complain(_COMMAND, str(error), EXIT_WRONG)
    except (NoBusError, BusAwayError) as error:
        return complain(_COMMAND, str(error), EXIT_NOT_DONE)
    except UNREADABLE as error:
        return complain(_COMMAND, f"config-service answered what is not understood: {error}", EXIT_NOT_DONE)
    if as_json:
        write_json(result)
    runs = ", ".join(f"{name} runs revision {revision}" for name, revision in result.revisions)
    if not result.accepted:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in result.reason.split("\n")))
        return complain(_COMMAND, f"refused; {runs or 'nothing runs'}", EXIT_WRONG)
    sys.stderr.write("".join(f"warning: {plain(line)}\n" for line in result.warnings))
    if not as_json:
        say(f"accepted; {runs}")
    return 0


async def _request(address: BusAddress, router: str | None) -> ReloadResult:
    bus = Bus(address, source="vipbus-config")
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        return await (_ask_for(bus, router) if router else _ask_all(bus))
    finally:
        await bus.close()


async def _ask_for(bus: Bus, router: str) -> ReloadResult:
    subject = command_subject(_SERVICE, per_router("reload", name_token(router)))
    body = msgspec.json.encode(ReloadConfig(router=router))
    return msgspec.json.decode(await bus.request(subject, body, timeout=_ANSWER_WITHIN), type=ReloadResult)


async def _ask_all(bus: Bus) -> ReloadResult:
    """Have every config-service reload: who answers is known only by who is there."""
    there = sum(condition.service == _SERVICE for condition in await conditions(bus))
    subject = command_subject(_SERVICE, "reload")
    if not there:
        raise BusAwayError(f"nobody serves {subject}")
    body = msgspec.json.encode(ReloadConfig())
    answers = await bus.request_many(
        subject, body, quiet=_ANSWER_WITHIN, longest=_ANSWER_WITHIN, enough=there
    )
    results = [msgspec.json.decode(answer, type=ReloadResult) for answer in answers]
    reasons = [result.reason for result in results if not result.accepted]
    if len(results) < there:
        reasons.append(f"{there - len(results)} of {count(there, _SERVICE)} did not answer; see its log")
    return ReloadResult(
        accepted=not reasons,
        revisions=tuple(sorted(pair for result in results for pair in result.revisions)),
        reason="\n".join(reasons),
        warnings=tuple(text for result in results for text in result.warnings),
    )
