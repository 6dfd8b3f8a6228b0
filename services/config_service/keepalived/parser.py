"""The blocks of keepalived.conf(5): statements, each with its arguments and perhaps a block of statements.

Knows no keyword but those that act on the text itself (include and conditional lines).
"""

from __future__ import annotations

from typing import Final

import msgspec

from config_service.keepalived.lexer import Brace, Part, lines
from config_service.problems import Report, may_be_secret, quoted

DEEPEST: Final = 16
"""Blocks inside blocks; the language itself needs 4."""

_INCLUDES: Final = frozenset(
    ("include", "include_check", "includea", "includeb", "includem", "includer", "includew")
)


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
    line: int
    statements: list[Statement]


def parse(text: str, file: str, report: Report) -> tuple[Statement, ...]:
    """Read a file's text into statements; what is wrong with words or braces goes into the report."""
    tree = _Tree(file, report)
    for number, parts in lines(text, file, report):
        tree.take(number, parts)
        if tree.too_deep:
            break
    return tree.end()


class _Tree:
    """The open blocks, and the statement whose block a brace may still open, even on a later line."""

    def __init__(self, file: str, report: Report) -> None:
        self.too_deep = False
        self._file = file
        self._report = report
        self._blocks = [_Open([], 1, [])]
        self._words: list[str] = []
        self._line = 1

    def take(self, number: int, parts: list[Part]) -> None:
        """Take a line's parts: the first word after a brace or a line's end begins a statement."""
        fresh = True
        for part in parts:
            if self.too_deep:
                return
            if part is Brace.OPEN:
                self._open(number)
                fresh = True
            elif part is Brace.CLOSE:
                self._close(number)
                fresh = True
            else:
                if fresh:
                    self._end_statement()
                    _refuse_directive(part, self._file, number, self._report)
                    self._line, fresh = number, False
                self._words.append(part)

    def end(self) -> tuple[Statement, ...]:
        """End the file."""
        self._end_statement()
        for block in self._blocks[1:]:
            self._report.error(
                self._file,
                block.line,
                f"the block of {quoted(_head(block.head))} is never closed; "
                "add '}' (or was the file cut off?)",
            )
        return tuple(self._blocks[0].statements)

    def _end_statement(self) -> None:
        if words := self._words:
            self._blocks[-1].statements.append(Statement(words[0], tuple(words[1:]), self._line, self._file))
            self._words = []

    def _open(self, number: int) -> None:
        if not self._words:
            self._report.error(
                self._file, number, "'{' without a keyword before it; name the block or remove it"
            )
        if len(self._blocks) > DEEPEST and not self.too_deep:
            self._report.error(self._file, number, f"blocks nested more than {DEEPEST} deep; close some")
            self.too_deep = True
        self._blocks.append(_Open(self._words, self._line if self._words else number, []))
        self._words = []

    def _close(self, number: int) -> None:
        self._end_statement()
        if len(self._blocks) == 1:
            self._report.error(
                self._file, number, "'}' without a block to close; remove it, or open the block"
            )
            return
        block = self._blocks.pop()
        if block.head:  # a block without a keyword was reported where it opened
            self._blocks[-1].statements.append(
                Statement(
                    block.head[0], tuple(block.head[1:]), block.line, self._file, tuple(block.statements)
                )
            )


def _head(words: list[str]) -> str:
    return words[0] if words and may_be_secret(words[0]) else " ".join(words)


def _refuse_directive(word: str, file: str, line: int, report: Report) -> None:
    if word in _INCLUDES:
        report.error(
            file,
            line,
            f"{word} is keepalived's, but vipbus does not support it yet; put the other file's lines here",
        )
    elif word.startswith("@"):
        report.error(
            file,
            line,
            f"conditional lines ({quoted(word)}) are keepalived's, but vipbus does not support them yet; "
            "write one file a router",
        )
