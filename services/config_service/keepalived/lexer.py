r"""The words and braces of keepalived.conf(5), line by line.

Comments begin with ``#`` or ``!`` anywhere outside quotes. Quotes are ``"`` and ``'``; inside and outside of
them ``\`` escapes the next character, and before the line's end it continues the line. Braces part words
even without blanks around them, as they do for keepalived.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from config_service.problems import RefusedError, may_be_secret, quoted
from config_service.report import Report


class Brace(enum.Enum):
    """A brace of the language; a quoted one is part of a word."""

    OPEN = "{"
    CLOSE = "}"


Part = str | Brace


class Shape(enum.Enum):
    """What a line is made of, where that is plain, as nearly all of a large file are."""

    WORDS = "words"
    OPENING = "words, and a brace that opens"
    """The brace is not among the parts."""
    CLOSING = "a brace that closes"
    """It is no part."""
    ANY = "anything"


Line = tuple[str, int, Shape, Sequence[Part]]
"""File, number, shape, and the parts (of continuation lines, too); none only where the shape says it all."""


_BRACES: Final = {"{": Brace.OPEN, "}": Brace.CLOSE}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_HARD: Final = re.compile(r"[^\t\x20-\x7e]|[\"'\\]")
"""Whatever needs the scanner; other lines are split at blanks and braces by one regular expression."""
_PLAIN: Final = re.compile(
    r"([\t\x20\x24-\x26\x28-\x5b\x5d-\x7a\x7c\x7e]*)(\{[\t\x20]*)?|[\t\x20]*(\})[\t\x20]*"
)
"""A line of words and blanks, perhaps with a brace that opens at its end, or one that closes alone."""
_SHAPES: Final = (Shape.ANY, Shape.WORDS, Shape.OPENING, Shape.CLOSING)
"""By the last group of that."""
_COMMENT: Final = re.compile(r"[#!]")
_EASY: Final = re.compile(r"[{}]|[^ \t{}]+")
_ESCAPES: Final = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL: Final = re.compile(r"[0-7]{1,3}")
_HEXADECIMAL: Final = re.compile(r"x([0-9A-Fa-f]{1,2})")


def lines(pieces: Iterable[tuple[str, int, str]], report: Report) -> Iterator[Line]:
    """Split lines of file, number and text into words; what is wrong goes into the report."""
    scanner: _Scanner | None = None
    fullmatch = _PLAIN.fullmatch
    file, number = "", 0
    parts: list[Part]
    for file, number, raw in pieces:
        if scanner is None and (plain := fullmatch(raw)) is not None:
            shape, words = _SHAPES[plain.lastindex or 0], (plain[1] or "").split()
            if words or shape is not Shape.WORDS:
                yield file, number, shape, words
            continue
        if scanner is None and _HARD.search(raw) is None:
            if parts := _split(raw):
                yield file, number, Shape.ANY, parts
            continue
        scanner = scanner or _Scanner(file, number)
        try:
            if scanner.take(raw):
                continue
            parts = scanner.parts
        except RefusedError as error:
            report.error(file, number, str(error))
            parts = []
        if parts:
            yield scanner.file, scanner.number, Shape.ANY, parts
        scanner = None
    if scanner is not None:
        report.error(file, number, "the file ends in the middle of a continued line; was it cut off?")


def _split(raw: str) -> list[Part]:
    """Split a line that has neither quotes nor escapes."""
    if (comment := _COMMENT.search(raw)) is not None:
        raw = raw[: comment.start()]
    return [_BRACES.get(part, part) for part in _EASY.findall(raw)]


class _Scanner:
    """Reads one line, and those that continue it, character by character."""

    def __init__(self, file: str, number: int) -> None:
        self.file = file
        self.number = number
        self.parts: list[Part] = []
        self._word: list[str] | None = None
        self._quote = ""

    def take(self, raw: str) -> bool:
        r"""Read a line; True when it ends in ``\`` and goes on in the next.

        Raises:
            RefusedError: it is no line of this language.
        """
        if (control := _CONTROL.search(raw)) is not None:
            raise RefusedError(
                f"control character U+{ord(control[0]):04X} in the line; is this a text file? remove it"
            )
        position = 0
        while position < len(raw):
            character = raw[position]
            if character == "\\":
                rest = raw[position + 1 :]
                if not rest.strip(" \t"):
                    return self._continued(rest)
                position = self._escape(raw, position + 1)
                continue
            if self._quote:
                if character == self._quote:
                    self._quote = ""
                else:
                    self._add(character)
            elif character in "#!":
                break
            else:
                self._outside(character)
            position += 1
        if self._quote:
            raise RefusedError(f"the quote {self._quote} is never closed on this line; close it")
        self._end_word()
        return False

    def _outside(self, character: str) -> None:
        if character in " \t":
            self._end_word()
        elif character in "\"'":
            self._quote = character
            self._add("")
        elif character in _BRACES:
            self._end_word()
            self.parts.append(_BRACES[character])
        else:
            self._add(character)

    def _continued(self, rest: str) -> bool:
        if rest:
            raise RefusedError(
                "blanks after the \\ at the end of the line; remove them to continue the line, or the \\"
            )
        if not self._quote:
            self._end_word()
        return True

    def _escape(self, raw: str, position: int) -> int:
        """Add the character that an escape stands for; return the position after it."""
        character = raw[position]
        end = position + 1
        if (octal := _OCTAL.match(raw, position)) is not None:
            value, end = int(octal[0], 8), octal.end()
        elif (hexadecimal := _HEXADECIMAL.match(raw, position)) is not None:
            value, end = int(hexadecimal[1], 16), hexadecimal.end()
        elif character == "x":
            raise RefusedError("\\x needs hexadecimal digits after it; write \\\\x for a backslash and an x")
        elif character == "c" and end < len(raw):
            value, end = ord(raw[end]) & 0x1F, end + 1
        else:
            value = ord(_ESCAPES.get(character, character))
        if value == 0 or (value > 0xFF and octal is not None):
            escape = "an escape" if may_be_secret(raw) else f"the escape {quoted(raw[position - 1 : end])}"
            raise RefusedError(f"{escape} makes no character; remove it")
        self._add(chr(value))
        return end

    def _add(self, text: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(text)

    def _end_word(self) -> None:
        if self._word is not None:
            self.parts.append("".join(self._word))
            self._word = None
