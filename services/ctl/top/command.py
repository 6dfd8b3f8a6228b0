"""Follow a bus, and draw what it says until q."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ctl.election import Election
from ctl.exits import EXIT_WRONG
from ctl.order import InOrder
from ctl.output import coloured, complain
from ctl.summary import line
from ctl.table_read import Board, Counted
from ctl.top.model import Connection, Event, Happened, Key, State, update
from ctl.top.rows import Row, news
from ctl.top.screen import draw
from ctl.top.tty import Terminal
from vipbus.bus import Bus, BusAwayError, NoBusError, Record, records
from vipbus.bus.address import find
from vipbus.runtime.ending import run_to_end

_EVERY = 1.0
"""Seconds between two looks."""
_REST = 4.0
"""How much longer nobody is asked than the answer took."""
_BETWEEN = 0.03
"""Seconds between two drawings: a flood of events is drawn as it comes, and keys are not late."""
_DATE = 11
"""Letters of a date, which is seldom another than today's."""
_TAIL = 200
"""Events of the history that are shown at the beginning."""

Tell = Callable[[Event], None]


def main(*, bus: str | None, state_dir: Path) -> int:
    """Draw until the end; return 0, or 2 where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        text = "this is no terminal; `vipbus status` and `vipbus table` print the same once"
        return complain("top", text, EXIT_WRONG)
    logging.getLogger().addHandler(logging.NullHandler())  # a log line would stand in the picture
    with Terminal(colour=coloured()) as terminal:
        return run_to_end(_run(terminal, bus, state_dir))


async def _run(terminal: Terminal, bus: str | None, state_dir: Path) -> int:
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    watching = asyncio.ensure_future(_watch(bus, state_dir, events.put_nowait))
    state = State()
    with _Wired(terminal, events):
        while not state.ended:
            terminal.show(draw(state, datetime.now(UTC), *terminal.size))
            with suppress(TimeoutError):
                event = await asyncio.wait_for(events.get(), _EVERY)  # the clock goes on without news
                while True:
                    state = update(state, event) if event is not None else state
                    if events.empty():
                        break
                    event = events.get_nowait()
                await asyncio.sleep(_BETWEEN)
            if watching.done():
                watching.result()  # nothing ends it but a fault
    watching.cancel()
    return 0


class _Wired:
    """Keys, the window's size and signals, as events; None is a reason to draw again."""

    def __init__(self, terminal: Terminal, events: asyncio.Queue[Event | None]) -> None:
        self._terminal = terminal
        self._events = events
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        self._loop.add_reader(self._terminal.input, self._read)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._quit)
        self._loop.add_signal_handler(signal.SIGWINCH, self._resized)
        self._loop.add_signal_handler(signal.SIGTSTP, self._stopped)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._terminal.input)

    def _read(self) -> None:
        try:
            for name in self._terminal.read():
                self._events.put_nowait(Key(name))
        except EOFError:
            self._loop.remove_reader(self._terminal.input)
            self._quit()

    def _quit(self) -> None:
        # esc first: in a filter that is being written q is a letter
        self._events.put_nowait(Key("esc"))
        self._events.put_nowait(Key("q"))

    def _resized(self) -> None:
        self._terminal.anew()
        self._events.put_nowait(None)

    def _stopped(self) -> None:
        self._terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._terminal.enter()
        self._events.put_nowait(None)


async def _watch(bus: str | None, state_dir: Path, tell: Tell) -> None:
    """Follow the bus for ever; one that is not there is looked for again each second."""
    history = _History(tell)
    while True:
        try:
            connection = Bus(find(bus, state_dir), source="vipbus-top")
        except NoBusError as error:
            tell(Connection("", str(error)))
            await asyncio.sleep(_EVERY)
            continue
        board, election = Board(connection), Election(connection)
        connection.start()
        tasks = [
            asyncio.ensure_future(_look(connection, board, election, tell)),
            asyncio.ensure_future(history.follow(connection)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await asyncio.sleep(_EVERY)
        finally:
            for task in tasks:
                task.cancel()
            await connection.close()


async def _look(bus: Bus, board: Board, election: Election, tell: Tell) -> None:
    """Tell what the bus says, each second, until it wants no more of this client."""
    clock = asyncio.get_running_loop().time
    before: dict[str, Counted] | None = None
    while not bus.closed.is_set():
        began = clock()
        try:
            await asyncio.gather(board.read(), election.read())
            scopes = board.chosen(None, None)
            counted = await board.counted(scopes)
            reports = board.reports(scopes, counted, before)
            before = counted
            tell(news(election.roles, election.answering, reports, datetime.now(UTC)))
            tell(Connection(str(bus.address), ""))
        except BusAwayError as error:
            before = None
            tell(Connection(str(bus.address), str(error)))
            await asyncio.sleep(_EVERY)
            continue
        # whoever looks on must not keep the routers busy: a large table takes seconds to count
        took = clock() - began
        await asyncio.sleep(max(_EVERY - took, _REST * took))


class _History:
    """What happened, from a little before the beginning on, over every change of the connection."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._seen = 0
        self._past = InOrder()

    async def follow(self, bus: Bus) -> None:
        """Tell what comes, until it is cancelled."""
        while True:
            tail = 0 if self._seen else _TAIL
            try:
                await bus.usable(None)
                async for record in records(bus, "vipbus.>", after=self._seen, tail=tail, follow=True):
                    self._seen = record.sequence
                    self._told(self._past.take(record))
            except BusAwayError:
                self._told(self._past.rest())
                await asyncio.sleep(_EVERY)

    def _told(self, found: Iterable[Record]) -> None:
        self._tell(Happened(tuple(Row(str(each.sequence), line(each)[_DATE:]) for each in found)))
