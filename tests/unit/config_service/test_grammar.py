"""Statements that are written down in any layout are read as what they were."""

from __future__ import annotations

import re
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.keepalived.parser import DEEPEST, Statement, parse
from config_service.report import Report


class Node(NamedTuple):
    """A statement without its place."""

    words: tuple[str, ...]
    block: tuple[Node, ...] | None


_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp"))
_PLAIN = re.compile(r"[A-Za-z0-9_./:*+,;=?%&()<>^|-]+")
_DIRECTIVE = re.compile(r"@|include")

plain_words = st.from_regex(_PLAIN, fullmatch=True).filter(lambda word: _DIRECTIVE.match(word) is None)
any_words = st.text(_CHARACTERS, max_size=12)
nodes = st.recursive(
    st.builds(Node, st.tuples(plain_words), st.none()),
    lambda inner: st.builds(
        lambda keyword, arguments, block: Node((keyword, *arguments), block),
        plain_words,
        st.lists(st.one_of(plain_words, any_words), max_size=3),
        st.one_of(st.none(), st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=12,
)


class Layout:
    """Writes statements as people do, one way or another."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def text(self, statements: tuple[Node, ...], depth: int = 0) -> str:
        return "".join(self._statement(one, depth) for one in statements)

    def _statement(self, node: Node, depth: int) -> str:
        blank = self._one_of("", " ", "  ", "\t") * depth
        words = self._one_of(" ", "\t", "  ").join(self._word(word) for word in node.words)
        if node.block is None:
            return f"{self._between()}{blank}{words}{self._end()}"
        inside = self.text(node.block, depth + 1)
        before = self._one_of(" ", "", "\n", "\n\n  ", " # why {\n")
        return f"{self._between()}{blank}{words}{before}{{{self._end()}{inside}{blank}}}{self._end()}"

    def _word(self, word: str) -> str:
        if _PLAIN.fullmatch(word) and self._one_of(True, True, False):
            return word
        quote = self._one_of('"', "'")
        return quote + re.sub(r"([\\\"'$~])", r"\\\1", word) + quote

    def _between(self) -> str:
        return self._one_of("", "", "\n", '# a comment with a } and a "\n', "! another\n", "  \t\n")

    def _end(self) -> str:
        return self._one_of("\n", "\n", " \n", " # { why\n", "\t! not\n", "\r\n")

    def _one_of(self, *choices: str | bool) -> str:
        return self._data.draw(st.sampled_from(choices))  # type: ignore[return-value]


def without_place(statements: tuple[Statement, ...]) -> tuple[Node, ...]:
    return tuple(
        Node((one.keyword, *one.arguments), None if one.block is None else without_place(one.block))
        for one in statements
    )


def depth_of(statements: tuple[Node, ...]) -> int:
    return max((1 + depth_of(one.block) for one in statements if one.block is not None), default=0)


@settings(max_examples=150, deadline=None)
@given(st.lists(nodes, max_size=5).map(tuple), st.data())
def test_what_is_written_down_is_read_again(statements: tuple[Node, ...], data: st.DataObject) -> None:
    assert depth_of(statements) <= DEEPEST
    text = Layout(data).text(statements)
    report = Report()
    found = parse(text, "x.conf", report)
    assert [str(one) for one in report.errors] == []
    assert without_place(found) == statements
    lines = text.count("\n")
    assert all(1 <= one.line <= lines for one in found)
