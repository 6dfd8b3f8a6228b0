"""``vipbus plan``: what would change in the kernel's table of each router, without changing it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ctl.exits import EXIT_NO, EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.plan_render import render
from ctl.probe_ask import FileRefusedError, entities_of
from ctl.programmers import NoRouterError, ask, routers
from vipbus.bus import Bus, BusAwayError, NoBusError
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import Entity, IpvsSettings, RealServer, TcpCheck, VirtualServer, VrrpInstance
from vipbus.contracts.table_commands import PlannedConfiguration, PlanTable, TablePlan
from vipbus.runtime.ending import run_to_end
from vipbus.telemetry.logs import plain

_BUS_WITHIN = 3.0
_ANSWER_WITHIN = 60.0
"""Seconds; a table of 37,298 takes one or two, and on a kernel that is emulated some twenty."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the question."""

    plans: tuple[TablePlan, ...]
    missing: tuple[str, ...]
    """Who did not answer as it should, a line each."""


def main(*, bus: str | None, state_dir: Path, file: Path | None, router: str | None, as_json: bool) -> int:
    """Print the plans; return 0: nothing to do, 1: something would change, 2: refused, 3: not all told."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    if router == "":
        return complain("plan", "an empty name names nothing", EXIT_WRONG)
    try:
        found = run_to_end(_ask_all(find(bus, state_dir), file, router))
    except FileRefusedError as error:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in error.lines))
        return complain("plan", f"{file} is refused", EXIT_WRONG)
    except NoRouterError as error:
        return complain("plan", str(error), EXIT_WRONG)
    except (NoBusError, BusAwayError) as error:
        return complain("plan", str(error), EXIT_NOT_DONE)
    if found.plans:
        _print(found.plans, as_json=as_json)
    for text in found.missing:
        complain("plan", text, EXIT_NOT_DONE)
    return status(found)


def status(found: Found) -> int:
    """Make the exit status: what is not known is worse than what would change."""
    if found.missing:
        return EXIT_NOT_DONE
    return EXIT_NO if any(plan.counts for plan in found.plans) else 0


def planned(source: Path, entities: Iterable[Entity]) -> PlannedConfiguration:
    """Take what decides a table out of a configuration; one check stands for all, so that many fit."""
    entities = tuple(entities)
    return PlannedConfiguration(
        source=str(source),
        instances=tuple(each for each in entities if isinstance(each, VrrpInstance)),
        virtual_servers=tuple(each for each in entities if isinstance(each, VirtualServer)),
        real_servers=tuple(_slim(each) for each in entities if isinstance(each, RealServer)),
        ipvs=next((each for each in entities if isinstance(each, IpvsSettings)), None),
    )


def _slim(real: RealServer) -> RealServer:
    checks = (TcpCheck(address=real.address, port=real.port),) if real.checks else ()
    return msgspec.structs.replace(real, checks=checks, notify_up=None, notify_down=None)


def _print(plans: Sequence[TablePlan], *, as_json: bool) -> None:
    if as_json:
        write_json(plans)
    else:
        write(render(plans, colour=coloured()))


async def _ask_all(address: BusAddress, file: Path | None, router: str | None) -> Found:
    bus = Bus(address, source="vipbus-plan")
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        # one after the other: a large file takes a processor for seconds
        answers = [await _ask(bus, name, file) for name in await routers(bus, router)]
    finally:
        await bus.close()
    return Found(
        plans=tuple(answer for answer in answers if isinstance(answer, TablePlan)),
        missing=tuple(answer for answer in answers if isinstance(answer, str)),
    )


async def _ask(bus: Bus, router: str, file: Path | None) -> TablePlan | str:
    configuration = planned(file, await entities_of(file, router)) if file is not None else None
    asked = PlanTable(configuration=configuration)
    answer = await ask(bus, router, "plan", asked, TablePlan, within=_ANSWER_WITHIN)
    if isinstance(answer, TablePlan) and answer.reason:
        return f"{router}: {answer.reason}"
    return answer
