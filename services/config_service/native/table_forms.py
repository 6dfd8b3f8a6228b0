"""The readable forms of what virtual servers and real servers hold, turned into those of the contract.

What has none of these forms stays as it is: converting says what is wrong with it.
"""

from __future__ import annotations

from typing import Any, Final

from config_service.native.forms import program_form
from config_service.native.overrides import Table
from config_service.native.values import duration, percent
from config_service.native.walk import Misplaced
from config_service.problems import RefusedError, quoted

_PROGRAMS: Final = ("quorum_up", "quorum_down", "notify_up", "notify_down")
_FLAGS: Final = {"fallback": "flag-1", "port": "flag-2"}
"""What they mean to sh and mh (ipvsadm(8), --sched-flags)."""


def plain_server(table: Table, place: str) -> Table:
    """Turn the table of a virtual server or a real server into one with the contract's forms.

    Raises:
        Misplaced: a form is none of those that are known.
    """
    table = dict(table)
    for key in _PROGRAMS:
        if key in table:
            table[key] = program_form(table[key], f"{place}.{key}")
    if isinstance(table.get("tunnel"), str):
        table["tunnel"] = {"type": table["tunnel"]}
    if "slow_start" in table:
        table["slow_start"] = _slow_start(table["slow_start"])
    if "scheduler_flags" in table:
        table["scheduler_flags"] = _flags(table["scheduler_flags"], table, f"{place}.scheduler_flags")
    if isinstance(table.get("persistence_timeout"), str):
        table["persistence_timeout"] = whole_seconds(
            table["persistence_timeout"], f"{place}.persistence_timeout"
        )
    if isinstance(table.get("persistence_prefix"), str):
        table["persistence_prefix"] = _prefix(table["persistence_prefix"], f"{place}.persistence_prefix")
    if "hold_below" in table:
        try:
            table["hold_below"] = percent(table["hold_below"])
        except RefusedError as error:
            raise Misplaced(f"{place}.hold_below", str(error)) from None
    return table


def _slow_start(value: Any) -> Any:
    """Read a time alone, or a table."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return {"duration": value}
    return value


def _flags(value: Any, table: Table, place: str) -> Any:
    """Read flags by number, or by what they mean to the scheduler: ``port``, ``sh-port``."""
    words = value if isinstance(value, list) else [value]
    scheduler = str(table.get("scheduler"))
    found = []
    for word in words:
        if not isinstance(word, str):
            return value
        owner, dash, name = word.partition("-")
        name = name if dash and owner in ("sh", "mh") else word
        if name not in _FLAGS:
            found.append(word)
            continue
        owner = owner if name != word else scheduler
        if owner != scheduler or scheduler not in ("sh", "mh"):
            raise Misplaced(
                place,
                f"{quoted(word)} is no flag of the scheduler {scheduler}; choose sh or mh, or remove it",
            )
        found.append(_FLAGS[name])
    return sorted(set(found))


def _prefix(text: str, place: str) -> int:
    digits = text.strip().removeprefix("/")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
        raise Misplaced(place, f'{quoted(text)} is no prefix length; write one like 24, or "/24"')
    return int(digits)


def whole_seconds(text: str, place: str) -> int:
    """Read a duration that the kernel takes in whole seconds.

    Raises:
        Misplaced: it is none.
    """
    try:
        seconds = duration(text)
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None
    if seconds != int(seconds):
        raise Misplaced(place, f"{quoted(text)} is not in whole seconds; round it")
    return int(seconds)
