"""Compare a table of a TOML document with the struct that it is to become.

Every key must be a field; durations written with a unit become seconds. Whatever else is wrong msgspec says
when it converts, with the path.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from config_service.keepalived.values import near
from config_service.native.values import duration
from config_service.problems import RefusedError, quoted
from vipbus.contracts.limits import Seconds

_NOTHING: Final[Mapping[str, Any]] = {}
_NUMBER: Final = re.compile(r"\[\d+\]")


class Misplaced(RefusedError):  # noqa: N818  # it is a refusal with a place
    """A refusal, and the path of the key that it is about."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


def table_of(value: Any, path: str) -> dict[str, Any]:
    """Give a copy of a table.

    Raises:
        Misplaced: it is none.
    """
    if not isinstance(value, dict):
        raise Misplaced(path, f"is no table; write [{path}]")
    return dict(value)


def tables_of(value: Any, path: str) -> list[dict[str, Any]]:
    """Give copies of the tables in an array.

    Raises:
        Misplaced: it is no array of tables.
    """
    if not isinstance(value, list):
        name = _NUMBER.sub("", path)
        raise Misplaced(path, f"is no array of tables; write [[{name}]]")
    return [table_of(each, f"{path}[{number}]") for number, each in enumerate(value)]


def convert(
    table: dict[str, Any],
    struct: type[Any],
    path: str,
    *,
    given: Mapping[str, Any] = _NOTHING,
) -> Any:
    """Make a struct of a table; ``given`` are the fields that no document says.

    Raises:
        Misplaced: it is refused.
    """
    try:
        return msgspec.convert({**prepare(table, struct, path, given), **given}, struct)
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        raise Misplaced(f"{path}{inner.rstrip('`')}", text) from None


def prepare(
    table: dict[str, Any], struct: type[msgspec.Struct], path: str, hidden: Collection[str]
) -> dict[str, Any]:
    """Check a table's keys and read its durations, those of the tables inside it too.

    ``hidden`` are fields that no document says: they follow from where the table stands.

    Raises:
        Misplaced: a key is no field of the struct, or a duration is none.
    """
    fields = _fields(struct)
    known = [name for name in fields if name not in hidden]
    prepared: dict[str, Any] = {}
    for key, value in table.items():
        place = f"{path}.{key}" if path else key
        if key not in known:
            raise Misplaced(place, f"unknown key {quoted(key)}{near(key, known) or '; remove it'}")
        prepared[key] = _value(value, fields[key], place)
    return prepared


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = typing.get_type_hints(struct, include_extras=True)
    return {name: hints[name] for name in struct.__struct_fields__}


def _value(value: Any, kind: Any, place: str) -> Any:
    if isinstance(value, str) and _is_duration(kind):
        try:
            return duration(value)
        except RefusedError as error:
            raise Misplaced(place, str(error)) from None
    if isinstance(value, dict):
        struct = _struct_in(kind)
        return prepare(value, struct, place, ()) if struct is not None else value
    if isinstance(value, list):
        return [_value(each, kind, f"{place}[{number}]") for number, each in enumerate(value)]
    return value


def _parts(kind: Any) -> tuple[Any, ...]:
    """Take a field's type apart: the members of a union, the items of a tuple."""
    if kind == Seconds or kind is float:
        return (kind,)
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) in (typing.Union, tuple):
        return tuple(part for each in typing.get_args(kind) for part in _parts(each))
    return (kind,)


def _is_duration(kind: Any) -> bool:
    return any(part == Seconds or part is float for part in _parts(kind))


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    for part in _parts(kind):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None
