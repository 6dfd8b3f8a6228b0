"""The short ways to write what a virtual server has and what depends on another key of it."""

from __future__ import annotations

from typing import Any, Final

from config_service.native.misplaced import Misplaced, Table
from config_service.problems import quoted

_FLAGS: Final = {"fallback": "flag-1", "port": "flag-2"}
"""What they mean to sh and mh (ipvsadm(8), --sched-flags)."""


def plain_server(table: Table, place: str) -> Table:
    """Turn what depends on another key into the contract's own.

    Raises:
        Misplaced: a form is none of those that are known.
    """
    table = dict(table)
    if "scheduler_flags" in table:
        table["scheduler_flags"] = _flags(table["scheduler_flags"], table, f"{place}.scheduler_flags")
    return table


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
