"""What is shown, and what keys and news do to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from ctl.top.rows import News, Row, server_rows

Pane = Literal["routers", "pools", "servers", "events"]
PANES: Final[tuple[Pane, ...]] = get_args(Pane)
KEPT = 500
"""Events that are kept to look back at."""
_PAGE = 10
_FILTER = 60
"""Letters of a filter."""


class Happened(msgspec.Struct, frozen=True):
    """Events that came."""

    rows: tuple[Row, ...]


class Connection(msgspec.Struct, frozen=True):
    """How the bus is."""

    bus: str
    problem: str
    """Why nothing new comes; empty: it does."""


class Key(msgspec.Struct, frozen=True):
    """A key was pressed: a letter, or a name such as ``up``."""

    name: str


Event = News | Happened | Connection | Key


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known."""

    news: News = News()
    events: tuple[Row, ...] = ()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown."""

    connection: Connection = Connection("", "looking for the bus")
    live: Seen = Seen()
    held: Seen | None = None
    """What was known when it was paused; None: it is not."""
    focus: Pane = "pools"
    chosen: Mapping[Pane, str] = {}
    """Keys of rows; a pane without one shows its first row, and of the events the last."""
    filter: str = ""
    typing: bool = False
    """True while the filter is being written."""
    ended: bool = False

    @property
    def shown(self) -> Seen:
        """What is known, or was when it was paused."""
        return self.held if self.held is not None else self.live


def rows(state: State, pane: Pane) -> tuple[Row, ...]:
    """Give the rows of a pane that pass the filter; the servers are those of the chosen pool."""
    news = state.shown.news
    if pane == "events":
        found = state.shown.events
    elif pane == "servers":
        pool = chosen(state, "pools")
        found = server_rows(news, pool.key) if pool is not None else ()
    else:
        found = news.routers if pane == "routers" else news.pools
    word = state.filter.casefold()
    # what is of the chosen pool is wanted, whatever it is called
    return (
        found if not word or pane == "servers" else tuple(row for row in found if word in row.text.casefold())
    )


def chosen(state: State, pane: Pane) -> Row | None:
    """Give the chosen row of a pane; None: there are no rows."""
    there = rows(state, pane)
    if not there:
        return None
    return there[_place(state, pane, there)]


def _place(state: State, pane: Pane, there: tuple[Row, ...]) -> int:
    key = state.chosen.get(pane)
    for number, row in enumerate(there):
        if row.key == key:
            return number
    return len(there) - 1 if pane == "events" else 0


def update(state: State, event: Event) -> State:
    """Take in what happened."""
    match event:
        case Connection():
            return msgspec.structs.replace(state, connection=event)
        case News():
            return _live(state, news=event)
        case Happened():
            return _live(state, events=(*state.live.events, *event.rows)[-KEPT:])
        case Key(name):
            return _typed(state, name) if state.typing else _pressed(state, name)


def _live(state: State, **more: object) -> State:
    return msgspec.structs.replace(state, live=msgspec.structs.replace(state.live, **more))


def _pressed(state: State, key: str) -> State:
    there = rows(state, state.focus)
    moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -_PAGE, "pagedown": _PAGE}
    moves |= {"home": -len(there), "end": len(there)}
    if key in moves:
        return _moved(state, there, moves[key])
    match key:
        case "q" | "Q":
            return msgspec.structs.replace(state, ended=True)
        case "tab" | "right" | "backtab" | "left":
            step = 1 if key in ("tab", "right") else -1
            place = (PANES.index(state.focus) + step) % len(PANES)
            return msgspec.structs.replace(state, focus=PANES[place])
        case " " | "p":
            return msgspec.structs.replace(state, held=state.live if state.held is None else None)
        case "/":
            return msgspec.structs.replace(state, typing=True)
        case "esc":
            return msgspec.structs.replace(state, filter="")
    return state


def _moved(state: State, there: tuple[Row, ...], step: int) -> State:
    if not there:
        return state
    place = min(max(_place(state, state.focus, there) + step, 0), len(there) - 1)
    kept = {pane: key for pane, key in state.chosen.items() if pane != state.focus}
    if state.focus == "events" and place == len(there) - 1:
        return msgspec.structs.replace(state, chosen=kept)  # at its end it goes on with what comes
    return msgspec.structs.replace(state, chosen={**kept, state.focus: there[place].key})


def _typed(state: State, key: str) -> State:
    match key:
        case "enter":
            return msgspec.structs.replace(state, typing=False)
        case "esc":
            return msgspec.structs.replace(state, typing=False, filter="")
        case "backspace":
            return msgspec.structs.replace(state, filter=state.filter[:-1])
    if len(key) == 1 and key.isprintable():
        return msgspec.structs.replace(state, filter=(state.filter + key)[:_FILTER])
    return state
