"""docs/checks.md: every example in it compiles, and no key or keyword is left out."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest

from config_service.keepalived.checkers.common import AROUND
from config_service.keepalived.schema import HOMES
from config_service.native.document import read
from config_service.problems import Problem
from tests.unit.config_service.support import compiled
from vipbus.contracts import Check, Damping, HttpRequest, RealServer, Tls
from vipbus.contracts.checks import Exchange

DOCUMENT = (Path(__file__).parents[3] / "docs" / "checks.md").read_text()
EXAMPLES = re.findall(r"^```(toml|conf)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
CHECKERS = (
    "HTTP_GET",
    "SSL_GET",
    "TCP_CHECK",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "FILE_CHECK",
    "url",
    "SSL",
)
UNWRITTEN = {"nb_get_retry"}
"""An old spelling that keepalived itself warns of."""


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_an_example_compiles(language: str, text: str) -> None:
    warnings: list[Problem] = []
    if language == "conf":
        found = compiled(text)
        entities, warnings = found.entities, [*found.warnings]
    else:
        entities = read(text, "v.toml", "lb-a", str, warnings)
    assert warnings == []
    assert all(one.checks for one in entities if isinstance(one, RealServer))
    assert any(isinstance(one, RealServer) for one in entities)


def test_there_is_one_of_each_kind() -> None:
    kinds = set(re.findall(r'^kind = "(\w+)"$', "".join(text for _, text in EXAMPLES), re.MULTILINE))
    assert kinds == {kind.__struct_config__.tag for kind in typing.get_args(Check)}


def test_every_key_is_in_it() -> None:
    structs = (*typing.get_args(Check), Tls, Exchange, HttpRequest, Damping)
    keys = {field for struct in structs for field in struct.__struct_fields__}
    keys |= {"alpha", "vantages", "damping", "suspect_after", "hold_below", "hold_window"}
    assert {key for key in keys if f"`{key}`" not in DOCUMENT} == set()


def test_every_keyword_is_in_it() -> None:
    keywords = {keyword for keyword, homes in HOMES.items() if set(homes) & set(CHECKERS)} | set(AROUND)
    assert {one for one in keywords - UNWRITTEN if f"`{one}`" not in DOCUMENT} == set()
