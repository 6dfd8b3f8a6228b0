"""Every haproxy.cfg of the corpus: what it becomes, and that cut or noisy files say where they are wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from config_service.haproxy.compile import compile_text
from config_service.haproxy.keywords import GLOBAL, PROXY, SECTION
from config_service.haproxy.notes import Notes
from config_service.haproxy.sections import sections
from config_service.keepalived.compile import Configuration
from config_service.native.document import read
from config_service.native.schema import schema
from config_service.native.writer.document import write_document
from config_service.problems import ConfigError
from haproxy_programmer.render import render
from haproxy_programmer.site import Place
from tests.corpus.golden import HAPROXY, converted, golden_document
from tests.support.haproxy_corpus import site
from tests.unit.config_service.native.documents import validator
from vipbus.contracts import Entity, Proxy, ProxyPool

FILES = sorted(HAPROXY.glob("*.cfg"))
VALID = validator(schema())
SECRETS = ("not-to-be-shown", "correct-horse", "bm90LXRvLWJlLXNob3du")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_becomes_what_it_is_to_become(path: Path) -> None:
    assert converted(path) == golden_document(path).read_bytes(), "run python -m tests.corpus.golden --write"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_document_says_the_same_and_is_valid(path: Path) -> None:
    made = compile_text(path.read_text(), path.name, "lb-a")
    text = write_document({"lb-a": made}, "secrets", str).text
    found = read(text, "vipbus.toml", "lb-a", str)
    assert {each.key: each for each in found} == {each.key: each for each in made.entities}
    assert [each.message for each in VALID.iter_errors(tomllib.loads(text))] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_password_is_in_a_document_or_a_warning(path: Path) -> None:
    made = compile_text(path.read_text(), path.name, "lb-a")
    said = converted(path).decode() + "".join(each.text for each in made.warnings)
    assert not [each for each in SECRETS if each in said]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_line_is_lost(path: Path) -> None:
    """What is left out is named where it stands, and what no model has stands in a snippet."""
    text = path.read_text()
    warned = {each.line for each in compile_text(text, path.name, "lb-a").warnings}
    document = converted(path).decode()
    for section in sections(text, Notes(path.name, text)):
        known = SECTION[section.kind]
        if known.fate == "dropped":
            assert section.number in warned
            continue
        if any(line.keyword == "disabled" for line in section.lines):
            continue
        stats = [line for line in section.lines if line.keyword == "stats auth"]
        for line in section.lines:
            table = GLOBAL if section.kind == "global" else PROXY
            fate = table[line.keyword].fate if line.keyword in table else "snippet"
            if line.number in warned or (stats and line.keyword.startswith("stats")):
                continue
            assert fate != "dropped", line.text
            if fate == "snippet" and section.kind != "cache":
                written = r"\s+".join(map(re.escape, line.keyword.split()))
                assert re.search(rf"^(?:no )?{written}\b", document, re.MULTILINE), line.text


@pytest.mark.parametrize("name", ["acl-routing", "quoting"])
def test_cut_at_every_byte_it_is_read_or_says_where(name: str) -> None:
    body = (HAPROXY / f"{name}.cfg").read_bytes()
    for end in range(len(body)):
        _reads_or_says_where(body[:end].decode(errors="surrogateescape"))


@pytest.mark.parametrize("seed", range(40))
def test_with_noise_it_is_read_or_says_where(seed: int) -> None:
    chance = Random(seed)
    for path in FILES:
        body = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body))
            how = chance.random()
            if how < 0.4:
                body[at] = chance.randrange(256)
            elif how < 0.7:
                del body[at : at + chance.randint(1, 30)]
            else:
                body[at:at] = chance.choice(
                    [b'"', b"'", b"\\", b" { ", b" } ", b" if ", b"\n", b"\0", b" -m ", b"%["]
                )
        _reads_or_says_where(body.decode(errors="surrogateescape"))


def _reads_or_says_where(text: str) -> None:
    made = _read(text)
    if isinstance(made, ConfigError):
        lines = text.count("\n") + 1
        assert all(0 < each.line <= lines and each.column > 0 for each in made.problems)
        return
    document = write_document({"lb-a": made}, "secrets", str).text
    found = read(document, "vipbus.toml", "lb-a", str)
    assert {each.key: each for each in found} == {each.key: each for each in made.entities}
    # whatever it says, it says it in the sections that there are without a word of it
    plain = [msgspec.structs.replace(each, snippet=None) for each in found if isinstance(each, ProxyPool)]
    plain += [
        msgspec.structs.replace(each, snippet="bind :1" if not each.bind else None)
        for each in found
        if isinstance(each, Proxy)
    ]
    assert _sections(found) == _sections(tuple(plain))


def _sections(entities: Sequence[Entity]) -> list[str]:
    lines = render(site(entities), Place(directory=Path("/x"))).split("\n")
    return sorted(line for line in lines if line[:1] not in ("", " ", "#"))


def _read(text: str) -> Configuration | ConfigError:
    try:
        return compile_text(text, "haproxy.cfg", "lb-a")
    except ConfigError as error:
        return error
