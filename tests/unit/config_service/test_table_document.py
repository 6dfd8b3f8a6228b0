"""docs/table.md: every example in it compiles, and no key or keyword is left out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from config_service.keepalived.checkers.common import AROUND
from config_service.keepalived.ipvs_globals import KEYWORDS
from config_service.keepalived.lvs import REAL_SERVER, VIRTUAL_SERVER
from config_service.keepalived.virtual_groups import MOST
from config_service.native.document import read
from config_service.problems import Problem
from tests.unit.config_service.support import compiled
from vipbus.contracts import (
    Entity,
    IpvsSettings,
    IpvsTimeouts,
    RealServer,
    SlowStart,
    SorryServer,
    SyncDaemon,
    Tunnel,
    VirtualServer,
)

DOCUMENT = (Path(__file__).parents[3] / "docs" / "table.md").read_text()
CHECKS = (Path(__file__).parents[3] / "docs" / "checks.md").read_text()
EXAMPLES = re.findall(r"^```(toml|conf)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
ELSEWHERE = {"router", "virtual_server", "checks", "sysctls", "origin", "template"}
"""Fields that no document says by that name."""


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_an_example_compiles(language: str, text: str) -> None:
    warnings: list[Problem] = []
    if language == "conf":
        found = compiled(text)
        entities, warnings = found.entities, [*found.warnings]
    else:
        entities = read(text, "v.toml", "lb-a", str, warnings)
    assert warnings == []
    assert any(isinstance(one, RealServer) for one in entities)


def test_the_same_in_both_languages_means_the_same() -> None:
    both = [
        (toml, conf)
        for (first, toml), (second, conf) in itertools.pairwise(EXAMPLES)
        if (first, second) == ("toml", "conf")
    ]
    assert len(both) == 4
    for toml, conf in both:
        ours, theirs = meant(read(toml, "v.toml", "r1", str)), meant(compiled(conf).entities)
        assert ours == theirs


def meant(entities: Iterable[Entity]) -> list[Entity]:
    """Take what the table is made of, without what keepalived has not."""
    found: list[Entity] = []
    for one in entities:
        if isinstance(one, IpvsSettings):
            found.append(msgspec.structs.replace(one, sysctls=()))
        elif isinstance(one, RealServer):
            found.append(msgspec.structs.replace(one, slow_start=None))
        elif isinstance(one, VirtualServer):
            found.append(one)
    return found


def test_every_key_is_in_it() -> None:
    structs = (
        *(VirtualServer, RealServer, IpvsSettings),
        *(Tunnel, SorryServer, SlowStart, SyncDaemon, IpvsTimeouts),
    )
    keys = {field for struct in structs for field in struct.__struct_fields__} - ELSEWHERE
    assert {key for key in keys if f"`{key}`" not in DOCUMENT + CHECKS} == set()


def test_every_keyword_is_in_it() -> None:
    keywords = {*VIRTUAL_SERVER.keywords, *REAL_SERVER.keywords, *KEYWORDS, "virtual_server_group", "fwmark"}
    keywords = {one for one in keywords if one.islower()} - {*AROUND, "real_server"}
    # with or without what follows it
    assert {one for one in keywords if not re.search(rf"`{one}[` ]", DOCUMENT + CHECKS)} == set()


def test_the_bound_is_the_one_that_holds() -> None:
    assert f"{MOST:,} virtual servers" in DOCUMENT
