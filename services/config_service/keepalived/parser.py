"""The blocks of keepalived.conf(5): statements, each with its arguments and perhaps a block of statements.

Knows no keyword: includes, conditions, definitions and sequences are done before there are words (`expand`).
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from config_service.keepalived.expand import Machine, expanded
from config_service.keepalived.includes import VARIANTS
from config_service.keepalived.lexer import Brace, Line, Shape, lines
from config_service.keepalived.parameters import TooMuchError
from config_service.problems import may_be_secret, quoted
from config_service.report import Report

DEEPEST: Final = 16
"""Blocks inside blocks; the language itself needs 4."""


class Statement(msgspec.Struct, frozen=True, gc=False):
    """A keyword with its arguments and its block; ``block`` is None where there are no braces."""

    keyword: str
    arguments: tuple[str, ...]
    line: int
    file: str
    block: tuple[Statement, ...] | None = None


class _Open(msgspec.Struct):
    """A block whose closing brace has not come yet."""

    head: list[str]
    file: str
    line: int
    statements: list[Statement]


def parse(text: str, file: str, report: Report, machine: Machine | None = None) -> tuple[Statement, ...]:
    """Read a file's text into statements, and that of the files it includes.

    What is wrong with words or braces goes into the report.
    """
    tree = _Tree(file, report)
    try:
        for line in lines(expanded(text, file, machine or Machine(), report), report):
            tree.take(line)
            if tree.too_deep:
                break
    except TooMuchError:
        return ()  # it is told, and whatever is open is open because of it
    return tree.end()


class _Tree:
    """The open blocks, and the statement whose block a brace may still open, even on a later line."""

    def __init__(self, file: str, report: Report) -> None:
        self.too_deep = False
        self._report = report
        self._blocks = [_Open([], file, 1, [])]
        self._words: list[str] = []
        self._file = file
        self._line = 1

    def take(self, line: Line) -> None:
        """Take a line's parts: the first word after a brace or a line's end begins a statement."""
        file, number, shape, parts = line
        if shape is Shape.WORDS:
            self._begin(cast("list[str]", parts), file, number)
            return
        if shape is Shape.OPENING:
            if parts:
                self._begin(cast("list[str]", parts), file, number)
            self._open(file, number)
            return
        if shape is Shape.CLOSING:
            self._close(file, number)
            return
        fresh = True
        for part in parts:
            if self.too_deep:
                return
            if part is Brace.OPEN:
                self._open(file, number)
                fresh = True
            elif part is Brace.CLOSE:
                self._close(file, number)
                fresh = True
            elif fresh:
                self._begin([part], file, number)
                fresh = False
            else:
                self._words.append(part)

    def _begin(self, words: list[str], file: str, number: int) -> None:
        self._end_statement()
        first = words[0]
        if first[:1] == "@" or first in VARIANTS:
            _refuse_directive(first, file, number, self._report)
        self._words, self._file, self._line = words, file, number

    def end(self) -> tuple[Statement, ...]:
        """End the file."""
        self._end_statement()
        for block in self._blocks[1:]:
            self._report.error(
                block.file,
                block.line,
                f"the block of {quoted(_head(block.head))} is never closed; "
                "add '}' (or was the file cut off?)",
            )
        return tuple(self._blocks[0].statements)

    def _end_statement(self) -> None:
        if words := self._words:
            self._blocks[-1].statements.append(Statement(words[0], tuple(words[1:]), self._line, self._file))
            self._words = []

    def _open(self, file: str, number: int) -> None:
        if not self._words:
            self._report.error(file, number, "'{' without a keyword before it; name the block or remove it")
        if len(self._blocks) > DEEPEST and not self.too_deep:
            self._report.error(file, number, f"blocks nested more than {DEEPEST} deep; close some")
            self.too_deep = True
        place = (self._file, self._line) if self._words else (file, number)
        self._blocks.append(_Open(self._words, *place, []))
        self._words = []

    def _close(self, file: str, number: int) -> None:
        self._end_statement()
        if len(self._blocks) == 1:
            self._report.error(file, number, "'}' without a block to close; remove it, or open the block")
            return
        block = self._blocks.pop()
        if block.head:  # a block without a keyword was reported where it opened
            self._blocks[-1].statements.append(
                Statement(
                    block.head[0], tuple(block.head[1:]), block.line, block.file, tuple(block.statements)
                )
            )


def _head(words: list[str]) -> str:
    return words[0] if words and may_be_secret(words[0]) else " ".join(words)


def _refuse_directive(word: str, file: str, line: int, report: Report) -> None:
    what = "a condition" if word.startswith("@") else "an include"
    report.error(
        file, line, f"{quoted(word)} is {what} only at the beginning of a line; put it on one of its own"
    )
