"""A line of haproxy.cfg as words (configuration.txt, 2.2, Quoting and escaping)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BLANK: Final = " \t"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{2}")
MOST: Final = 2048
"""Characters of a line; HAProxy's own bound was that, too."""


class UnreadableError(Exception):
    """A line is none; the text says why."""

    def __init__(self, text: str, column: int) -> None:
        super().__init__(text)
        self.column = column
        """Counted from 1."""


class Word(NamedTuple):
    """A word without its quotes and escapes."""

    text: str
    column: int
    """Where it begins, counted from 1."""
    variable: bool = False
    """True: a part of it is a variable of HAProxy's environment."""
    quoted: bool = False
    """True: quotes or escapes were in it, so it is no brace and no sign."""


def words(line: str) -> tuple[Word, ...]:
    """Split a line; what follows an unquoted ``#`` is a comment.

    Raises:
        UnreadableError: a quote is open, an escape is none, or there is a control character.
    """
    if (found := _CONTROL.search(line)) is not None:
        raise UnreadableError("there is a control character; remove it", found.start() + 1)
    if len(line) > MOST:
        raise UnreadableError(f"the line is longer than {MOST} characters; split it", MOST + 1)
    made: list[Word] = []
    at = 0
    while at < len(line):
        if line[at] in _BLANK:
            at += 1
        elif line[at] == "#":
            break
        else:
            word, at = _word(line, at)
            made.append(word)
    return tuple(made)


def _word(line: str, start: int) -> tuple[Word, int]:
    text: list[str] = []
    quote, opened = "", 0
    variable = quoted = False
    at = start
    while at < len(line):
        character = line[at]
        if quote == "'":
            if character == "'":
                quote = ""
            else:
                text.append(character)
            at += 1
        elif character == "\\" and _escapes(line, at, quote):
            found, at = _escaped(line, at)
            text.append(found)
            quoted = True
        elif character == quote:
            quote, at = "", at + 1
        elif not quote and character in "'\"":
            quote, opened, quoted, at = character, at, True, at + 1
        elif not quote and (character in _BLANK or character == "#"):
            break
        else:
            variable = variable or (quote == '"' and character == "$")
            text.append(character)
            at += 1
    if quote:
        raise UnreadableError(f"the quote {quote} is not closed; close it", opened + 1)
    return Word("".join(text), start + 1, variable, quoted), at


def _escapes(line: str, at: int, quote: str) -> bool:
    """Say whether a backslash is one: in weak quotes only what means something there is escaped."""
    after = line[at + 1 : at + 2]
    return not quote or after in ("\\", '"', "$") or after in _PLAIN_ESCAPES or after == "x"


def _escaped(line: str, at: int) -> tuple[str, int]:
    after = line[at + 1 : at + 2]
    if not after:
        return "\\", at + 1  # lines are not joined
    if after in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[after], at + 2
    if after == "x":
        found = _HEX.match(line, at + 2)
        if found is None:
            raise UnreadableError(r"\x has no two hexadecimal digits after it", at + 1)
        return chr(int(found[0], 16)), at + 4
    return (after if after in " \"'#\\$" else f"\\{after}"), at + 2
