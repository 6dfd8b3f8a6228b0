"""The JSON Schema of vipbus.toml, for editors: made of the structs and forms that the reader goes by.

It knows keys, types and ranges. What keys mean together the reader alone knows.
"""

from __future__ import annotations

from typing import Any, Final

from config_service.native import groups, peers, pool, proxies, servers
from config_service.native.check_forms import GATHERED, OF_PROGRAM
from config_service.native.checks import KINDS as CHECKS
from config_service.native.cluster import UNICAST
from config_service.native.document import KINDS
from config_service.native.overrides import ADDRESS, ROUTERS
from config_service.native.schema_structs import Schema, StructSchemas, or_variable, reference
from config_service.native.walk import fields_of
from vipbus.contracts import (
    IpvsSettings,
    Program,
    Proxy,
    ProxyPeer,
    ProxyPool,
    ProxySettings,
    RealServer,
    SorryServer,
    Sysctl,
    VirtualServer,
    VrrpInstance,
    VrrpSettings,
)

_ADDRESS: Final[Schema] = {"type": "string", "description": "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT."}
_NAMES: Final[Schema] = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "description": "Only these routers have it.",
}


def schema() -> Schema:
    """Make the schema of a whole document."""
    made = _Tables()
    properties = made.tables()
    own: Schema = {
        ADDRESS: {
            "description": "The router's own addresses, one a family: what unicast = true goes by.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 2}],
        },
        **{
            kind: {"type": "object", "additionalProperties": _without_routers(each["items"])}
            if "items" in each
            else each
            for kind, each in properties.items()
        },
    }
    router: Schema = {"type": "object", "description": "What this router has otherwise.", "properties": own}
    router["additionalProperties"] = False
    properties["router"] = {
        "type": "object",
        "description": "The routers of the cluster, by name; none: the document is for any.",
        "additionalProperties": router,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "vipbus.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "definitions": dict(sorted(made.definitions.items())),
    }


