"""The published document is the contracts: nothing missing, nothing stale, no reference into nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from vipbus.contracts import (
    BUCKETS,
    COMMANDS,
    EVENTS,
    ConfigRefused,
    Pool,
    Role,
    TcpCheck,
    Verdict,
    catalogue,
)
from vipbus.contracts.asyncapi import bucket_documents, document, render
from vipbus.contracts.config import RealServer

DOCS = Path(__file__).parents[3] / "docs"
PUBLISHED = DOCS / "asyncapi.json"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

DOCUMENTS = (
    Role(
        router="router-a",
        instance="VI_1",
        role="active",
        epoch=3,
        priority=150,
        virtual_router_id=51,
        interface="eth0",
        addresses=("10.9.0.100/24",),
        revision=1,
        since=NOW,
        cause="no advertisement for 3.4 s",
    ),
    Verdict(
        virtual_server="10-9-0-100_80_tcp",
        real_server="10-9-0-21_80",
        verdict="down",
        cause="connection refused",
        since=NOW,
        prober="p1",
        lease=7,
    ),
    Pool(
        router="router-a",
        pool="10-9-0-100_80_tcp",
        real_servers=(
            RealServer(
                router="router-a",
                virtual_server="10-9-0-100_80_tcp",
                address="10.9.0.21",
                port=80,
                checks=(TcpCheck(address="10.9.0.21", port=80),),
            ),
        ),
    ),
)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_published_documents_are_in_step() -> None:
    # not assert on equality: a diff of two documents of this size helps nobody
    assert (PUBLISHED.read_bytes() == render()) is True, "run: make asyncapi"
    assert ((DOCS / "events.md").read_text() == catalogue.render()) is True, "run: make asyncapi"


def test_every_reference_resolves() -> None:
    made = document()
    for reference in references(made):
        node: Any = made
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]


def test_everything_that_exists_is_in_it() -> None:
    made = document()
    told = {name for channel in made["channels"].values() for name in channel["messages"]}
    for bucket in BUCKETS:
        assert {struct.__name__ for struct in bucket_documents(bucket)} <= told
    for event in EVENTS:
        assert f"event-{event.aggregate}-{event.verb}" in made["channels"]
    for command in COMMANDS:
        which = f"{command.service}-{command.verb}" + (f"-{command.per}" if command.per else "")
        assert f"serve-{which}" in made["operations"]


def test_a_command_to_one_router_names_it_in_its_subject() -> None:
    made = document()
    assert made["channels"]["command-config-service-reload"]["address"] == "vipbus.cmd.config-service.reload"
    channel = made["channels"]["command-config-service-reload-router"]
    assert channel["address"] == "vipbus.cmd.config-service.reload.{router}"
    assert set(channel["parameters"]) == {"router"}
    channel = made["channels"]["command-health-prober-probe-prober"]
    assert channel["address"] == "vipbus.cmd.health-prober.probe.{prober}"
    assert set(channel["parameters"]) == {"prober"}


@pytest.mark.parametrize(
    "value",
    [
        *DOCUMENTS,
        ConfigRefused(router="router-a", source="k.conf", reason="k.conf:1: no", running_revision=1),
    ],
)
def test_what_is_sent_fits_what_is_published(value: msgspec.Struct) -> None:
    made = document()
    schema = {
        "$ref": f"#/components/schemas/{type(value).__name__}",
        "components": made["components"],
    }
    body = msgspec.json.decode(msgspec.json.encode(value))
    jsonschema.validate(body, schema)
    for wrong in (
        {},
        [],
        "x",
        {**body, next(iter(schema["components"]["schemas"][type(value).__name__]["required"])): []},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("value", DOCUMENTS, ids=lambda value: type(value).__name__)
def test_a_key_is_built_as_its_channel_says(value: Role | Verdict | Pool) -> None:
    pattern = re.sub("<[a-z-]+>", "[a-z0-9_-]+", value.keys.replace(".", r"\."))
    assert re.fullmatch(pattern, value.key)


def test_every_description_is_written() -> None:
    made = document()
    for name, message in made["components"]["messages"].items():
        assert message["summary"], name
    for name, channel in made["channels"].items():
        assert channel["description"], name
