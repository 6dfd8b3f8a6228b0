"""Entities become a document and entities again: the same, whatever they are, for one router or several."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.keepalived.compile import Configuration
from config_service.native.document import Around, read
from config_service.native.schema import schema
from config_service.native.writer.document import write_document
from tests.unit.config_service.native.documents import validator
from tests.unit.config_service.native.entities import configuration, replace
from vipbus.contracts import Entity, VrrpInstance


def written(routers: Mapping[str, Iterable[Entity]]) -> tuple[str, dict[str, str]]:
    """Write a document; give it, and what each of its files of secrets stands for."""
    made = write_document(
        {router: Configuration(router, "x.conf", tuple(entities)) for router, entities in routers.items()},
        "secrets",
        str,
    )
    return made.text, {f"file:{one.path}": one.value for one in made.secrets}


def again(text: str, secrets: Mapping[str, str], router: str) -> dict[str, Entity]:
    """Read a document as a router does, with the references that were there before."""
    around = Around(secret_files=False)
    return by_key(read(text, "v.toml", router, secrets.__getitem__, around=around))


def by_key(entities: Iterable[Entity]) -> dict[str, Entity]:
    return {each.key: each for each in entities}


VALID = validator(schema())
SEEDS = st.integers(0, 2**32)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_one_router_is_the_same_again(seed: int) -> None:
    entities = configuration(Random(seed))
    text, secrets = written({"r1": entities})
    assert again(text, secrets, "r1") == by_key(entities)
    if seed % 5 == 0:  # it takes longer than all the rest
        assert [each.message for each in VALID.iter_errors(tomllib.loads(text))] == []


@given(SEEDS, SEEDS)
@settings(max_examples=50, deadline=None)
def test_several_routers_are_the_same_again(seed: int, other: int) -> None:
    routers = {"r1": configuration(Random(seed), "r1"), "r2": configuration(Random(other), "r2")}
    text, secrets = written(routers)
    for router, entities in routers.items():
        assert again(text, secrets, router) == by_key(entities)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_routers_share_is_written_once(seed: int) -> None:
    one = configuration(Random(seed))
    two = tuple(
        replace(each, router="r2", **({"priority": 7} if isinstance(each, VrrpInstance) else {}))
        for each in one
    )
    text, secrets = written({"r1": one, "r2": two})
    for router, entities in (("r1", one), ("r2", two)):
        assert again(text, secrets, router) == by_key(entities)
    alone = written({"r1": one})[0]
    assert text.count("[[virtual_server]]") == alone.count("[[virtual_server]]")
    assert len(text.splitlines()) < len(alone.splitlines()) + 30


def test_it_is_the_same_text_each_time() -> None:
    for seed in range(5):
        one, two = (written({"r1": configuration(Random(seed))})[0] for _ in range(2))
        assert one == two
