"""The JSON Schema of everything that ``--json`` prints, made from the structs that are printed."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec

from ctl.cli import LazyGroup
from ctl.parameters import JsonOption
from ctl.reference.tree import commands, shape

# A schema is JSON by definition, so dictionaries are what is made here.
Json = dict[str, Any]


def struct_of(option: JsonOption) -> Any:  # a struct or a union of them
    """Import what an option prints."""
    module, _, name = option.shape.partition(":")
    return getattr(import_module(module), name)


def printed(vipbus: LazyGroup) -> dict[str, JsonOption]:
    """Find what each command prints."""
    return {path: found for path, command in commands(vipbus) if (found := shape(command)) is not None}


def schema(vipbus: LazyGroup) -> Json:
    """Build one document: ``$defs`` has every struct, ``properties`` what each command prints."""
    found = printed(vipbus)
    types = [struct_of(option) for option in found.values()]
    tops, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    words = _field_words(types)
    properties = {
        path: {"type": "array", "items": top} if option.form == "array" else top
        for (path, option), top in zip(found.items(), tops, strict=True)
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `vipbus COMMAND --json` prints",
        "description": "A property a command; `vipbus events` prints one such object a line.",
        "type": "object",
        "properties": properties,
        "$defs": {name: _finished(components[name], words.get(name, {})) for name in sorted(components)},
    }


def _finished(component: Json, said: Mapping[str, str]) -> Json:
    """Say what each field is, and that there are no others."""
    made = dict(component)
    if "description" in made:
        made["description"] = inspect.cleandoc(made["description"])
    if "properties" in made:
        made["properties"] = {
            name: {**each, "description": said[name]} if name in said else each
            for name, each in made["properties"].items()
        }
        made.setdefault("additionalProperties", False)
    return made


def _field_words(types: list[Any]) -> dict[str, dict[str, str]]:
    """Read what stands below the fields of the structs, by the name that the schema gives the struct."""
    words: dict[str, dict[str, str]] = {}
    structs = _structs(types)
    names = [struct.__name__ for struct in structs]
    for struct in structs:
        twice = names.count(struct.__name__) > 1
        said = words.setdefault(f"{struct.__module__}.{struct.__name__}" if twice else struct.__name__, {})
        for each in reversed(struct.__mro__):
            if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
                said |= _below_fields(each)
    return words


def _structs(types: list[Any]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()

    def walk(info: object) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                return
            found.add(info.cls)
        if isinstance(info, msgspec.Struct):
            for name in info.__struct_fields__:
                walk(getattr(info, name))
        elif isinstance(info, tuple):
            for each in info:
                walk(each)

    walk(msgspec.inspect.multi_type_info(types))
    return found


def _below_fields(struct: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  # it is the source of a class
    said: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            said[field.target.id] = " ".join(below.value.value.split())
    return said


def render(vipbus: LazyGroup) -> str:
    """Write the document."""
    return json.dumps(schema(vipbus), indent=2, ensure_ascii=False) + "\n"
