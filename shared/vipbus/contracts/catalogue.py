"""The event catalogue for people: what crosses the bus, a line each, made from the contracts.

``python -m vipbus.contracts.catalogue`` prints it; docs/events.md is that output, and a test holds the two
together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import msgspec

from vipbus.contracts.asyncapi import bucket_documents, keys_of
from vipbus.contracts.commands import COMMANDS, CommandContract
from vipbus.contracts.events import EVENTS
from vipbus.contracts.subjects import BUCKETS, command_subject

_HEAD = """\
# What crosses the bus
Made from the contracts by `make asyncapi`. Every field of every message is in [asyncapi.json](asyncapi.json).

`vipbus events --follow` shows all of it in words, `vipbus events --json SUBJECT` as CloudEvents. Any NATS
client can subscribe; the embedded bus asks for the token in `bus.json` of the state directory:
```
nats --server nats://TOKEN@127.0.0.1:4222 sub 'vipbus.state.role.>'
```
Bodies are JSON. Headers are CloudEvents 1.0 (`ce-id`, `ce-type`, `ce-source`, `ce-time`) and `traceparent`.
A key that was deleted is an empty body with `KV-Operation: DEL`.
"""


def _summary(struct: type[msgspec.Struct]) -> str:
    return (struct.__doc__ or "").strip().split("\n")[0]


def _verb(command: CommandContract) -> str:
    return f"{command.verb}.<{command.per}>" if command.per else command.verb


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def render() -> str:
    """Write the catalogue as Markdown."""
    states = [
        (f"`vipbus.state.{bucket.name}.{keys_of(struct)}`", struct.__name__, bucket.writer, _summary(struct))
        for bucket in BUCKETS
        for struct in bucket_documents(bucket)
    ]
    events = [
        (f"`vipbus.event.{event.aggregate}.<router>.{event.verb}`", event.__name__, _summary(event))
        for event in EVENTS
    ]
    commands = [
        (f"`{command_subject(each.service, _verb(each))}`", each.answer.__name__, each.summary)
        for each in COMMANDS
    ]
    return (
        "\n".join(
            (
                _HEAD,
                "## State",
                "Each subject republishes the writes of one key-value bucket, so the write is the event.\n",
                _table(("subject", "document", "written by", "what it says"), states),
                "## Events",
                "What happens but is no state.\n",
                _table(("subject", "event", "what happened"), events),
                "## Commands",
                "Requests; the answer comes to the inbox of the request.\n",
                _table(("subject", "answer", "what it does"), commands),
            )
        ).rstrip("\n")
        + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(render())
