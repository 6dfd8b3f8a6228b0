"""``vipbus table``: each router's table in the kernel, its pools in HAProxy, and what goes through them."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.probe_names import UnknownNameError
from ctl.programmers import NoRouterError
from ctl.table_read import Board, Counted, looked_at
from ctl.table_render import render
from ctl.table_report import RouterReport
from vipbus.bus import BusAwayError, NoBusError
from vipbus.bus.address import BusAddress, find
from vipbus.runtime.ending import run_to_end

_EVERY = 1.0
"""Seconds between two reads."""
_HOME = "\033[H\033[J"
"""Cursor to the first column of the first line, and everything from there on cleared."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks."""

    virtual_server: str | None = None
    router: str | None = None
    live: bool = False


def main(*, bus: str | None, state_dir: Path, question: Question, as_json: bool) -> int:
    """Print the tables; return 0, 2 when there is no such thing, 3 when not every kernel was read."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    if "" in {name.strip() for name in (question.router, question.virtual_server) if name is not None}:
        return complain("table", "an empty name names nothing", EXIT_WRONG)
    try:
        address = find(bus, state_dir)
        if question.live and not as_json and sys.stdout.isatty():
            return run_to_end(_draw(address, question))
        reports = run_to_end(_once(address, question))
    except (NoRouterError, UnknownNameError) as error:
        return complain("table", str(error), EXIT_WRONG)
    except (NoBusError, BusAwayError) as error:
        return complain("table", str(error), EXIT_NOT_DONE)
    except KeyboardInterrupt:
        if not question.live:
            raise
        return 0  # that is how looking on ends
    _print(reports, as_json=as_json)
    return status(reports)


def status(reports: Sequence[RouterReport]) -> int:
    """Make the exit status, and say who was not read."""
    unread = [
        f"{report.router}: {problem}"
        for report in reports
        for problem in (report.problem, report.proxy_problem)
        if problem
    ]
    for text in unread:
        complain("table", text, EXIT_NOT_DONE)
    return EXIT_NOT_DONE if unread else 0


def screen(text: str, lines: int) -> str:
    """Cut a text to so many lines, and say how many there are more."""
    whole = text.rstrip("\n").split("\n")
    if len(whole) <= lines:
        return "\n".join(whole)
    kept = whole[: max(lines - 1, 1)]
    return "\n".join([*kept, f"and {len(whole) - len(kept)} lines more: name one virtual server or pool"])


def _print(reports: Sequence[RouterReport], *, as_json: bool) -> None:
    if as_json:
        write_json(reports)
    else:
        write(render(reports, datetime.now(UTC), colour=coloured()))


async def _once(address: BusAddress, question: Question) -> list[RouterReport]:
    async with looked_at(address) as board:
        before = None
        if question.live:
            before = await board.counted(board.chosen(question.router, question.virtual_server))
            await asyncio.sleep(_EVERY)
        return (await _look(board, question, before))[0]


async def _draw(address: BusAddress, question: Question) -> int:
    """Draw the tables each second until the end."""
    loop = asyncio.get_running_loop()
    async with looked_at(address) as board:
        before = await board.counted(board.chosen(question.router, question.virtual_server))
        due = loop.time()
        while True:
            due = max(due + _EVERY, loop.time())
            await asyncio.sleep(due - loop.time())
            reports, before = await _look(board, question, before)
            text = render(reports, datetime.now(UTC), colour=coloured())
            height = shutil.get_terminal_size().lines
            write(_HOME + screen(text, height))


async def _look(
    board: Board, question: Question, before: dict[str, Counted] | None
) -> tuple[list[RouterReport], dict[str, Counted]]:
    scopes = board.chosen(question.router, question.virtual_server)
    counted = await board.counted(scopes)
    return board.reports(scopes, counted, before), counted
