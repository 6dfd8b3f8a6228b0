"""What an instance or a sync group follows: ``track_interface``, ``track_script`` and their like."""

from __future__ import annotations

from typing import Any, Final

from config_service.keepalived import values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword, each_line
from config_service.keepalived.words import Words, unknown
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Track
from vipbus.contracts.vrrp import TrackKind

DIRECTIONS: Final = ("reverse", "noreverse", "no_reverse")
MOST_WEIGHT: Final = 253
"""A priority goes from 1 to 254."""
_MOST: Final[dict[TrackKind, int]] = {
    "interface": MOST_WEIGHT,
    "script": MOST_WEIGHT,
    # one more, so that a file that holds -1 makes a fault
    "file": MOST_WEIGHT + 1,
    "process": MOST_WEIGHT + 1,
}


class TrackDraft:
    """One line; no weight or direction: that of what it names."""

    __slots__ = ("kind", "name", "reverse", "statement", "weight")

    def __init__(self, kind: TrackKind, name: str, statement: Statement) -> None:
        self.kind: TrackKind = kind
        self.name = name
        self.statement = statement
        self.weight: int | None = None
        self.reverse: bool | None = None

    def compiled(self, weight: int = 0, reverse: bool = False) -> Track:
        """Make the track; the arguments are what its source has of its own."""
        found = weight if self.weight is None else self.weight
        if self.kind == "process":
            # moving a priority within 1-254 by 254 is moving it by 253
            found = max(-MOST_WEIGHT, min(MOST_WEIGHT, found))
        return Track(
            kind=self.kind,
            name=self.name,
            weight=found,
            reverse=reverse if self.reverse is None else self.reverse,
        )


def weight(words: Words, kind: TrackKind) -> tuple[int, bool | None]:
    """Read ``NUMBER [reverse|noreverse]`` after the word ``weight``."""
    most = _MOST[kind]
    value = values.signed(words.argument("weight", "a number"), -most, most)
    direction = words.take_if(*DIRECTIONS)
    return value, direction == "reverse" if direction else None


def _line(kind: TrackKind, statement: Statement) -> TrackDraft:
    read = values.interface if kind == "interface" else values.name
    draft = TrackDraft(kind, read(statement.keyword), statement)
    words = Words(statement.arguments)
    while words:
        word = words.take()
        if word != "weight":
            raise unknown(word, "a tracked name", "NAME [weight NUMBER [reverse|noreverse]]")
        words.once(word)
        draft.weight, draft.reverse = weight(words, kind)
    return draft


def _keyword(kind: TrackKind) -> Keyword[Any]:
    def read(tracks: list[TrackDraft], statement: Statement, report: Report) -> None:
        def line(inner: Statement) -> None:
            draft = _line(kind, inner)
            before = next((one for one in tracks if (one.kind, one.name) == (kind, draft.name)), None)
            if before is not None:
                raise RefusedError(
                    f"{quoted(draft.name)} is tracked on line {before.statement.line} already; remove one"
                )
            tracks.append(draft)

        each_line(statement, report, line)

    return Keyword(f"track_{kind} {{ ... }}", read, least=0, most=0, block=True, repeats=True)


KEYWORDS: Final[dict[str, Keyword[list[TrackDraft]]]] = {
    f"track_{kind}": _keyword(kind) for kind in ("interface", "script", "file", "process")
}


def weight_keyword(kind: TrackKind) -> Keyword[Any]:
    """Make the ``weight`` keyword of a script's, file's or process's own block."""

    def read(draft: Any, statement: Statement, _report: Report) -> None:
        words = Words(statement.arguments)
        draft.weight, reverse = weight(words, kind)
        draft.reverse = bool(reverse)
        if words:
            raise unknown(words.take(), "a weight", "weight NUMBER [reverse]")

    return Keyword("weight NUMBER [reverse]", read, most=2)
