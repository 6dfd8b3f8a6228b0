"""One proxy section of a file with what it inherits; it remembers which lines were looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

from config_service.haproxy.guards import guarded
from config_service.haproxy.keywords import BACK, FRONT, PROXY
from config_service.haproxy.notes import Notes
from config_service.haproxy.sections import Line, Section
from config_service.haproxy.snippets import Snippet
from config_service.problems import RefusedError, quoted

_Value = TypeVar("_Value")
_OF_BOTH: Final = (
    "option tcpka",
    "option nolinger",
    "option independent-streams",
    "option splice-auto",
    "option splice-request",
    "option splice-response",
)
"""Of connections to clients in a frontend, to servers in a backend."""


class Body:
    """A frontend, a backend or a listen while it is read."""

    def __init__(
        self, section: Section, before: Sequence[Line], notes: Notes, file: str, seen: set[int]
    ) -> None:
        """Take a section; ``before`` is what it inherits, ``seen`` takes the lines that were looked at."""
        self.section = section
        self.notes = notes
        self.proxy = Snippet(file)
        self.pool = Snippet(file)
        self._before = [*before]
        self._every = [*before, *section.lines]
        self._seen = seen
        self._warned: set[int] = set()
        self._written: set[int] = set()

    @property
    def sides(self) -> str:
        """Which sides it has."""
        return {"frontend": FRONT, "backend": BACK}.get(self.section.kind, FRONT + BACK)

    @property
    def mode(self) -> str:
        """Of it: HAProxy's own default is tcp."""
        line = self.last("mode")
        said = line.texts[0] if line is not None and line.texts else "tcp"
        if line is not None and said not in ("http", "tcp"):
            self.error(line, f"{quoted(said)} is no mode of vipbus; http and tcp are")
        return "http" if said == "http" else "tcp"

    def every(self, *keywords: str) -> list[Line]:
        """Give all lines of some keywords, inherited ones first."""
        found = [each for each in self._every if each.keyword in keywords]
        self._seen.update(each.number for each in found)
        return found

    def own(self, line: Line) -> bool:
        """Say whether a line is the section's and not inherited."""
        return line not in self._before

    def last(self, keyword: str) -> Line | None:
        """Give the line that counts for a keyword that counts once; None: it is not said, or taken back."""
        found = self.every(keyword)
        return found[-1] if found and not found[-1].modifier else None

    def value(self, keyword: str, read: Callable[[str], _Value]) -> _Value | None:
        """Read the first argument of a keyword that counts once; what it cannot be is noted."""
        line = self.last(keyword)
        if line is None:
            return None
        if not line.texts:
            self.error(line, f"{keyword} has nothing after it")
            return None
        if line.variable:
            self.raw(line)
            return None
        try:
            return read(line.texts[0])
        except RefusedError as error:
            self.error(line, str(error), line.arguments[0].column)
            return None

    def take(self, lines: Sequence[Line]) -> None:
        """Have lines done: nobody sees them any more."""
        self._seen.update(each.number for each in lines)
        self._every = [each for each in self._every if each not in lines]

    def hide(self, first: str, line: Line, text: str) -> None:
        """Leave out every line that begins with a word, and say so at one of them."""
        self.warn(line, text)
        self.take([each for each in self._every if each.words[0].text == first])

    def error(self, line: Line, text: str, column: int = 0) -> None:
        """Note an error of a line."""
        self.notes.error(line.number, column or line.words[0].column, text)

    def warn(self, line: Line, text: str) -> None:
        """Note what becomes of a line."""
        self.notes.warn(line.number, text)

    def raw(self, line: Line, sides: str = "", text: str | None = None) -> None:
        """Put a line into the snippets of the sides that it is of."""
        self._seen.add(line.number)
        self._written.add(line.number)
        known = PROXY.get(line.keyword)
        said, warning = guarded(line if text is None else line._replace(text=text))
        if warning and line.number not in self._warned:
            self._warned.add(line.number)
            self.warn(line, warning)
        if said is None:
            return
        if line.keyword in ("use_backend", "default_backend") and "%[" in line.text:
            self.warn(line, "backends that requests name are pools: pool-NAME, in small letters")
        text = said if said != line.text else None
        if not sides:
            sides = known.sides if known is not None else FRONT + BACK
            if self.section.kind == "listen" and sides == FRONT + BACK and line.keyword not in _OF_BOTH:
                sides = FRONT  # requests pass there first, and once is enough
        for side in sides:
            if side in self.sides:
                (self.proxy if side == FRONT else self.pool).add(line, text)

    def _superseded(self, line: Line) -> bool:
        """Say whether an option is said again: the last word counts."""
        if not line.keyword.startswith("option "):
            return False
        return [each for each in self._every if each.keyword == line.keyword][-1] is not line

    def rest(self, shared: Collection[int]) -> None:
        """Put what no model has into snippets, and say what is left out.

        ``shared`` are the lines of defaults that stand in the snippet of defaults.
        """
        for line in self._every:
            known = PROXY.get(line.keyword)
            if line.number in shared or line.number in self._written:
                continue
            if known is None:
                self.raw(line)
                if self.own(line):
                    self.warn(line, f"{quoted(line.keyword)} is not known here; haproxy -c says what it is")
            elif known.fate == "snippet":
                if not self._superseded(line):
                    self.raw(line)
            elif known.fate == "dropped" and line.number not in self._seen:
                self._seen.add(line.number)
                self.warn(line, f"{line.keyword} is left out: {known.said}")
            elif line.number not in self._seen and self.own(line):
                self._seen.add(line.number)
                self.warn(line, f"{line.keyword} is left out: it means nothing in a {self.section.kind}")
