"""Parameters of keepalived.conf(5): what ``$NAME`` and ``${NAME}`` stand for, put in when a line is read.

A value is text, of one line or several, and may name other parameters: those count as they are when the line
is read, not when the value was written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from config_service.keepalived.values import integer
from config_service.problems import RefusedError

NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_USE: Final = re.compile(rf"\$(?:\{{({NAME})([ \t][^}}]*)?\}}|({NAME})(?=[ \t]|$))")
_DEEPEST: Final = 50
"""Parameters in parameters."""
MOST_REPLACED: Final = 5_000_000
"""Parameters of a whole file: 37,300 real servers of six lines with five each have 1.1 million."""
_MOST_OF_A_LINE: Final = 20_000
LONGEST: Final = 256 * 1024
"""Characters of one line with all put in."""
_HIGHEST: Final = 32767
_SPECIAL: Final = re.compile(r"[\\\"'#!{}]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Piece(NamedTuple):
    """A line of text, and the place where it is written."""

    file: str
    number: int
    text: str


class TooMuchError(Exception):
    """What is read grows beyond all bounds; nothing more is read."""


class Parameters:
    """The parameters that are known at this point of the file."""

    def __init__(self, config_id: str, environment: Mapping[str, str], directory: Callable[[], str]) -> None:
        self._config_id = config_id
        self._environment = environment
        self._directory = directory
        self._defined: dict[str, tuple[Piece, ...]] = {}
        # the same file means the same on each reading, and on each router something else
        self._random = random.Random(config_id)  # noqa: S311  # spreads values, guards nothing
        self._replaced = 0
        self._of_line = 0
        self._length = 0

    @property
    def names(self) -> Sequence[str]:
        """Those that the file defined."""
        return tuple(self._defined)

    def define(self, name: str, lines: Sequence[Piece]) -> None:
        """Say what a name stands for from here on."""
        self._defined[name] = tuple(lines)

    def seed(self, number: int) -> None:
        """Begin the random numbers anew (``random_seed``)."""
        self._random.seed(number)

    def put_in(self, text: str) -> tuple[str, list[Piece]]:
        """Put in all parameters of a line; of a value with several lines, the others follow as they are.

        Raises:
            RefusedError: a parameter is made of itself, or is written as none can be.
            TooMuchError: the file's parameters make more than any configuration has.
        """
        self._of_line = self._length = 0
        return self._put_in(text, ())

    def _put_in(self, text: str, within: tuple[str, ...]) -> tuple[str, list[Piece]]:
        done: list[str] = []
        position = 0
        for found in _USE.finditer(text):
            name = found[1] or found[3]
            lines = self._lines(name, (found[2] or "").split())
            if lines is None:
                continue
            if name in within:
                raise RefusedError(
                    f"parameter ${name} is made of itself ({' '.join(within)}); give it a value"
                )
            if len(within) == _DEEPEST:
                raise RefusedError(f"parameters are nested more than {_DEEPEST} deep; give ${name} a value")
            self._count(name)
            begin, rest = lines[0].text, list(lines[1:])
            if name in self._defined:
                begin, inner = self._put_in(begin, (*within, name))
                rest = inner + rest
            done += (text[position : found.start()], begin)
            self._grow(len(begin))
            position = found.end()
            if rest:
                last = rest[-1]
                rest[-1] = last._replace(text=last.text + text[position:])
                return "".join(done), rest
        done.append(text[position:])
        return "".join(done), []

    def _lines(self, name: str, arguments: Sequence[str]) -> tuple[Piece, ...] | None:
        if (found := self._defined.get(name)) is not None:
            return None if arguments else found
        text = self._own(name, arguments)
        return None if text is None else (Piece("", 0, text),)

    def _own(self, name: str, arguments: Sequence[str]) -> str | None:
        """Give what a parameter of keepalived's own stands for; None where there is none of this name."""
        if name == "_RANDOM" and len(arguments) <= 2:
            low, high = (0, _HIGHEST)
            bounds = [integer(word, 0, 2**31 - 1) for word in arguments]
            low = bounds[0] if bounds else 0
            high = bounds[1] if len(bounds) > 1 else max(_HIGHEST, low)
            if low > high:
                raise RefusedError(f"_RANDOM {low} {high} has no number; write the smaller one first")
            return str(self._random.randint(low, high))
        if name == "_ENV" and len(arguments) == 1:
            return self._from_environment(arguments[0])
        if arguments:
            return None
        return {
            "_PWD": self._directory(),
            "_INSTANCE": self._config_id,
            # a character that begins no comment
            "_HASH": "\\#",
            "_BANG": "\\!",
        }.get(name)

    def _from_environment(self, variable: str) -> str:
        value = self._environment.get(variable)
        if value is None:
            raise RefusedError(
                f"there is no environment variable {variable!r}; set it, or write the value itself"
            )
        if _CONTROL.search(value) is not None:
            raise RefusedError(f"the environment variable {variable!r} has a control character; remove it")
        return _SPECIAL.sub(r"\\\g<0>", value)

    def _count(self, name: str) -> None:
        self._replaced += 1
        self._of_line += 1
        if self._replaced > MOST_REPLACED:
            raise TooMuchError(
                f"more than {MOST_REPLACED:,} parameters are put in; is ${name} one of a loop?"
            )
        if self._of_line > _MOST_OF_A_LINE:
            raise TooMuchError(f"this line has more than {_MOST_OF_A_LINE:,} parameters; shorten ${name}")

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > LONGEST:
            raise TooMuchError(f"parameters make this line longer than {LONGEST >> 10} KiB; shorten them")
