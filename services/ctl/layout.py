"""How reports are laid out: a name, and from a fixed column on what there is to say of it."""

from __future__ import annotations

import textwrap

from vipbus.telemetry.logs import plain

WIDTH = 100
INDENT = 18


def row(name: str, text: str) -> list[str]:
    """Write a name and, from a fixed column on, what there is to say of it."""
    return wrapped(f"{plain(name):<{INDENT - 1}} {text}", 0, INDENT)


def wrapped(text: str, first: int, rest: int) -> list[str]:
    """Write text in lines of at most `WIDTH` columns, the first and the others indented by so much."""
    indent = " " * first
    lead = len(text) - len(text.lstrip())
    body = plain(text[lead:])
    if first + lead + len(body) <= WIDTH:
        return [indent + " " * lead + body]  # textwrap takes seconds for tens of thousands of lines
    return textwrap.wrap(
        body,
        WIDTH,
        initial_indent=indent + " " * lead,
        subsequent_indent=" " * rest,
        break_on_hyphens=False,
    )


_RED, _GREEN, _END = "\033[31m", "\033[32m", "\033[0m"
_BAD = (
    "NOT ",
    "DOWN",
    "UNKNOWN",
    "ERROR",
    "AWAY",
    "FAULT",
    "STOPPED",
    "LAST HEARD",
    "HELD",
    "BELOW",
    "DAMPED",
)


def paint(line: str) -> str:
    """Colour what is bad and who is active; the words say it already."""
    for word in _BAD:
        line = line.replace(word, f"{_RED}{word}{_END}", 1)
    return line.replace("ACTIVE", f"{_GREEN}ACTIVE{_END}", 1)
