"""The JSON Schema: docs/vipbus.schema.json is it, and what it says of a document the reader says, too."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config_service.native.document import Around, read, routers
from config_service.native.schema import schema
from config_service.native.writer import toml
from config_service.problems import ConfigError
from config_service.schema import text
from tests.unit.config_service.native.documents import documents, validator

FILE = Path(__file__).parents[4] / "docs" / "vipbus.schema.json"
SCHEMA = schema()
VALID = validator(SCHEMA)
DOCUMENTS = dict(documents())
WRONG: tuple[Any, ...] = ({"zz": 1}, [[["zz"]]], True, -1.5, "\x00zz", [])
"""One of them is wrong wherever it is put."""
TYPED = ("Expected", "Invalid enum", "unknown", "is no table", "is no array", "is no duration", "is neither")
"""How the reader begins to say that a value is of another type, or a key is none."""
Step = str | int


def test_the_file_is_it() -> None:
    assert FILE.read_text() == text(), "run make schema"


def accepts(document: dict[str, Any]) -> str:
    """Have the reader read a document as every router does; give why it is refused, or nothing."""
    return reads("".join(f'"{key}" = {toml.inline(value)}\n' for key, value in document.items()))


def reads(written: str) -> str:
    try:
        for router in routers(written, "v.toml") or ("lb-a",):
            read(written, "v.toml", router, str, around=Around(secret_files=False))
    except ConfigError as error:
        return error.problems[0].text
    return ""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_accepted_document_is_valid(name: str) -> None:
    document = tomllib.loads(DOCUMENTS[name])
    assert reads(DOCUMENTS[name]) == ""
    assert [f"{[*each.absolute_path]}: {each.message}" for each in VALID.iter_errors(document)] == []


@pytest.mark.parametrize("name", ["shop", "table"])
def test_a_value_of_another_type_is_refused_by_both(name: str) -> None:
    document = tomllib.loads(DOCUMENTS[name])
    refused = 0
    for number, path in enumerate(places(document)):
        # another three each time: half of all that could be tried, in half the time
        for value in (WRONG * 2)[number % 6 :][:3]:
            changed = put(document, path, value)
            valid, said = VALID.is_valid(changed), accepts(changed)
            if not valid:
                refused += 1
                assert said, (path, value, "the reader takes it")
            elif said:
                # types are right, and what they say together is not
                assert not any(word in said for word in TYPED), (path, value, said)
    assert refused > 2 * sum(1 for _ in places(document))


@pytest.mark.parametrize("name", ["shop", "table"])
def test_a_key_that_there_is_not_is_refused_by_both(name: str) -> None:
    document = tomllib.loads(DOCUMENTS[name])
    for path in tables(document):
        changed = put(document, (*path, "shceduler"), "wrr")
        free = path[-1:] in (("headers",), ("router",), ("sysctl",), ("net",), ("ipv4",))
        assert free or not VALID.is_valid(changed), path
        assert free or "shceduler" in accepts(changed), path


def test_variables_stand_for_numbers_and_secrets_for_texts() -> None:
    document = tomllib.loads(
        """
[[vrrp_instance]]
name = "VI_1"
priority = "${PRIORITY}"
preempt_delay = "${DELAY:-5s}"
nopreempt = "${STAY}"
auth_pass = {file = "x"}
"""
    )
    assert VALID.is_valid(document)
    for key, value in (("priority", "high"), ("priority", "x${P}"), ("auth_pass", {"fil": "x"}), ("name", 5)):
        changed = copy.deepcopy(document)
        changed["vrrp_instance"][0][key] = value
        assert not VALID.is_valid(changed), key


def test_it_says_what_keys_are() -> None:
    said = json.dumps(SCHEMA)
    assert "255: this router owns the addresses; no weight moves it." in said
    assert len(said) < 200_000


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Give the path of everything in a document that is no table."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
        return
    yield path
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from places(each, (*path, at))


def tables(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    if isinstance(value, dict):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from tables(each, (*path, key))


def put(document: dict[str, Any], path: tuple[Step, ...], value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(document)
    around = changed
    for step in path[:-1]:
        around = around[step]
    around[path[-1]] = value
    return dict(changed)
