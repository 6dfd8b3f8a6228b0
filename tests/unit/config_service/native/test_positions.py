"""Where keys and values stand in a document: found for every one of them, whatever the text looks like."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.native.positions import Position, Positions
from config_service.native.writer import toml
from tests.unit.config_service.native.documents import documents

ODD = """\
title = 'a # no comment'   # a comment with "quotes"
"quoted key" . 'other' . \tbare = 1
text = QQQ
[not.a.heading] "" x = 1
"QQQ
literal = '''
it''s ]'''
[ "a.b" . c ]   # heading
numbers = [ # in an array
    1, 2.5,
    [ "x]", 'y' ], # another
]
[[ many ]]
[[many.inner]]
when = 1979-05-27T07:32:00Z
[[many.inner]]
inline = { a = 1, "b.c" = { d = [ { e = true } ] } }
[[many]]
[many.table]
x.y = inf
[[many.inner]]
last = "\\u00e9\\t"
""".replace("QQQ", '"' * 3)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Give all that is in a document and is no table, by path."""
    if isinstance(value, dict):
        inner = [(f"{path}.{key}" if path else key, each) for key, each in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[{at}]", each) for at, each in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for at, each in inner for name, leaf in leaves(each, at).items()}


@pytest.mark.parametrize("text", [ODD, *(text for _, text in documents())])
def test_every_value_stands_where_it_is_said(text: str) -> None:
    found = Positions(text)
    for path, value in leaves(tomllib.loads(text)).items():
        entry = found.entries[path]
        assert tomllib.loads(f"x = {text[entry.value.start : entry.value.end]}")["x"] == value
        key = text[entry.key.start : entry.key.end]
        assert path.endswith("]") or path.rpartition(".")[2] in key.replace('"', "").replace("'", "")


KEYS = st.text("ab-_ .\"'#=é", min_size=1, max_size=4)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=6) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b c", "d"]), VALUES, max_size=3))
def test_what_is_written_is_read_and_found(document: dict[str, Any]) -> None:
    text = toml.document(
        {key: value for key, value in document.items() if isinstance(value, dict)} or {"x": {}}
    )
    assert tomllib.loads(text.replace("$${", "${")) is not None
    flat = "".join(f"{toml.inline(key)} = {toml.inline(value)}\n" for key, value in document.items())
    found = Positions(flat)
    for path in leaves(tomllib.loads(flat)):
        assert path in found.entries


@given(st.integers(0, len(ODD)), st.text(max_size=3))
def test_of_a_broken_text_is_found_what_stands_before(at: int, noise: str) -> None:
    found = Positions(ODD[:at] + noise)
    assert all(entry.value.end <= at + len(noise) for entry in found.entries.values())


def test_what_does_not_stand_there_is_what_is_around_it() -> None:
    found = Positions(ODD)
    assert found.position("many[0].inner[1].inline.b.c.d[0].nothing") == Position(17, 35, 12)
    assert found.position("many[0].inner[1].inline", of_key=True) == Position(17, 1, 6)
    assert found.position("many[7]") == Position(13, 1, 10)
    assert found.position("nothing.at.all") == Position(1, 1, 1)
    assert Positions("[" * 5000).position("x") == Position(1, 1, 1)
    assert Positions("x = " + "[" * 5000).position("x") == Position(1, 1, 1)
