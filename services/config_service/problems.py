"""What is wrong with a file: one line each, ``file:line: what; what to do``."""

from __future__ import annotations

import os
import re
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

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class ConfigError(Exception):
    """A configuration is refused as a whole; holds everything that is wrong with it, by line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """The first problem, for where one line must do."""
        return str(self.problems[0])

    def lines(self, most: int = 100) -> list[str]:
        """Write one line a problem, ``most`` at most; a last line counts the others."""
        lines = [str(problem) for problem in self.problems[:most]]
        if (others := len(self.problems) - most) > 0:
            lines.append(f"{self.problems[most].file}: {others} more; put these right first")
        return lines


class RefusedError(Exception):
    """A value is refused, in words; whoever reads the statement adds file and line."""


class Report:
    """Collects errors and warnings while a file is read."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, file: str, line: int, text: str) -> None:
        """Note an error."""
        self.errors.append(Problem(file, line, text))

    def warning(self, file: str, line: int, text: str) -> None:
        """Note a warning: the file is accepted, and means what the text says."""
        self.warnings.append(Problem(file, line, text))

    def raise_errors(self) -> None:
        """End the reading here if anything was wrong so far.

        Raises:
            ConfigError: there are errors.
        """
        if self.errors:
            raise ConfigError(self.errors)


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
