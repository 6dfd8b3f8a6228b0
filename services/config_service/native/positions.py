"""Where in a text each key and value of a TOML document stands: TOML's reader keeps no places.

Of a text that the reader accepted; where it did not, what stands before the mistake is found.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import Final, NamedTuple

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_INLINE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]+")
_DEEPEST: Final = 100
_MANY_LINES: Final = ('"""', "'''")


class Span(NamedTuple):
    """From one character of the text to before another."""

    start: int
    end: int


class Entry(NamedTuple):
    """Where a key or an item of an array stands, and its value; of an item they are the same."""

    key: Span
    value: Span


class Position(NamedTuple):
    """Line and column of a piece of the text, both from 1, and how many characters of the line it has."""

    line: int
    column: int
    length: int


class _End(Exception):  # noqa: N818  # it is no error
    """Here the text is no TOML."""


class Positions:
    """The places of a document's keys by their paths: ``virtual_server[1].real_server[0].weight``."""

    def __init__(self, text: str) -> None:
        self.entries: dict[str, Entry] = {}
        self._text = text
        self._at = 0
        self._counts: dict[str, int] = {}
        with contextlib.suppress(_End):
            self._document()

    def entry(self, path: str) -> Entry | None:
        """Find a key, or the nearest thing around it that stands in the text."""
        while path:
            if (found := self.entries.get(path)) is not None:
                return found
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None

    def position(self, path: str, *, of_key: bool = False) -> Position:
        """Say where the value of a path stands, or its key; line 1 where nothing is known of it."""
        found = self.entry(path)
        if found is None:
            return Position(1, 1, 1)
        span = found.value if path in self.entries and not of_key else found.key
        return position_at(self._text, span)

    def position_of_line(self, path: str, number: int) -> Position | None:
        """Say where a line of a text of several lines stands, counted from 1; None: it is no such text."""
        found = self.entries.get(path)
        if found is None or self._text[found.value.start : found.value.start + 3] not in _MANY_LINES:
            return None
        start = found.value.start + 3
        # a newline right after the quotes is none of the text's (TOML 1.0, String)
        start += self._text.startswith("\n", start)
        for _ in range(number - 1):
            start = self._text.find("\n", start, found.value.end) + 1
            if not start:
                return None
        end = self._text.find("\n", start)
        line = self._text[start : min(end if end >= 0 else len(self._text), found.value.end)]
        return position_at(self._text, Span(start + len(line) - len(line.lstrip()), start + len(line)))

    def _document(self) -> None:
        heading = ""
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == "[":
                heading = self._heading()
            else:
                self._pair(heading, 0)

    def _heading(self) -> str:
        start = self._at
        double = self._text.startswith("[[", start)
        self._at += 2 if double else 1
        names = self._names()
        self._expect("]]" if double else "]")
        path = ""
        for at, name in enumerate(names):
            path = f"{path}.{name}" if path else name
            last = at == len(names) - 1
            if last and double:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = f"{path}[{self._counts[path]}]"
        span = Span(start, self._at)
        self.entries.setdefault(path, Entry(span, span))
        if double:
            self.entries.setdefault(path.rpartition("[")[0], Entry(span, span))
        return path

    def _pair(self, around: str, depth: int) -> None:
        start = self._at
        path = around
        for name in self._names():
            path = f"{path}.{name}" if path else name
        key = Span(start, self._at)
        self._skip(_INLINE)
        self._expect("=")
        self._skip(_INLINE)
        # known before what is in it is read: a mistake inside has a place, too
        self.entries.setdefault(path, Entry(key, key))
        self.entries[path] = Entry(key, self._value(path, depth))

    def _names(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_INLINE)
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise _End
            self._at = found.end()
            names.append(_name(found[0]))
            after = self._at
            self._skip(_INLINE)
            if not self._text.startswith(".", self._at):
                self._at = after if not self._text.startswith("]", self._at) else self._at
                return names
            self._at += 1

    def _value(self, path: str, depth: int) -> Span:
        start = self._at
        first = self._text[start : start + 1]
        if depth > _DEEPEST:
            raise _End
        if first == "[":
            self._array(path, depth + 1)
        elif first == "{":
            self._table(path, depth + 1)
        else:
            found = (_STRING if first in ('"', "'") else _SCALAR).match(self._text, start)
            if found is None:
                raise _End
            self._at = start + len(found[0].rstrip())
        return Span(start, self._at)

    def _array(self, path: str, depth: int) -> None:
        self._expect("[")
        number = 0
        while True:
            self._skip(_BLANK)
            if self._text.startswith("]", self._at):
                break
            item = f"{path}[{number}]"
            span = self._value(item, depth)
            self.entries[item] = Entry(span, span)
            number += 1
            self._skip(_BLANK)
            if not self._text.startswith(",", self._at):
                break
            self._at += 1
        self._expect("]")

    def _table(self, path: str, depth: int) -> None:
        self._expect("{")
        while True:
            self._skip(_BLANK)
            if self._text.startswith("}", self._at):
                break
            self._pair(path, depth)
            self._skip(_BLANK)
            if not self._text.startswith(",", self._at):
                break
            self._at += 1
        self._expect("}")

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._at)
        self._at = found.end() if found is not None else self._at

    def _expect(self, word: str) -> None:
        if not self._text.startswith(word, self._at):
            raise _End
        self._at += len(word)


def position_at(text: str, span: Span) -> Position:
    """Say where a piece of a text stands."""
    before = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    stop = min(span.end, len(text) if end < 0 else end)
    return Position(text.count("\n", 0, span.start) + 1, span.start - before + 1, max(stop - span.start, 1))


def _name(raw: str) -> str:
    if raw[0] == "'":
        return raw[1:-1]
    if raw[0] != '"':
        return raw
    try:
        return str(next(iter(tomllib.loads(f"{raw} = 0"))))
    except tomllib.TOMLDecodeError:
        raise _End from None
