"""Words, braces, comments, quotes, escapes and continued lines."""

from __future__ import annotations

import pytest

from config_service.keepalived.files import pieces
from config_service.keepalived.lexer import Brace, Part, lines
from config_service.report import Report
from tests.unit.config_service.support import parts_of

OPEN, CLOSE = Brace.OPEN, Brace.CLOSE


def lexed(text: str) -> list[tuple[int, list[Part]]]:
    report = Report()
    found = [(line[1], parts_of(line)) for line in lines(pieces(text, "x.conf"), report)]
    assert not report.errors
    return found


def errors(text: str) -> list[str]:
    report = Report()
    list(lines(pieces(text, "x.conf"), report))
    return [f"{one.line}: {one.text}" for one in report.errors]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("\ta\t b ", ["a", "b"]),
        ("a{b}c", ["a", OPEN, "b", CLOSE, "c"]),
        ("} {", [CLOSE, OPEN]),
        ("a b # c { d", ["a", "b"]),
        ("a b!c", ["a", "b"]),
        ("a#b", ["a"]),
        ("priority 100\r", ["priority", "100"]),
        ('a "b c" d', ["a", "b c", "d"]),
        ("a 'b c' d", ["a", "b c", "d"]),
        ('a" b "c', ["a b c"]),
        ('a "" b', ["a", "", "b"]),
        ('a "it\'s" \'say "x"\'', ["a", "it's", 'say "x"']),
        ("a '{' \"#\" '!'", ["a", "{", "#", "!"]),
        (r"a \"b\" c", ["a", '"b"', "c"]),
        (r"a\ b \{ \# \\", ["a b", "{", "#", "\\"]),
        (r'"\a\b\E\f\n\r\t\v"', ["\a\b\x1b\f\n\r\t\v"]),
        (r'"\101\x41\x4a\cG\q"', ["AAJ\aq"]),
        (r'"\1019"', ["A9"]),
        ('"a # b" # c', ["a # b"]),
        ("größe", ["größe"]),
        ("a # größe", ["a"]),
        ("a$ $1 b~c", ["a$", "$1", "b~c"]),
        ("admin@example.org", ["admin@example.org"]),
    ],
)
def test_one_line(text: str, parts: list[Part]) -> None:
    assert lexed(text + "\n") == [(1, parts)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a \\\n  b\nc\n", [(1, ["a", "b"]), (3, ["c"])]),
        ("a\\\nb\n", [(1, ["a", "b"])]),
        ("a \\\r\n  b\r\nc\r\n", [(1, ["a", "b"]), (3, ["c"])]),
        ('a "b \\\nc" d\n', [(1, ["a", "b c", "d"])]),
        ("a {\\\nb \\\n}\nc\n", [(1, ["a", OPEN, "b", CLOSE]), (4, ["c"])]),
        ("a # not continued \\\nb\n", [(1, ["a"]), (2, ["b"])]),
        ("\n\n  # only this\n! and this\n", []),
        ("a\n\n\nb", [(1, ["a"]), (4, ["b"])]),
        ("a \\\n", [(1, ["a"])]),
    ],
)
def test_several_lines(text: str, found: list[tuple[int, list[Part]]]) -> None:
    assert lexed(text) == found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('a\nb "c\nd\n', '2: the quote " is never closed on this line; close it'),
        ("a 'b\n", "1: the quote ' is never closed"),
        ("a\x00b\n", "1: control character U+0000"),
        ("a # b\x07\n", "1: control character U+0007"),
        ("a\x1b[0m\n", "1: control character U+001B"),
        ("a\rb\n", "1: control character U+000D"),
        ("a\u2028b\n", "1: control character U+2028"),
        ("a\x85b\n", "1: control character U+0085"),
        ("a \\  \nb\n", "1: blanks after the \\"),
        ("a \\", "1: the file ends in the middle of a continued line"),
        ('a "b\\\n', "2: the quote"),
        ("a \\0\n", "1: the escape '\\\\0' makes no character"),
        ("a \\777\n", "1: the escape '\\\\777' makes no character"),
        ("a \\xg\n", "1: \\x needs hexadecimal digits"),
    ],
)
def test_what_is_refused(text: str, error: str) -> None:
    found = errors(text)
    assert len(found) == 1
    assert found[0].startswith(error)


def test_an_error_ends_its_line_only() -> None:
    report = Report()
    found = [parts_of(line) for line in lines(pieces("a 'b\nc\nd \x01\ne\n", "x.conf"), report)]
    assert found == [["c"], ["e"]]
    assert [one.line for one in report.errors] == [1, 3]
