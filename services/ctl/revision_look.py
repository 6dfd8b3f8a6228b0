"""``vipbus config history``, ``show`` and ``diff``: look at revisions, and at what a file would change."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ctl import revision_render as render
from ctl.answers import DiffAnswer
from ctl.exits import EXIT_NO, EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.plan import planned
from ctl.plan_render import render as render_plans
from ctl.probe_ask import FileRefusedError, entities_of
from ctl.programmers import NoRouterError
from ctl.programmers import ask as ask_programmer
from ctl.revision_ask import NotAnsweredError, ask, ask_with_files, heads, heads_for, the_head, with_bus
from vipbus.bus import Bus, BusAwayError, NoBusError, RefusedError
from vipbus.bus.address import find
from vipbus.contracts import Head
from vipbus.contracts.config_commands import (
    ConfigDiff,
    ConfigHistory,
    DiffConfig,
    ReadHistory,
    ShownRevision,
    ShowRevision,
)
from vipbus.contracts.table_commands import PlanTable, TablePlan
from vipbus.runtime.ending import run_to_end
from vipbus.telemetry.logs import plain

R = TypeVar("R")
_PLAN_WITHIN = 60.0


class EndError(Exception):
    """Ends a command with one line and an exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def run(bus: str | None, state_dir: Path, work: Callable[[Bus], Awaitable[R]]) -> R:
    """Do something on the bus.

    Raises:
        EndError: it could not be done.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    try:
        return run_to_end(with_bus(find(bus, state_dir), work))
    except FileRefusedError as error:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in error.lines))
        raise EndError("the file is refused", EXIT_WRONG) from None
    except (NoRouterError, RefusedError) as error:
        raise EndError(str(error), EXIT_WRONG) from None
    except (NoBusError, BusAwayError, NotAnsweredError) as error:
        raise EndError(str(error), EXIT_NOT_DONE) from None


def history(*, bus: str | None, state_dir: Path, router: str | None, most: int, as_json: bool) -> int:
    """Print the kept revisions of each router."""

    async def work(alive: Bus) -> list[ConfigHistory]:
        asked = ReadHistory(most=most)
        found = await heads(alive, router)
        return [await ask(alive, each.router, "history", asked, ConfigHistory) for each in found]

    try:
        found = run(bus, state_dir, work)
    except EndError as error:
        return complain("config history", str(error), error.status)
    if as_json:
        write_json(found)
    else:
        now = datetime.now(UTC)
        lines = [line for each in found for line in render.history(each, now)]
        write(render.text(lines, colour=coloured()))
    return 0


def show(*, bus: str | None, state_dir: Path, router: str | None, revision: int, as_json: bool) -> int:
    """Print one revision."""

    async def work(alive: Bus) -> ShownRevision:
        head = await the_head(alive, router)
        asked = ShowRevision(revision=revision, entities=as_json)
        return await ask(alive, head.router, "show", asked, ShownRevision)

    try:
        found = run(bus, state_dir, work)
    except EndError as error:
        return complain("config show", str(error), error.status)
    if as_json:
        write_json(found)
    else:
        write(render.text([*render.shown(found, datetime.now(UTC))], colour=coloured()))
    return 0


def diff(
    *, bus: str | None, state_dir: Path, router: str | None, file: Path, table: bool, as_json: bool
) -> int:
    """Print what a file would change; return 0: nothing, 1: something, 2: it is refused, 3: not known."""
    missing: list[str] = []

    async def work(alive: Bus) -> list[DiffAnswer]:
        return [await one(alive, head) for head in await heads_for(alive, router, file)]

    async def one(alive: Bus, head: Head) -> DiffAnswer:
        found = await ask_with_files(
            alive, head, "diff", file, (lambda files: DiffConfig(files=files), ConfigDiff)
        )
        if found.reason or not table:
            return DiffAnswer(config=found)
        asked = PlanTable(configuration=planned(file, await entities_of(file, head.router)))
        plan = await ask_programmer(alive, head.router, "plan", asked, TablePlan, within=_PLAN_WITHIN)
        if isinstance(plan, TablePlan) and not plan.reason:
            return DiffAnswer(config=found, table=plan)
        missing.append(plan if isinstance(plan, str) else f"{head.router}: {plan.reason}")
        return DiffAnswer(config=found)

    try:
        found = run(bus, state_dir, work)
    except EndError as error:
        return complain("config diff", str(error), error.status)
    if as_json:
        write_json(found)
    refused = "".join(f"{each.config.reason}\n" for each in found if each.config.reason)
    if refused:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in refused.splitlines()))
        return complain("config diff", f"{file} is refused", EXIT_WRONG)
    if not as_json:
        _print(found)
    for text in missing:
        complain("config diff", f"{text}; --no-table leaves the kernel's table out", EXIT_NOT_DONE)
    return EXIT_NOT_DONE if missing else EXIT_NO if any(map(_differs, found)) else 0


def _differs(found: DiffAnswer) -> bool:
    config, table = found.config, found.table
    return bool(config.added or config.changed or config.removed or (table is not None and table.counts))


def _print(found: list[DiffAnswer]) -> None:
    for each in found:
        sys.stderr.write("".join(f"warning: {plain(line)}\n" for line in each.config.warnings))
        write(render.text([*render.diff(each.config)], colour=coloured()))
        if each.table is not None:
            write(f"in the kernel's table, {render_plans([each.table], colour=coloured())}")
