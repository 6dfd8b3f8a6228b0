"""What is wrong with a file: one line each, ``file:line:column: what; what to do``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

_LONGEST_WORD: Final = 60
"""Characters of a file's word that a message repeats; noise has words of any length."""
_SECRET: Final = re.compile(r"\b(?:auth_pass|key|password)\b")
"""Keywords with a password or key after them."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    file: str
    line: int
    text: str
    column: int = 0
    """Counted from 1; 0 where only the line is known."""
    whole: bool = False
    """True: it is the file as a whole; the line is the first, and no word of it is to blame."""
    excerpt: tuple[str, ...] = ()
    """The line, and a second one that points to the word; nothing where a password may stand in it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        return f"{place}: {self.text}"


class ConfigError(Exception):
    """A configuration is refused as a whole; holds everything that is wrong with it, by line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda one: (one.file, one.line)))
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """The first problem, for where one line must do."""
        return str(self.problems[0])

    def lines(self, most: int = 100, *, excerpts: bool = False) -> list[str]:
        """Write one line a problem, ``most`` at most; a last line counts the others.

        With ``excerpts`` each is followed by the file's line and what points to the word.
        """
        lines: list[str] = []
        for problem in self.problems[:most]:
            lines.append(str(problem))
            if excerpts:
                lines += problem.excerpt
        if (others := len(self.problems) - most) > 0:
            lines.append(f"{self.problems[most].file}: {others} more; put these right first")
        return lines


def some_of(warnings: Sequence[Problem], most: int = 20) -> tuple[str, ...]:
    """Write warnings, one line each, ``most`` at most; a last line counts the others."""
    lines = [str(warning) for warning in warnings[:most]]
    if (others := len(warnings) - most) > 0:
        lines.append(f"{warnings[0].file}: {others} more warnings; vipbus config check shows them all")
    return tuple(lines)


class RefusedError(Exception):
    """A value is refused, in words; whoever reads the statement adds file and line."""


class LeftOutError(Exception):
    """A line says what vipbus leaves out, and is left out with it; whoever reads it warns."""


Places = Mapping[tuple[str, int], list[tuple[str, int]]]


def quoted(word: str) -> str:
    """Repeat a word of the file in a message: in quotes, printable, not too long."""
    return repr(word if len(word) <= _LONGEST_WORD else word[:_LONGEST_WORD] + "...")


def may_be_secret(line: str) -> bool:
    """Say whether a piece of this line may be part of a password, so that no message repeats it."""
    return _SECRET.search(line) is not None


def file_name(path: Path) -> str:
    """Write a path so that it stays one line and valid UTF-8, whatever bytes it is made of."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return name if name.isprintable() else name.encode("unicode_escape").decode()