class _Tables(StructSchemas):
    """Makes the schemas of a document's tables."""

    def tables(self) -> Schema:
        """Make the schemas of all that a document or a router is made of."""
        more: Schema = {ROUTERS: _NAMES}
        arrays = {
            kind: self.object(
                struct, hidden=("router",), more={**more, **self._of_kind(struct)}, all_of=False
            )
            for kind, struct in KINDS.items()
        }
        arrays["virtual_server_group"] = self._group(more)
        arrays["virtual_server"] = self._virtual_server(more)
        arrays["pool"] = self._pool(more)
        arrays["proxy"] = self.object(Proxy, hidden=("router",), more=more, all_of=False)
        once: Schema = {
            "vrrp": self.object(VrrpSettings, hidden=("router",), all_of=False),
            "ipvs": self._ipvs(),
            "haproxy": self.object(ProxySettings, hidden=("router",), all_of=False),
        }
        self.definitions.update({**once, **arrays})
        once[peers.TABLE] = self.definitions[peers.TABLE] = {
            "type": "object",
            "description": "Routers tell each other who sticks to which member of a pool.",
            "properties": {
                "port": self.field(ProxyPeer, "port"),
                ADDRESS: {
                    "type": "string",
                    "description": "Where a router is told, if not at its own address.",
                },
            },
            "additionalProperties": False,
        }
        return {
            **{kind: reference(kind) for kind in once},
            **{kind: {"type": "array", "items": reference(kind)} for kind in arrays},
        }

    @staticmethod
    def _of_kind(struct: type[Any]) -> Schema:
        if struct is not VrrpInstance:
            return {}
        text = "True: the other routers are its peers, by their own addresses."
        return {UNICAST: or_variable({"type": "boolean", "description": text})}

    def _ipvs(self) -> Schema:
        value = {**self.value(fields_of(Sysctl)["value"]), "description": "What it must be."}
        either = {"anyOf": [value, {"type": "integer"}]}
        table: Schema = {
            "type": "object",
            "properties": {"value": either, "set": self.field(Sysctl, "set")},
            "required": ["value"],
            "additionalProperties": False,
        }
        names: Schema = {"type": "object", "additionalProperties": reference("Setting")}
        self.definitions["Setting"] = {
            "description": "A kernel setting; the dots of a name may be tables.",
            "if": {"type": "object"},
            "then": {
                "if": {"anyOf": [{"required": ["value"]}, {"required": ["set"]}]},
                "then": table,
                "else": names,
            },
            "else": either,
        }
        settings = {**names, "propertyNames": {"pattern": "^net(?:[./]|$)"}}
        return self.object(
            IpvsSettings, hidden=("router", "sysctls"), more={"sysctl": settings}, all_of=False
        )

    @staticmethod
    def _group(more: Schema) -> Schema:
        number = {"type": "integer", "minimum": 1, "maximum": 2**32 - 1}
        family = or_variable({"enum": [4, 6]})
        table: Schema = {"type": "object", "properties": {"mark": or_variable(number), "family": family}}
        table.update({"required": ["mark"], "additionalProperties": False})
        port = or_variable({"type": "integer", "minimum": 0, "maximum": 65535})
        said: Schema = {
            "name": {"type": "string", "minLength": 1},
            "addresses": {"type": "array", "items": {"type": "string"}},
            "port": port,
            "marks": {"type": "array", "items": {"anyOf": [*or_variable(number)["anyOf"], table]}},
        }
        assert tuple(said) == groups.KEYS  # noqa: S101  # the reader's own
        return {"type": "object", "properties": {**said, **more}, "additionalProperties": False}

    def _virtual_server(self, more: Schema) -> Schema:
        check = {"type": "array", "items": self._check()}
        of_all = {key: self.field(RealServer, key) for key in servers.OF_ALL}
        real = self.object(
            RealServer,
            hidden=pool.HIDDEN,
            more={ADDRESS: _ADDRESS, "check": check},
            all_of=False,
            required=(ADDRESS,),
        )
        self.definitions["RealServer"] = real
        mine = {
            ADDRESS: _ADDRESS,
            "sorry_server": {"anyOf": [{"type": "string"}, self.ref(SorryServer)]},
            "check": check,
            "real_server": {"type": "array", "items": reference("RealServer")},
        }
        return self.object(
            VirtualServer, hidden=servers.HIDDEN, more={**of_all, **mine, **more}, all_of=False
        )

    def _pool(self, more: Schema) -> Schema:
        check = {"type": "array", "items": self._check()}
        of_all = {key: self.field(RealServer, key) for key in proxies.OF_ALL}
        hidden = tuple(key for key in RealServer.__struct_fields__ if key not in proxies.OF_MEMBER)
        self.definitions["PoolMember"] = self.object(
            RealServer,
            hidden=hidden,
            more={ADDRESS: _ADDRESS, "check": check},
            all_of=False,
            required=(ADDRESS,),
        )
        mine = {
            **of_all,
            "check": check,
            "real_server": {"type": "array", "items": reference("PoolMember")},
        }
        return self.object(ProxyPool, hidden=("router",), more={**mine, **more}, all_of=False)

    def _check(self) -> Schema:
        for kind, struct in CHECKS.items():
            more: Schema = {"kind": {"const": kind}, ADDRESS: _ADDRESS}
            if struct in GATHERED:
                _, inner = GATHERED[struct]
                more.update({key: self.field(inner, key) for key in inner.__struct_fields__})
            if "program" in struct.__struct_fields__:
                more.update({key: self.field(Program, key) for key in OF_PROGRAM})
            self.definitions[struct.__name__] = self.object(
                struct, more=more, all_of=False, required=("kind",)
            )
        # by the kind that is said, so that an editor tells what is wrong with it and not with all others
        self.definitions["Check"] = {
            "type": "object",
            "properties": {"kind": {"enum": [*CHECKS]}},
            "required": ["kind"],
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                    "then": reference(struct.__name__),
                }
                for kind, struct in CHECKS.items()
            ],
        }
        return reference("Check")


def _without_routers(table: Schema) -> Schema:
    """Make a router's own of what all have: who has it is no question there."""
    return {"allOf": [table], "not": {"required": [ROUTERS]}}
