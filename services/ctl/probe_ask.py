"""Has checks run now: in a process of this host, or by a replica of the prober."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ctl.children import python_module
from ctl.probe_plan import Plan
from ctl.probe_render import HERE
from vipbus.bus import Bus, BusAwayError, Follow, RefusedError
from vipbus.contracts import Entity, Member, ProbeReport, command_subject, name_token, per_prober
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.child import NoAnswerError, answer_of

SERVICE = "health-prober"
_FILE_WITHIN = 60.0
"""Seconds; the largest known file takes some ten on a slow machine."""
_LOOK = 0.2
"""Seconds between two looks at whether a replica lives."""
_LAST_WORDS = 2.0
"""Seconds in which a replica whose lease has ended may answer all the same."""
COMMAND = python_module("health_prober.probe_now")


class FileRefusedError(Exception):
    """A file is refused, or could not be read; ``lines`` say why."""

    def __init__(self, file: Path, lines: Iterable[str]) -> None:
        super().__init__(f"nothing was tried: {file} is refused")
        self.lines = tuple(lines)


async def entities_of(file: Path, router: str | None = None) -> tuple[Entity, ...]:
    """Read what a configuration file says, as config-service would; for a router, or for whom it names.

    Raises:
        FileRefusedError: it would not take it.
    """
    named = ("--router", router) if router is not None else ()
    command = python_module("config_service", "check", "--print-entities", *named, "--", str(file))
    try:
        return msgspec.json.decode(
            await answer_of(command, b"", within=_FILE_WITHIN), type=tuple[Entity, ...]
        )
    except NoAnswerError as error:
        lines = [line for line in error.complaints.split("\n") if line.strip()]
        raise FileRefusedError(file, lines or [str(error)]) from None
    except UNREADABLE as error:
        raise FileRefusedError(file, [f"config_service answered what is not understood: {error}"]) from None


async def ask_here(plan: Plan, command: tuple[str, ...] = COMMAND) -> ProbeReport | str:
    """Run the checks from this host; return what was found, or in words why nothing was."""
    elsewhere = "; `--from all` asks the replicas of health-prober instead"
    try:
        told = await answer_of(command, msgspec.json.encode(plan.targets), within=plan.within)
        report = msgspec.json.decode(told, type=ProbeReport)
    except NoAnswerError as error:
        return f"the checks cannot be run here: {error}{elsewhere}"
    except UNREADABLE as error:
        said = f"what is not understood ({error})" if told else "nothing"
        return f"the checks cannot be run here: the process that runs them answered {said}{elsewhere}"
    return msgspec.structs.replace(report, prober=HERE)


async def ask_replica(bus: Bus, prober: str, plan: Plan, member: Follow[Member]) -> ProbeReport | str:
    """Have a replica run the checks; return what it found, or in words why there is nothing.

    One whose lease has ended is not waited for much longer.
    """
    asking = asyncio.ensure_future(_request(bus, prober, plan))
    try:
        while name_token(prober) in member.entries:
            if (await asyncio.wait({asking}, timeout=_LOOK))[0]:
                return asking.result()
        if (await asyncio.wait({asking}, timeout=_LAST_WORDS))[0]:
            return asking.result()
    finally:
        asking.cancel()
    return f"{prober}: no answer of health-prober: its lease has ended, so it has stopped or lost the bus"


async def _request(bus: Bus, prober: str, plan: Plan) -> ProbeReport | str:
    subject = command_subject(SERVICE, per_prober("probe", name_token(prober)))
    body = msgspec.json.encode(plan.asked)
    try:
        report = msgspec.json.decode(await bus.request(subject, body, timeout=plan.within), type=ProbeReport)
    except BusAwayError as error:
        return f"{prober}: no answer of health-prober ({error}); try again, or look at its log"
    except RefusedError as error:
        return f"{prober}: {error}"
    except UNREADABLE as error:
        return f"{prober}: health-prober answered what is not understood: {error}"
    return f"{prober}: {report.reason}" if report.reason else msgspec.structs.replace(report, prober=prober)
