"""docs/keywords.md, the manual's list of keywords and the parser say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config_service.keepalived import addresses, routes, rules
from config_service.keepalived.keyword_table import Row, document, rows
from config_service.keepalived.schema import TABLES
from tests.support.manual import FURTHER, MANUAL, keywords
from tests.unit.config_service.support import errors

DOCUMENT = (Path(__file__).parents[3] / "docs" / "keywords.md").read_text()
_ROW = re.compile(r"\| `([^`]+)` \| (compiled|warning: .+) \| (\S.*) \|")
LINES = {"an address": addresses.OPTIONS, "a route": routes.OPTIONS, "a rule": rules.OPTIONS}


def written() -> dict[tuple[str, str], Row]:
    """Read the page: what becomes of each keyword of each block."""
    found: dict[tuple[str, str], Row] = {}
    block = ""
    for line in DOCUMENT.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
            block = title[1:-1] if title[0] == "`" else title[0].lower() + title[1:]
            block = "" if block == "top of the file" else block
        elif (row := _ROW.fullmatch(line)) is not None:
            assert (block, row[1]) not in found
            found[block, row[1]] = Row(block, row[1], row[2].partition("warning: ")[2], row[3])
    return found


def test_it_is_what_make_keywords_writes() -> None:
    assert document() == DOCUMENT


def test_every_keyword_of_the_manual_is_in_it() -> None:
    assert keywords(MANUAL) - written().keys() == set()


def test_there_is_none_that_keepalived_has_not() -> None:
    aliases = {(block, word) for block, words in LINES.items() for word in words}
    attributes = {(block, word) for block, word in written() if block in ("a route", "host")}
    assert written().keys() - keywords(MANUAL) - keywords(FURTHER) - aliases - attributes == set()


def test_it_has_every_keyword_of_the_parser_as_the_parser_takes_it() -> None:
    page = written()
    of_parser = {(table.name, word) for table in TABLES for word in (*table.keywords, *table.left_out)}
    assert of_parser - page.keys() == set()
    for table in TABLES:
        for word, keyword in table.keywords.items():
            assert bool(page[table.name, word].why) == bool(keyword.idle)
        for word in table.left_out:
            assert page[table.name, word].why


def test_every_keyword_has_a_service_or_a_reason() -> None:
    services = {"all", "config-service", "vrrp-agent", "ipvs-programmer", "health-prober"}
    for row in written().values():
        assert bool(row.why) == (row.service == "-")
        assert row.why or set(row.service.split(", ")) <= services
    assert {row.keyword for row in rows()} == {keyword for _, keyword in written()}


HEADS = {
    "global_defs": "global_defs {",
    "vrrp_instance": "vrrp_instance A {",
    "vrrp_sync_group": "vrrp_sync_group G {",
    "vrrp_script": "vrrp_script s {",
    "track_file": "track_file f {",
    "vrrp_track_process": "vrrp_track_process p {",
    "garp_group": "garp_group {",
    "track_group": "track_group T {",
    "SSL": "SSL {",
    "virtual_server": "virtual_server 10.9.0.1 80 {",
    "real_server": "virtual_server 10.9.0.1 80 {\nreal_server 10.9.1.1 80 {",
    "": "",
}


def head(block: str) -> str:
    """Write what opens a block of which the language has one place."""
    if block.endswith(("_GET", "_CHECK")):
        return f"{HEADS['real_server']}\n{block} {{"
    if block == "url":
        return f"{HEADS['real_server']}\nHTTP_GET {{\nurl {{"
    if block == "authentication":
        return f"{HEADS['vrrp_instance']}\n{block} {{"
    return HEADS[block]


@pytest.mark.parametrize(
    ("block", "word"),
    sorted(
        (block, word)
        for block, word in keywords(MANUAL)
        if block not in ("any line", "bfd_instance", "BFD_CHECK", "virtual_server_group")
        and not block.startswith("a ")
        and not block.startswith("an ")
    ),
)
def test_the_parser_knows_each_keyword_of_the_manual(block: str, word: str) -> None:
    opened = head(block)
    said = errors(f"{opened}\n{word}\nno_such_keyword_at_all\n{'}' * opened.count('{')}\n")
    # whatever it says of the keyword without its values, it knows it; of the other it does not
    assert not [
        line for line in said if f"unknown keyword {word!r}" in line or f"{word!r} does not belong" in line
    ]
    if block != "authentication":  # where no message repeats a word
        assert any("unknown keyword 'no_such_keyword_at_all'" in line for line in said)
