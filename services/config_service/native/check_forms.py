"""What of a check stands elsewhere in its table than in the contract (`vipbus.contracts.checks`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from config_service.native.forms import program_form
from config_service.native.misplaced import Misplaced, Table
from vipbus.contracts import FileCheck, HttpCheck, HttpRequest, ScriptCheck, TcpCheck
from vipbus.contracts.checks import Exchange

GATHERED: Final[Mapping[type[msgspec.Struct], tuple[str, type[msgspec.Struct]]]] = {
    HttpCheck: ("requests", HttpRequest),
    TcpCheck: ("exchanges", Exchange),
}
"""The only one of many may stand in the check itself: the simple case."""
OF_PROGRAM: Final = ("user", "group")
"""Keys of a script's check that are its program's."""
_HEADER: Final = re.compile(r"headers\[(\d+)\]")
OF_FILE: Final[Mapping[str, Any]] = {"interval": 1.0, "timeout": 1.0, "retry": 0}
"""A look at a file costs next to nothing, and keepalived knows of a change at once."""


def plain(table: Table, kind: type[msgspec.Struct], place: str) -> Table:
    """Turn a check's table into one with the contract's keys.

    Raises:
        Misplaced: a key stands in two places.
    """
    table = dict(table)
    if kind in GATHERED:
        _gather(table, *GATHERED[kind], place)
    form = _FORMS.get(kind)
    return form(table, place) if form is not None else table


def as_written(path: str, place: str, table: Table, kind: type[msgspec.Struct]) -> str:
    """Say where a key stands that the contract has elsewhere; ``table`` is the check's as it was written."""
    if kind not in GATHERED or GATHERED[kind][0] in table:
        return path
    inner = path.removeprefix(f"{place}.{GATHERED[kind][0]}[0].")
    found = _HEADER.match(inner)
    if found is not None and isinstance(headers := table.get("headers"), dict):
        inner = f"headers.{[*headers][int(found[1])]}"
    return path if path == inner else f"{place}.{inner}"


def _gather(table: Table, many: str, struct: type[msgspec.Struct], place: str) -> None:
    own = {name: table.pop(name) for name in struct.__struct_fields__ if name in table}
    if not own:
        return
    if many in table:
        name = next(iter(own))
        raise Misplaced(f"{place}.{name}", f"stands beside {many}; move it into one of them")
    table[many] = [own]


def _http(table: Table, place: str) -> Table:
    if table.get("requests") == []:
        raise Misplaced(f"{place}.requests", "there is no request in it; add one, or remove it")
    return table


def _script(table: Table, place: str) -> Table:
    program = program_form(table.get("program"), f"{place}.program")
    if isinstance(program, dict):
        who = {key: table.pop(key) for key in OF_PROGRAM if key in table}
        table["program"] = {**program, **who}
    return table


def _file(table: Table, _place: str) -> Table:
    return {**OF_FILE, **table}


_FORMS: Final[Mapping[type[msgspec.Struct], Callable[[Table, str], Table]]] = {
    HttpCheck: _http,
    ScriptCheck: _script,
    FileCheck: _file,
}
