"""Lines as words: quotes, escapes, comments, and what is none (configuration.txt, 2.2)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.haproxy.words import UnreadableError, words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("   # a comment", []),
        ("bind :80", ["bind", ":80"]),
        ("\tbind\t :80 # here", ["bind", ":80"]),
        ("bind :80#here", ["bind", ":80"]),
        (r"a b\ c", ["a", "b c"]),
        (r"a \#b", ["a", "#b"]),
        ('a "b c" d', ["a", "b c", "d"]),
        ("a 'b \" c'", ["a", 'b " c']),
        (r'a "b \" c"', ["a", 'b " c']),
        ("a 'b # c'", ["a", "b # c"]),
        (r"a 'b \n c'", ["a", r"b \n c"]),
        (r"a b\nc\rd\te", ["a", "b\nc\rd\te"]),
        (r"a \x41\x42", ["a", "AB"]),
        (r"path_reg ^/a\.b$", ["path_reg", r"^/a\.b$"]),
        (r'path_reg "^/a\.b"', ["path_reg", r"^/a\.b"]),
        ("a''b", ["ab"]),
        ('a "" b', ["a", "", "b"]),
        (r"GET / HTTP/1.1\r\nHost:\ a", ["GET", "/", "HTTP/1.1\r\nHost: a"]),
        ("a\\", ["a\\"]),
        ("a \\\\", ["a", "\\"]),
    ],
)
def test_words(line: str, expected: list[str]) -> None:
    assert [each.text for each in words(line)] == expected


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        ("a 'b", 3, "the quote ' is not closed"),
        ('bind "b', 6, 'the quote " is not closed'),
        (r"a \xZ1", 3, "no two hexadecimal digits"),
        ("a \0b", 3, "control character"),
        ("a\x1b", 2, "control character"),
        ("x " * 2000, 2049, "longer than 2048"),
    ],
)
def test_what_is_none(line: str, column: int, says: str) -> None:
    with pytest.raises(UnreadableError, match=says) as refused:
        words(line)
    assert refused.value.column == column


@pytest.mark.parametrize(
    ("line", "variable"),
    [('"${A}"', True), ('a"$B"', True), ("$A", False), ("'$A'", False), (r'"\$A"', False)],
)
def test_a_variable_is_one_in_weak_quotes_alone(line: str, variable: bool) -> None:
    (word,) = words(line)
    assert word.variable is variable


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_line_is_words_or_says_why(line: str) -> None:
    with contextlib.suppress(UnreadableError):
        assert all(0 < each.column <= len(line) for each in words(line))


@given(
    st.lists(st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=8), max_size=4)
)
@settings(deadline=None)
def test_what_is_quoted_reads_as_it_was(texts: list[str]) -> None:
    line = " ".join("'" + each.replace("'", "'\\''") + "'" for each in texts)
    assert [each.text for each in words(line)] == texts
