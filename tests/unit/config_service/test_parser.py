"""Statements and blocks, wherever keepalived lets the braces stand."""

from __future__ import annotations

import pytest

from config_service.keepalived.parser import DEEPEST, Statement, parse
from config_service.report import Report

Shape = tuple[object, ...]


def shape(statement: Statement) -> Shape:
    """Line, words, and the block's shapes where there is one."""
    words = (statement.line, " ".join((statement.keyword, *statement.arguments)))
    return words if statement.block is None else (*words, [shape(inner) for inner in statement.block])


def parsed(text: str) -> list[Shape]:
    report = Report()
    found = [shape(statement) for statement in parse(text, "x.conf", report)]
    assert not report.errors
    return found


def errors(text: str) -> list[str]:
    report = Report()
    parse(text, "x.conf", report)
    return [f"{one.line}: {one.text}" for one in report.errors]


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("a 1\nb\n", [(1, "a 1"), (2, "b")]),
        ("a 1 {\nb 2\n}\n", [(1, "a 1", [(2, "b 2")])]),
        ("a 1\n{\nb 2\n}\n", [(1, "a 1", [(3, "b 2")])]),
        ("a 1\n\n# c\n{ b 2 }\n", [(1, "a 1", [(4, "b 2")])]),
        ("a { b 2 }", [(1, "a", [(1, "b 2")])]),
        ("a{b{c}}", [(1, "a", [(1, "b", [(1, "c")])])]),
        ("a { }\n", [(1, "a", [])]),
        ("a { b {\nc\n} d\n}\ne\n", [(1, "a", [(1, "b", [(2, "c")]), (3, "d")]), (5, "e")]),
        ("a 1 \\\n2 {\nb\n}\n", [(1, "a 1 2", [(3, "b")])]),
        ("a\nb '{'\n", [(1, "a"), (2, "b {")]),
        ("", []),
    ],
)
def test_blocks(text: str, shapes: list[Shape]) -> None:
    assert parsed(text) == shapes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a {\nb\n", ["1: the block of 'a' is never closed; add '}' (or was the file cut off?)"]),
        ("a 1 {\nb {\n", ["1: the block of 'a 1' is never", "2: the block of 'b' is never"]),
        ("a\n}\n", ["2: '}' without a block to close"]),
        ("a { } }\nb\n", ["1: '}' without a block to close"]),
        ("{\na\n}\n", ["1: '{' without a keyword before it"]),
        ("a { { b } }\n", ["1: '{' without a keyword before it"]),
        ("a { } { b }\n", ["1: '{' without a keyword before it"]),
        (
            "a { include x }\n",
            ["1: 'include' is an include only at the beginning of a line; put it on one of"],
        ),
        (
            "a { @main b }\n",
            ["1: '@main' is a condition only at the beginning of a line; put it on one of its"],
        ),
    ],
)
def test_what_is_refused(text: str, found: list[str]) -> None:
    said = errors(text)
    assert len(said) == len(found)
    for line, start in zip(said, found, strict=True):
        assert line.startswith(start)


def test_blocks_may_not_be_nested_without_end() -> None:
    deep = DEEPEST + 1
    assert errors("a {\n" * DEEPEST + "}\n" * DEEPEST) == []
    said = errors("a {\n" * 100_000)
    assert f"{deep}: blocks nested more than {DEEPEST} deep; close some" in said
    assert len(said) == DEEPEST + 2
