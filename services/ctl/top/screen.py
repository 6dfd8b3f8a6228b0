"""The lines of a screen, of any size. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

import msgspec

from ctl.top.model import PANES, Pane, State, rows
from ctl.top.rows import TITLES, Row
from vipbus.telemetry.logs import plain

Style = Literal["plain", "bar", "title", "focus", "chosen", "bad"]
_LEAST = 3
"""Lines of a pane: its title and two rows."""
_SMALL = 16
"""Lines of a screen on which the panes have no room beside each other."""
_KEYS: Final = "q quit  tab pane  up/down row  space pause  / filter"


class Line(msgspec.Struct, frozen=True):
    """One line."""

    text: str
    style: Style = "plain"


def draw(state: State, now: datetime, height: int, width: int) -> list[Line]:
    """Make exactly ``height`` lines of at most ``width`` letters."""
    head = _head(state, now, width)
    shares = heights(state, height - len(head) - 1)
    lines = [*head, *(line for pane in PANES for line in _pane(state, pane, shares[pane]))]
    lines = [*lines[: max(height - 1, 0)], *[Line("")] * (height - 1 - len(lines)), _foot(state)]
    return [Line(line.text[:width], line.style) for line in lines[:height]]


def heights(state: State, body: int) -> dict[Pane, int]:
    """Share lines among the panes: each a few, the focus what it wants, the events what is left."""
    if body < _SMALL - 2:
        return {pane: max(body, 0) if pane == state.focus else 0 for pane in PANES}
    wants = {pane: len(rows(state, pane)) + 1 for pane in PANES}
    shares = {pane: min(max(wants[pane], 2), _LEAST) for pane in PANES}
    left = body - sum(shares.values())
    events = min(left, 2) if state.focus != "events" else 0  # some news beside whatever is looked at
    shares["events"] += events
    left -= events
    for pane in (state.focus, "servers", "pools", "routers"):
        more = min(max(wants[pane] - shares[pane], 0), left)
        shares[pane] += more
        left -= more
    shares["events"] += left
    return shares


def _head(state: State, now: datetime, width: int) -> list[Line]:
    connection = state.connection
    held = "   PAUSED" if state.held is not None else ""
    sought = f"   filter {state.filter!r}" if state.filter and not state.typing else ""
    where = f"   bus {connection.bus}" if connection.bus else ""
    clock = now.astimezone().strftime("%H:%M:%S")
    problem = plain(connection.problem)
    away = f"AWAY: {problem}; what was last heard stands below" if problem else ""
    return [
        Line(f"vipbus top {clock}{held}{sought}{where}{'' if away else ', connected'}", "bar"),
        *(Line(text, "bad") for text in textwrap.wrap(away, max(width, 20), break_on_hyphens=False)),
    ]


def _foot(state: State) -> Line:
    if state.typing:
        return Line(f"filter: {state.filter}_   enter keeps it, esc takes it away", "focus")
    return Line(_KEYS, "bar")


def _pane(state: State, pane: Pane, height: int) -> Iterator[Line]:
    if height < 1:
        return
    focused = pane == state.focus
    yield Line(TITLES[pane], "focus" if focused else "title")
    there = rows(state, pane)
    place = _place(state, pane, there)
    start = min(max(place - (height - 1) // 2, 0), max(len(there) - height + 1, 0))
    shown = there[start : start + height - 1]
    for number, row in enumerate(shown, start):
        # the pool whose servers stand below stays marked
        marked = number == place and (focused or pane == "pools")
        yield Line(row.text, "chosen" if marked else "plain")
    yield from [Line("")] * (height - 1 - len(shown))


def _place(state: State, pane: Pane, there: tuple[Row, ...]) -> int:
    key = state.chosen.get(pane)
    found = next((number for number, row in enumerate(there) if row.key == key), None)
    return (len(there) - 1 if pane == "events" else 0) if found is None else found
