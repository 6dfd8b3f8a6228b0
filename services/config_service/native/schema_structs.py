"""JSON Schemas of the contracts' structs as a document may write them: their types with their short forms."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from config_service.native.environment import REFERENCE
from config_service.native.forms import BY_FIELD, BY_TYPE, DURATION_FORM, Form
from config_service.native.network_forms import STATIC
from config_service.native.overrides import ADDRESS
from config_service.native.schema_words import documented, first_paragraph
from config_service.native.walk import fields_of, parts_of
from vipbus.contracts import SorryServer, StaticAddress, VirtualAddress, VirtualRoute, VirtualRule
from vipbus.contracts.limits import Seconds

Schema = dict[str, Any]

_PLAIN: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
_META: Final = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
_FOLLOWS: Final[Mapping[type, Collection[str]]] = {
    VirtualAddress: ("prefix", "dev"),
    VirtualRoute: ("family",),
    VirtualRule: ("family",),
    SorryServer: ("port", "forwarding"),
}
"""Fields that the contract asks for and the reader finds elsewhere."""
_VARIABLE: Final[Schema] = {
    "type": "string",
    "pattern": f"^{REFERENCE}$",
    "description": "A variable of the environment.",
}


class StructSchemas:
    """Makes schemas of structs; each struct is a definition."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {"Variable": _VARIABLE}
        self._words: dict[type[Any], Mapping[str, str]] = {}

    def object(
        self,
        struct: type[msgspec.Struct],
        *,
        hidden: Collection[str] = (),
        more: Schema | None = None,
        all_of: bool = True,
        required: Collection[str] = (),
    ) -> Schema:
        """Make a table's schema; ``all_of`` False: a router's own table may have the rest of its keys."""
        properties = {key: self.field(struct, key) for key in fields_of(struct) if key not in hidden}
        properties.update(more or {})
        made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if said := first_paragraph(struct.__doc__ or ""):
            made["description"] = said
        if all_of:
            follows = (*hidden, *_FOLLOWS.get(struct, ()))
            fields = msgspec.structs.fields(struct)
            required = [each.name for each in fields if each.required and each.name not in follows]
        if required:
            made["required"] = [*required]
        return made

    def ref(self, struct: type[Any]) -> Schema:
        """Refer to a struct's schema."""
        name = struct.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # a struct may have itself inside
            if struct is StaticAddress:
                # an address's own keys stand in its table
                own = {key: self.field(VirtualAddress, key) for key in STATIC}
                made = self.object(struct, more=own, all_of=False, required=(ADDRESS,))
                nested = self.object(struct)
                self.definitions[name] = {"anyOf": [made, nested]}
            else:
                self.definitions[name] = _tagged(self.object(struct), struct)
        return reference(name)

    def field(self, struct: type[msgspec.Struct], key: str) -> Schema:
        """Make a field's schema, with what the contract says of it."""
        made = self.value(fields_of(struct)[key], BY_FIELD.get((struct, key)))
        said = self._said(struct).get(key)
        return {**made, "description": said} if said else made

    def _said(self, struct: type[Any]) -> Mapping[str, str]:
        if struct not in self._words:
            self._words[struct] = documented(struct)
        return self._words[struct]

    def value(self, kind: Any, form: Form | None = None) -> Schema:
        """Make the schema of a type, with its short forms."""
        found: list[Schema] = [dict(each) for each in form.schemas] if form is not None else []
        parts = [part for part in parts_of(kind) if part is not types.NoneType]
        for part in parts:
            if part in BY_TYPE:
                found += map(dict, BY_TYPE[part].schemas)
            if part == Seconds:
                found += map(dict, DURATION_FORM.schemas)
            found.append(self._part(part))
        texts = any(each.get("type") == "string" and "pattern" not in each for each in found)
        if not texts and not all("$ref" in each or each.get("type") in ("array", "object") for each in found):
            found.append(reference("Variable"))
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _part(self, kind: Any) -> Schema:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        if origin is typing.Annotated:
            made = self._part(arguments[0])
            for meta in arguments[1:]:
                made.update(
                    {
                        word: value
                        for name, word in _META.items()
                        if (value := getattr(meta, name)) is not None
                    }
                )
            return made
        if origin is typing.Literal:
            return {"enum": [*arguments]}
        if origin is tuple:
            if arguments[1:] == (...,):
                return {"type": "array", "items": self.value(arguments[0])}
            items = [self.value(each) for each in arguments]
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        return self.ref(kind)


def _tagged(made: Schema, struct: type[Any]) -> Schema:
    """Add the key that tells a struct from others of a union."""
    config = struct.__struct_config__
    if config.tag_field is None:
        return made
    properties = {config.tag_field: {"const": config.tag}, **made["properties"]}
    return {**made, "properties": properties, "required": [config.tag_field, *made.get("required", ())]}


def or_variable(made: Schema) -> Schema:
    """Let a variable of the environment stand for a value."""
    return {"anyOf": [made, reference("Variable")]}


def reference(name: str) -> Schema:
    """Refer to a definition."""
    return {"$ref": f"#/definitions/{name}"}
