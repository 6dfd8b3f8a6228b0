"""The files of a configuration while they are read: the one that is open, and those that include it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Final, NamedTuple

from config_service.keepalived import includes
from config_service.keepalived.parameters import Piece, TooMuchError
from config_service.problems import ConfigError, RefusedError, file_name, quoted
from config_service.report import Report
from config_service.source import read_text

_DEEPEST: Final = 16
_MOST: Final = 5_000


class _Open(NamedTuple):
    """A file that is read."""

    real: Path
    directory: Path
    checks: frozenset[str]


class Files:
    """The stack of open files."""

    def __init__(self, main: Path, report: Report) -> None:
        self._report = report
        self._count = 0
        self._real: dict[Path, Path] = {}
        self._open = [_Open(self._resolved(main), self._resolved(main.parent), frozenset())]

    @property
    def directory(self) -> str:
        """Of the file that is read: what relative paths follow."""
        return str(self._open[-1].directory)

    def check(self, words: tuple[str, ...]) -> None:
        """Do what ``include_check`` says, until the file that it stands in ends.

        Raises:
            RefusedError: there is no such check.
        """
        opened = self._open[-1]
        self._open[-1] = opened._replace(checks=includes.checks(words, opened.checks))

    def include(self, piece: Piece, word: str, name: str) -> Iterator[Piece]:
        """Give the lines of the files that an ``include`` or its like names.

        Raises:
            RefusedError: it names nothing.
            TooMuchError: it and others name more files than any configuration has.
        """
        name = re.sub(r"\\(.)", r"\1", name.strip(" \t"))
        if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
            name = name[1:-1]
        if not name or "${" in name:
            raise RefusedError(f"{word} needs the name of a file after it; write one")
        if "\0" in name:
            raise RefusedError(
                f"{word}: {quoted(name)} has an octet of 0, as no name of a file has; remove it"
            )
        checks = self._open[-1].checks | includes.VARIANTS[word]
        paths: list[Path] = []
        for each in includes.alternatives(name):
            found = includes.matching(self._open[-1].directory, each)
            if not found:
                self._missing(piece, word, each, checks, braced=each != name)
            paths += found
        self._count += len(paths)
        if self._count > _MOST:
            raise TooMuchError(f"more than {_MOST:,} files are included; name fewer")
        return self._lines(piece, word, paths, checks)

    def _missing(self, piece: Piece, word: str, name: str, checks: frozenset[str], *, braced: bool) -> None:
        pattern = includes.is_pattern(name)
        wanted = {"wildcard_match"} if pattern else {"match", "brace_match"} if braced else {"match"}
        what = f"no file matches {quoted(name)}" if pattern else f"there is no file {quoted(name)}"
        if checks & wanted:
            self._report.error(
                piece.file,
                piece.number,
                f"{word}: {what}; check the path, or write include if it may be missing",
            )
        elif not pattern:
            self._report.warning(
                piece.file, piece.number, f"{word}: {what}, so nothing is included; check the path"
            )

    def _lines(self, piece: Piece, word: str, paths: list[Path], checks: frozenset[str]) -> Iterator[Piece]:
        for path in paths:
            text = self._text(piece, word, path, checks)
            if text is None:
                continue
            self._report.texts[file_name(path)] = text
            self._report.files.append(path)
            self._open.append(_Open(self._resolved(path), self._resolved(path.parent), self._open[-1].checks))
            yield from pieces(text, file_name(path))
            self._open.pop()

    def _resolved(self, path: Path) -> Path:
        """Follow symbolic links, once for each path."""
        if path not in self._real:
            self._real[path] = path.resolve()
        return self._real[path]

    def _text(self, piece: Piece, word: str, path: Path, checks: frozenset[str]) -> str | None:
        """Read a file; None where it is not to be read, which is told."""
        wrong = True
        if path.is_dir() or not path.exists():
            why = "is a directory; name the files in it" if path.is_dir() else "leads to no file; check it"
            wrong = "readable" in checks
        elif self._resolved(path) in (each.real for each in self._open):
            why = "is being read already, and would include itself for ever; remove one of both"
        elif len(self._open) > _DEEPEST:
            raise TooMuchError(f"{word}: files include each other more than {_DEEPEST} deep")
        else:
            try:
                return read_text(path, may_be_empty=True)
            except ConfigError as error:
                for problem in error.problems:
                    self._report.error(problem.file, problem.line, problem.text, whole=True)
            return None
        text = f"{word}: {quoted(file_name(path))} {why}"
        if wrong:
            self._report.error(piece.file, piece.number, text)
        else:
            self._report.warning(piece.file, piece.number, text)
        return None


def pieces(text: str, file: str) -> Iterator[Piece]:
    """Give the lines of a text."""
    return map(Piece._make, plain_lines(text, file))


def plain_lines(text: str, file: str) -> Iterator[tuple[str, int, str]]:
    """Give the lines of a text as plain tuples: of a large file every microsecond a line counts."""
    lines = text.replace("\r\n", "\n").split("\n")
    return zip(repeat(file), count(1), lines, strict=False)
