"""The lines of a file as keepalived reads them: with what is included, repeated, defined and conditional.

All of that works on text, before there are words (keepalived.conf(5), include and ADVANCED CONFIGURATION). A
line keeps the place where it is written, in whatever file and definition that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from config_service.keepalived import includes, repeats
from config_service.keepalived.files import Files, pieces, plain_lines
from config_service.keepalived.parameters import NAME, Parameters, Piece, TooMuchError
from config_service.keepalived.scan import scan, value
from config_service.keepalived.values import near
from config_service.problems import RefusedError, may_be_secret, quoted
from config_service.report import Report
from config_service.source import LARGEST

MOST_LINES: Final = 500_000
"""That sequences, lists, definitions and included files make: of 37,300 real servers it is 224,000."""
_MOST_OF_A_USE: Final = 20_000
"""Lines that a definition makes where it is used, with all that are in it."""
_DEEPEST: Final = 100
"""Definitions of several lines in each other."""
_MOST_USES: Final = 2
"""Places at which a definition is used that an error names."""

_SPECIAL: Final = re.compile(r"[$~]|^[ \t]*(?:@|include|random_seed)", re.MULTILINE)
"""In a file or line without it, nothing is replaced."""
_DEFINITION: Final = re.compile(rf"\$({NAME})=")
_LEFT: Final = re.compile(rf"\$(\{{)?({NAME})(?(1)[^}}]*\}})")
_CONDITION: Final = re.compile(r"@(\^?)([^ \t]*)[ \t]*")
_SEED: Final = re.compile(r"random_seed[ \t]+([0-9]{1,10})\b")


@dataclass(frozen=True)
class Machine:
    """What a file is read on and for."""

    config_id: str = ""
    """What conditions are compared with (``-i`` of keepalived)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    path: Path = Path()
    """Of the file that includes the others."""


class _Frame:
    """Lines that are read next; what includes or repeats stands below."""

    def __init__(self, pieces: Iterator[Piece], depth: int, turns: int) -> None:
        self._pieces = pieces
        self._back: Piece | None = None
        self.depth = depth
        self.turns = turns
        """How often all that is repeated around it comes to these lines."""

    def take(self) -> Piece | None:
        """Give the next line; None at the end."""
        piece, self._back = self._back, None
        return piece or next(self._pieces, None)

    def give_back(self, piece: Piece) -> None:
        """Let a line be the next one."""
        self._back = piece


def expanded(text: str, file: str, machine: Machine, report: Report) -> Iterator[tuple[str, int, str]]:
    """Give the lines of a file, and of what it includes; what is wrong goes into the report.

    Raises:
        TooMuchError: they are more than any configuration has.
    """
    if _SPECIAL.search(text) is None:
        return plain_lines(text, file)
    return _Expander(machine, report).lines(text, file)


