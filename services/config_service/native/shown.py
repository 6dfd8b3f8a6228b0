"""A refusal as a problem with its place: file, line, column, the line, and what points to the key or value.

A line with a part of a secret in it is not shown, nor what the environment's variables hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from config_service.excerpts import MAY_BE_SECRET, excerpt
from config_service.native.misplaced import Misplaced
from config_service.native.positions import Position, Positions, Span, position_at
from config_service.problems import Problem

_SECRETS: Final = re.compile(r"(?:^|\.)(?:auth_pass|keys\[\d+\]\.secret|secret)$")
_SAID: Final = re.compile(r"\(at line (\d+), column (\d+)\)$")
_BEGINS: Final = re.compile(r"^[ \t]*(?:\[|[\w\"'.-]+[ \t]*=)")


class Shown:
    """Makes the problems of one document."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._positions: Positions | None = None
        self._hidden: list[tuple[int, int]] | None = None

    def problem(self, path: str, said: str, *, of_key: bool = False, line: int = 0) -> Problem:
        """Make one of a key, or of a line of its text."""
        if self._positions is None:
            self._positions = Positions(self._text)
        place = self._positions.position(path, of_key=of_key)
        if line:
            place = self._positions.position_of_line(path, line) or place
        secret = any(first <= place.line <= last for first, last in self._secret_lines(self._positions))
        shown = _shown(self._text, place)
        if secret or MAY_BE_SECRET.search(shown[0]):
            shown = ()
        return Problem(self._file, place.line, f"{path}: {said}", place.column, excerpt=shown)

    def misplaced(self, error: Misplaced, path: str, said: str) -> Problem:
        """Make one of a refusal."""
        return self.problem(path, said, of_key=error.of_key, line=error.line)

    def no_toml(self, said: str) -> Problem:
        """Make one of what TOML's reader says; it gives line and column."""
        found = _SAID.search(said)
        lines = self._text.split("\n")
        line = min(int(found[1]), len(lines)) if found else len(lines) if "end of document" in said else 1
        column = int(found[2]) if found else 1
        text = f"this is no TOML: {said}"
        if self._may_be_secret(lines, line):
            # what the reader says may have a word of it
            return Problem(self._file, line, "this is no TOML; correct what stands here", column)
        start = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
        place = Position(line, column, 1)
        return Problem(self._file, line, text, column, excerpt=_shown(self._text, place, start))

    def _secret_lines(self, positions: Positions) -> list[tuple[int, int]]:
        if self._hidden is None:
            self._hidden = [*self._spans(positions)]
        return self._hidden

    def _spans(self, positions: Positions) -> Iterator[tuple[int, int]]:
        for path, entry in positions.entries.items():
            if _SECRETS.search(path) is not None:
                span = Span(entry.key.start, entry.value.end)
                first = position_at(self._text, span).line
                yield first, first + self._text.count("\n", span.start, span.end)

    @staticmethod
    def _may_be_secret(lines: list[str], number: int) -> bool:
        """Say whether a line of what is no TOML may hold a secret: itself, or the key before it."""
        for above in range(number - 1, -1, -1):
            if MAY_BE_SECRET.search(lines[above]):
                return True
            if _BEGINS.search(lines[above]):
                return False
        return False


def _shown(text: str, place: Position, start: int | None = None) -> tuple[str, ...]:
    """Show the line of a place, and point to it."""
    if start is None:
        lines = text.split("\n", place.line)
        line = lines[place.line - 1] if place.line <= len(lines) else ""
    else:
        begin = text.rfind("\n", 0, max(start, 0)) + 1
        end = text.find("\n", max(start, 0))
        line = text[begin : len(text) if end < 0 else end]
    return excerpt(line, place.column - 1, place.length)
