"""The AsyncAPI 3.0 document of everything that crosses the bus, made from the contracts themselves.

``python -m vipbus.contracts.asyncapi`` prints it; docs/asyncapi.json is that output, and a test holds the two
together.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vipbus import __version__
from vipbus.contracts.commands import COMMANDS, CommandContract
from vipbus.contracts.event import Event
from vipbus.contracts.events import EVENTS
from vipbus.contracts.subjects import BUCKETS, Bucket, command_subject

# An AsyncAPI document is JSON by definition, so dictionaries are what is made here.
Json = dict[str, Any]

_PARAMETERS: Final[dict[str, str]] = {
    "proxy": "a proxy's name as a token",
    "pool": "A pool's token: its virtual server's, or of the pool of a proxy `pool-web`; in the key of a "
    "`ProxyPool` its name alone.",
    "part": "0; of a pool that is too large for one document, counting on.",
    "router": "The router's name as a token: lower case, anything but a-z 0-9 _ - written as a hyphen.",
    "instance": "The VRRP instance's name as a token.",
    "virtual-server": "Address, port and protocol as a token: 10-9-0-1_80_tcp.",
    "real-server": "Address and port as a token: 10-9-0-21_80.",
    "prober": "The replica's name as a token.",
    "group": "The VRRP sync group's name as a token.",
    "script": "The script's name as a token.",
    "file": "The tracked file's name as a token.",
    "process": "The tracked process's name as a token.",
}
_HEADERS: Final[Json] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes (NATS binding, binary mode) and W3C trace context.",
    "properties": {
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "description": "Unique per source."},
        "ce-type": {"type": "string", "description": "The subject without its ids."},
        "ce-source": {"type": "string", "description": "Who wrote it: service/router."},
        "ce-time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "content-type": {"const": "application/json"},
        "traceparent": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        "KV-Operation": {"const": "DEL", "description": "Present when the key was deleted; no body then."},
    },
    "required": ["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time", "traceparent"],
}


def bucket_documents(bucket: Bucket[Any]) -> tuple[type[msgspec.Struct], ...]:
    """List the types of document that a bucket holds."""
    if isinstance(bucket.document, types.UnionType):
        return typing.get_args(bucket.document)
    return (bucket.document,)


def keys_of(struct: type[msgspec.Struct]) -> str:
    """Say how the keys of a bucket's document are built: ``<router>.<instance>``."""
    keys: str = struct.keys  # type: ignore[attr-defined]  # every document of a bucket has it
    return keys


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def document() -> Json:
    """Build the document."""
    structs = _message_types()
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    channels: Json = {}
    operations: Json = {}
    for bucket in BUCKETS:
        _add_bucket(bucket, channels, operations)
    for event in EVENTS:
        _add_event(event, channels, operations)
    for command in COMMANDS:
        _add_command(command, channels, operations)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vipbus",
            "version": __version__,
            "description": (
                "State lives in JetStream key-value buckets, one writer a key; every write is republished on "
                "a plain subject, so the write is the event. What happens but is no state is an event of its "
                "own. The stream vipbus_history keeps both."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "embedded": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "What `vipbus run` starts; bus.json in the state directory holds its token.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {struct.__name__: _message(struct) for struct in structs},
            "schemas": {"Headers": _HEADERS, **{name: _clean(schemas[name]) for name in sorted(schemas)}},
        },
    }


def _clean(schema: Any) -> Any:
    """Take the indentation out of docstrings: CPython does it from 3.13 on, and before that nobody."""
    if isinstance(schema, dict):
        return {
            name: inspect.cleandoc(value)
            if name == "description" and isinstance(value, str)
            else _clean(value)
            for name, value in schema.items()
        }
    return [_clean(each) for each in schema] if isinstance(schema, list) else schema


def _message_types() -> list[type[msgspec.Struct]]:
    found: dict[str, type[msgspec.Struct]] = {}
    for bucket in BUCKETS:
        found |= {struct.__name__: struct for struct in bucket_documents(bucket)}
    found |= {event.__name__: event for event in EVENTS}
    for command in COMMANDS:
        found |= {struct.__name__: struct for struct in (command.request, command.answer) if struct}
    return [found[name] for name in sorted(found)]


def _message(struct: type[msgspec.Struct]) -> Json:
    return {
        "name": struct.__name__,
        "title": _kebab(struct.__name__).replace("-", " "),
        "summary": (struct.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
    }


def _channel(address: str, description: str, structs: Iterable[type[msgspec.Struct]]) -> Json:
    channel: Json = {
        "address": address,
        "description": description,
        "messages": {s.__name__: {"$ref": f"#/components/messages/{s.__name__}"} for s in structs},
    }
    parameters = re.findall(r"{([a-z-]+)}", address)
    if parameters:
        channel["parameters"] = {name: {"description": _PARAMETERS[name]} for name in parameters}
    return channel


def _operation(action: str, channel: str, summary: str, structs: Iterable[type[msgspec.Struct]]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{struct.__name__}"} for struct in structs],
    }


def _add_bucket(bucket: Bucket[Any], channels: Json, operations: Json) -> None:
    structs = bucket_documents(bucket)
    for struct in structs:
        which = bucket.name if len(structs) == 1 else f"{bucket.name}-{_kebab(struct.__name__)}"
        keys = keys_of(struct).replace("<", "{").replace(">", "}")
        channels[f"state-{which}"] = _channel(
            f"vipbus.state.{bucket.name}.{keys}",
            f"Every write of such a document to the bucket `{bucket.name}`. Its one writer: {bucket.writer}.",
            [struct],
        )
        operations[f"write-{which}"] = _operation(
            "send", f"state-{which}", f"{bucket.writer} writes the bucket `{bucket.name}`.", [struct]
        )


def _add_event(event: type[Event], channels: Json, operations: Json) -> None:
    name = f"event-{event.aggregate}-{event.verb}"
    summary = (event.__doc__ or "").strip().split("\n")[0]
    channels[name] = _channel(f"vipbus.event.{event.aggregate}.{{router}}.{event.verb}", summary, [event])
    operations[f"publish-{event.aggregate}-{event.verb}"] = _operation("send", name, summary, [event])


def _add_command(command: CommandContract, channels: Json, operations: Json) -> None:
    which = f"{command.service}-{command.verb}" + (f"-{command.per}" if command.per else "")
    name = f"command-{which}"
    reply = f"{name}-answer"
    asked = [command.request] if command.request else []
    verb = f"{command.verb}.{{{command.per}}}" if command.per else command.verb
    channels[name] = _channel(command_subject(command.service, verb), command.summary, asked)
    channels[reply] = {
        "address": None,
        "description": "The inbox that the request names.",
        "messages": {command.answer.__name__: {"$ref": f"#/components/messages/{command.answer.__name__}"}},
    }
    operations[f"serve-{which}"] = {
        **_operation("receive", name, command.summary, asked),
        "reply": {
            "address": {"location": "$message.header#/reply"},
            "channel": {"$ref": f"#/channels/{reply}"},
            "messages": [{"$ref": f"#/channels/{reply}/messages/{command.answer.__name__}"}],
        },
    }


def render() -> bytes:
    """Write the document as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(render())
