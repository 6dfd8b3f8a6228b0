"""Compare a table of a TOML document with the struct that it is to become.

Every key must be a field; what has a short form is turned into the contract's own, in the tables inside it
too. Whatever else is wrong msgspec says when it converts, with the path.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from config_service.native.environment import FromEnvironment, as_number
from config_service.native.forms import BY_FIELD, BY_TYPE, duration_form
from config_service.native.misplaced import Misplaced
from config_service.native.network_forms import unknown_key
from vipbus.contracts.limits import Seconds

_NOTHING: Final[Mapping[str, Any]] = {}


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
    """Check a table's keys and read its short forms, those of the tables inside it too.

    ``hidden`` are fields that no document says: they follow from where the table stands.

    Raises:
        Misplaced: a key is no field of the struct, or a form is none of those that are known.
    """
    fields = fields_of(struct)
    known = tuple(name for name in fields if name not in hidden)
    prepared: dict[str, Any] = {}
    for key, value in table.items():
        place = f"{path}.{key}" if path else key
        if key not in known:
            raise unknown_key(key, known, place)
        plain = _plain(value, fields[key])
        form = BY_FIELD.get((struct, key))
        prepared[key] = _value(form.read(plain, place) if form else plain, fields[key], place)
    return prepared


@cache
def fields_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Give the types of a struct's fields, by name."""
    hints = typing.get_type_hints(struct, include_extras=True)
    return {name: hints[name] for name in struct.__struct_fields__}


def _value(value: Any, kind: Any, place: str) -> Any:
    value = _plain(value, kind)
    item = item_of(kind)
    if item is not None and isinstance(value, list):
        return [_value(each, item, f"{place}[{number}]") for number, each in enumerate(value)]
    parts = parts_of(kind)
    form = next((BY_TYPE[part] for part in parts if part in BY_TYPE), None)
    if form is not None:
        value = form.read(value, place)
    elif Seconds in parts:
        value = duration_form(value, place)
    if isinstance(value, dict):
        struct = _named(parts, value) or struct_in(parts)
        if struct is None:
            return value
        tag = str(struct.__struct_config__.tag_field)
        said = {tag: value[tag]} if tag in value else {}
        rest = {key: each for key, each in value.items() if key not in said}
        return {**said, **prepare(rest, struct, place, ())}
    return value


def _plain(value: Any, kind: Any) -> Any:
    """Read a variable of the environment as what is wanted."""
    if not isinstance(value, FromEnvironment):
        return value
    found = value if _may_be_text(kind) else as_number(value)
    return str(found) if isinstance(found, FromEnvironment) else found


@cache
def parts_of(kind: Any) -> tuple[Any, ...]:
    """Take a union apart; what is none is one part."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return tuple(part for each in typing.get_args(kind) for part in parts_of(each))
    return (kind,)


@cache
def item_of(kind: Any) -> Any:
    """Give what an array holds of which a field may have any number; None: it is no such array."""
    for part in parts_of(kind):
        arguments = typing.get_args(part)
        if typing.get_origin(part) is tuple and arguments[1:] == (...,):
            return arguments[0]
    return None


@cache
def _may_be_text(kind: Any) -> bool:
    for part in parts_of(kind):
        base = typing.get_args(part)[0] if typing.get_origin(part) is typing.Annotated else part
        if base is str:
            return True
    return False


def _named(parts: tuple[Any, ...], value: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """Give the struct of a union that a table names by its tag."""
    for part in parts:
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            config = part.__struct_config__
            if config.tag_field is not None and value.get(config.tag_field) == config.tag:
                return part
    return None


def struct_in(parts: tuple[Any, ...]) -> type[msgspec.Struct] | None:
    """Give the struct that a table stands for."""
    for part in parts:
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None
