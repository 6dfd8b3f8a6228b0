"""docs/haproxy-keywords.md, the manual's list of keywords and the importer say the same."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from config_service.haproxy.compile import compile_text
from config_service.haproxy.keyword_table import document
from config_service.haproxy.keywords import BACK, FRONT, GLOBAL, PROXY, SECTION
from config_service.haproxy.server_options import SERVER
from config_service.native.writer.document import write_document
from config_service.problems import ConfigError
from vipbus.contracts.proxy_snippet import SECTIONS

PAGE = Path(__file__).parents[4] / "docs" / "haproxy-keywords.md"
MANUAL = Path("/usr/share/doc/haproxy/configuration.txt.gz")
_ROW = re.compile(
    r"^([a-z][a-z0-9_-]*(?: [a-z0-9-]+)*) +(?:\([*]\)|\(deprecated\))?"
    r" +([X-]) ?(?:\(!\))? +([X-]) +([X-]) +([X-])$"
)
_OTHERWISE = {"capture request header": "capture request", "capture response header": "capture response"}
_SAMPLE = """\
defaults
    timeout connect 5s
    timeout client 5s
    timeout server 5s
{defaults}
frontend f
    mode http
    bind 192.0.2.1:80
    default_backend b
{front}
backend b
    mode http
    server a 10.0.0.1:80
{back}
"""


def manual() -> dict[str, tuple[str, ...]]:
    """Read the manual's matrix: where a keyword may stand."""
    if not MANUAL.exists():
        pytest.skip("the manual of haproxy is not installed")
    found: dict[str, tuple[str, ...]] = {}
    for line in gzip.decompress(MANUAL.read_bytes()).decode().splitlines():
        if (row := _ROW.fullmatch(line.rstrip())) is not None:
            found[_OTHERWISE.get(row[1], row[1])] = tuple(row.groups()[1:])
    return found


def test_it_is_what_make_keywords_writes() -> None:
    assert PAGE.read_text() == document().rstrip("\n") + "\n"


def test_every_keyword_of_the_manual_is_in_it_and_of_its_side() -> None:
    known = manual()
    assert len(known) > 150
    known["compression algo"] = known["compression type"] = known.pop("compression")
    assert known.keys() - PROXY.keys() == set()
    for word, (_, front, _, back) in known.items():
        sides = (FRONT if front == "X" else "") + (BACK if back == "X" else "")
        keyword = PROXY[word]
        if keyword.fate == "snippet":
            assert set(keyword.sides) <= set(sides), word


def test_every_section_is_in_it() -> None:
    assert SECTION.keys() == SECTIONS


@pytest.mark.parametrize("word", [word for word, each in PROXY.items() if each.fate == "dropped"])
def test_what_is_dropped_is_warned_of(word: str) -> None:
    side = "back" if not word.startswith("stats") else "front"
    text = _SAMPLE.format(**{"defaults": "", "front": "", "back": "", side: f"    {word} x y"})
    made = compile_text(text, "haproxy.cfg", "lb-a")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if each.strip().startswith(word))
    assert line in {each.line for each in made.warnings}
    assert word not in write_document({"lb-a": made}, "secrets", str).text.partition("[[proxy]]")[2]


@pytest.mark.parametrize("word", [word for word, each in PROXY.items() if each.fate == "snippet"])
@pytest.mark.parametrize("where", ["own", "defaults"])
def test_what_is_a_snippet_stands_where_it_stood(word: str, where: str) -> None:
    side = "defaults" if where == "defaults" else "front" if FRONT in PROXY[word].sides else "back"
    text = _SAMPLE.format(**{"defaults": "", "front": "", "back": "", side: f"    {word} x y"})
    made = compile_text(text, "haproxy.cfg", "lb-a")
    document = write_document({"lb-a": made}, "secrets", str).text
    table = {"defaults": "haproxy", "front": "proxy", "back": "pool"}[side]
    inside = re.search(rf"^\[+{table}\]+\n(?:(?!^\[).*\n)*", document, re.MULTILINE)
    assert f"\n{word} x y" in document
    assert word.startswith("tcp-re") or (inside is not None and f"\n{word} x y" in inside[0])


@pytest.mark.parametrize("word", [word for word, each in GLOBAL.items() if each.fate == "dropped"])
def test_what_is_dropped_of_global_is_warned_of(word: str) -> None:
    text = f"global\n    {word} x y\n" + _SAMPLE.format(defaults="", front="", back="")
    made = compile_text(text, "haproxy.cfg", "lb-a")
    assert 2 in {each.line for each in made.warnings}


@pytest.mark.parametrize("word", [word for word, each in SECTION.items() if each.fate == "dropped"])
def test_a_section_that_is_dropped_is_warned_of(word: str) -> None:
    text = f"{word} x\n    some thing\n" + _SAMPLE.format(defaults="", front="", back="")
    made = compile_text(text, "haproxy.cfg", "lb-a")
    assert 1 in {each.line for each in made.warnings}


@pytest.mark.parametrize("word", SERVER)
def test_an_option_of_a_server_is_none_of_the_snippet(word: str) -> None:
    text = _SAMPLE.format(defaults="", front="", back=f"    server b 10.0.0.2:80 {word} 1")
    try:
        made = compile_text(text, "haproxy.cfg", "lb-a")
    except ConfigError as error:
        assert error.problems[0].line == text.splitlines().index(f"    server b 10.0.0.2:80 {word} 1") + 1  # noqa: PT017  # most are none
        return
    if SERVER[word].fate == "dropped":
        assert [each for each in made.warnings if word in each.text]