class _Expander:
    def __init__(self, machine: Machine, report: Report) -> None:
        self._machine = machine
        self._report = report
        self._files = files = Files(machine.path, report)
        self._parameters = Parameters(machine.config_id, machine.environment, lambda: files.directory)
        self._frames: list[_Frame] = []
        self._made = 0
        self._of_use = 0
        self._characters = 0
        self._quote = ""
        self._continued = False

    def lines(self, text: str, file: str) -> Iterator[Piece]:
        self._frames.append(_Frame(pieces(text, file), 0, 1))
        main = self._frames[0]
        place = Piece(file, 1, "")
        try:
            while self._frames:
                frame = self._frames[-1]
                piece = frame.take()
                if piece is None:
                    self._frames.pop()
                    continue
                place = piece
                if frame is main:
                    self._of_use = 0
                else:
                    self._count(piece, frame)
                if not self._continued and "\\" not in piece.text and _SPECIAL.search(piece.text) is None:
                    yield piece
                    continue
                try:
                    taken = self._take(piece, frame)
                except RefusedError as error:
                    self._report.error(piece.file, piece.number, str(error))
                    continue
                if taken is not None:
                    yield taken
        except TooMuchError as error:
            self._report.error(place.file, place.number, str(error))
            raise

    def _count(self, piece: Piece, frame: _Frame) -> None:
        self._made += 1
        self._characters += len(piece.text)
        self._of_use = self._of_use + 1 if frame.depth else 0
        if self._made > MOST_LINES or self._characters > LARGEST:
            raise TooMuchError(f"more than {MOST_LINES:,} lines are made of what is here; write fewer")
        if self._of_use > _MOST_OF_A_USE:
            raise TooMuchError(
                f"a definition makes more than {_MOST_OF_A_USE:,} lines; is it made of itself?"
            )

    def _take(self, piece: Piece, frame: _Frame) -> Piece | None:
        """Do what a line says, and give what is left of it for words."""
        if self._continued:
            return self._words(piece, frame, piece.text)
        text = piece.text.lstrip(" \t")
        if text.startswith("@"):
            condition = _CONDITION.match(text)
            assert condition is not None  # noqa: S101  # it begins with @
            text = text[condition.end() :]
            if text.startswith("@"):
                raise RefusedError(f"{quoted(text.split()[0])} is a second condition; a line takes one")
            if (condition[2] == self._machine.config_id) == bool(condition[1]):
                self._skip(frame, piece, text)
                return None
        if repeats.begins(text):
            self._repeat(piece, frame, text)
        elif (definition := _DEFINITION.match(text)) is not None:
            name, begin = definition[1], text[definition.end() :]
            nothing = piece._replace(text="")  # continued by a blank line
            self._parameters.define(name, self._definition(piece, frame, begin) or [nothing])
        elif (word := _first(text)) in includes.VARIANTS:
            name, lines = self._parameters.put_in(text[len(word) : scan(text, "")[0]])
            if lines:
                raise RefusedError(f"{word} takes a name of one line")
            self._frames.append(_Frame(self._files.include(piece, word, name), frame.depth, frame.turns))
        else:
            return self._words(piece, frame, text)
        return None

    # ---- lines that are words in the end

    def _words(self, piece: Piece, frame: _Frame, text: str) -> Piece | None:
        """Put in what there is, and tell of what stays as it is; a value may make a directive of the line."""
        end, quote, continued = scan(text, self._quote)
        code, rest = self._parameters.put_in(text[:end])
        if rest:
            self._follow(piece, frame, rest)
            quote, continued = "", False
        if not self._continued and code != text[:end] and _is_directive(code):
            frame.give_back(piece._replace(text=code)) if not rest else self._frames[-1].give_back(
                piece._replace(text=code)
            )
            return None
        if "$" in code:
            code = self._left(piece, code, self._quote)
        self._quote, self._continued = (quote, True) if continued else ("", False)
        if code.startswith("include_check"):
            self._files.check(tuple(code.split()[1:]))
        elif (seed := _SEED.match(code)) is not None:
            self._parameters.seed(int(seed[1]))
        return piece._replace(text=code) if code.strip(" \t") or continued else None

    def _left(self, piece: Piece, code: str, quote: str) -> str:
        """Tell of parameters outside of quotes that nothing is put in for."""
        done: list[str] = []
        position = 0
        for found in _LEFT.finditer(code):
            if scan(code[: found.start()], quote)[1]:
                continue
            name = found[2]
            known = self._parameters.names
            shown = "a parameter" if may_be_secret(code) else f"parameter {quoted(found[0])}"
            if found[1]:
                advice = "" if may_be_secret(code) else near(name, known)
                self._report.error(
                    piece.file, piece.number, f"{shown} is not defined here{advice or '; define it above'}"
                )
                # the braces would be those of a block
                done += (code[position : found.start()], name)
                position = found.end()
            elif name in known:
                self._report.warning(
                    piece.file,
                    piece.number,
                    f"{shown} stays as it is: what follows is no blank; write ${{NAME}} for its value",
                )
            elif code[found.end() : found.end() + 1] in ("", " ", "\t"):
                self._report.warning(
                    piece.file,
                    piece.number,
                    f"{shown} is not defined here, and stays as it is; define it above",
                )
        return "".join((*done, code[position:]))

    # ---- what makes lines of a line

    def _follow(self, piece: Piece, frame: _Frame, rest: list[Piece]) -> None:
        """Let the further lines of a definition follow the line that it is used in."""
        if frame.depth == _DEEPEST:
            raise TooMuchError(f"definitions are nested more than {_DEEPEST} deep; is one made of itself?")
        for line in rest:
            if (line.file, line.number) != (piece.file, piece.number):
                uses = self._report.uses.setdefault((line.file, line.number), [])
                if len(uses) < _MOST_USES and (piece.file, piece.number) not in uses:
                    uses.append((piece.file, piece.number))
        self._frames.append(_Frame(iter(rest), frame.depth + 1, frame.turns))

    def _repeat(self, piece: Piece, frame: _Frame, text: str) -> None:
        head, parenthesis, rest = text.partition(")")
        put_in, lines = self._parameters.put_in(head)
        if lines:
            raise RefusedError("a value of several lines cannot be put into a sequence or list")
        found = repeats.repeat(put_in + parenthesis)
        turns = frame.turns * len(found.values)
        if turns > MOST_LINES:
            raise TooMuchError(f"{turns:,} lines would be made of this; {MOST_LINES:,} are the most")

        def each() -> Iterator[Piece]:
            for row in found.rows():
                for name, word in zip(found.names, row, strict=True):
                    self._parameters.define(name, (piece._replace(text=word),))
                yield piece._replace(text=rest)

        self._frames.append(_Frame(each(), frame.depth, turns))

    def _definition(self, piece: Piece, frame: _Frame, text: str) -> list[Piece]:
        r"""Read what a name stands for: the rest of its line, and as many as ``\`` continues."""
        lines: list[Piece] = []
        depth = 0
        while True:
            code, continued = value(text)
            if lines or code or not continued:
                lines.append(piece._replace(text=code))
            depth += code.count("{") - code.count("}")
            following = frame.take() if continued else None
            # keepalived's manual has blank lines inside of blocks, keepalived ends at each
            while following is not None and not value(following.text)[0] and depth > 0:
                following = frame.take()
            if following is None:
                if continued:
                    raise RefusedError("the file ends in the middle of a definition; was it cut off?")
                return lines
            if following.file != piece.file:
                frame.give_back(following)
                return lines
            if not following.text.strip(" \t"):
                return lines
            piece, text = following, following.text.lstrip(" \t")

    def _skip(self, frame: _Frame, piece: Piece, text: str) -> None:
        """Pass over a line whose condition does not hold, to where it ends."""
        if (definition := _DEFINITION.match(text)) is not None:
            self._definition(piece, frame, text[definition.end() :])
            return
        quote = ""
        while True:
            _, quote, continued = scan(text, quote)
            following = frame.take() if continued else None
            if following is None:
                return
            text = following.text


def _is_directive(text: str) -> bool:
    text = text.lstrip(" \t")
    return (
        text.startswith("@")
        or repeats.begins(text)
        or _DEFINITION.match(text) is not None
        or _first(text) in includes.VARIANTS
    )


def _first(text: str) -> str:
    return re.split(r"[ \t]", text, maxsplit=1)[0]
