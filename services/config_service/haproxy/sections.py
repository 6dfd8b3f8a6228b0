"""A haproxy.cfg as sections of lines, and what each proxy section inherits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from config_service.haproxy.notes import Notes
from config_service.haproxy.words import UnreadableError, Word, words
from config_service.problems import quoted
from vipbus.contracts.proxy_snippet import SECTIONS

PROXIES: Final = ("frontend", "backend", "listen")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_TWO: Final = frozenset(
    {
        *("option", "timeout", "stats", "http-check", "tcp-check", "tcp-request", "tcp-response", "capture"),
        *("monitor", "stick", "persist", "compression", "email-alert", "declare", "rate-limit"),
        "external-check",
    }
)
"""Words that are a keyword with the next one."""


class Line(NamedTuple):
    """A line that says something."""

    number: int
    words: tuple[Word, ...]
    """Without ``no`` and ``default`` before it."""
    text: str
    """As it is written, without the blanks around it."""
    modifier: str = ""
    """``no`` or ``default``."""

    @property
    def keyword(self) -> str:
        """What it is about: ``bind``, ``option httplog``, ``timeout client``."""
        first = self.words[0].text
        return f"{first} {self.words[1].text}" if first in _TWO and len(self.words) > 1 else first

    @property
    def arguments(self) -> tuple[Word, ...]:
        """What follows the keyword."""
        return self.words[1 + self.keyword.count(" ") :]

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments as they read."""
        return tuple(each.text for each in self.arguments)

    @property
    def variable(self) -> bool:
        """True: the environment of HAProxy decides what it says."""
        return any(each.variable for each in self.words)


class Section(NamedTuple):
    """A section with the lines of its own."""

    kind: str
    name: str
    number: int
    lines: list[Line]
    parent: int | None = None
    """The section ``defaults``, by its place among all, that it begins with."""


def sections(text: str, notes: Notes) -> list[Section]:
    """Read the sections of a file; what is wrong is noted, and reading goes on.

    Raises:
        ConfigError: there is too much wrong.
    """
    found: list[Section] = []
    named: dict[str, int] = {}
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        try:
            made = words(raw)
        except UnreadableError as error:
            notes.error(number, error.column, str(error))
            continue
        if not made:
            continue
        first = made[0]
        if first.text in SECTIONS and not first.quoted:
            found.append(_section(made, number, found, named, notes))
        elif first.text.startswith("."):
            said = f"{quoted(first.text)} depends on the machine; leave what holds, and remove it"
            notes.error(number, first.column, said)
        elif not found:
            said = (
                f"{quoted(first.text)} stands in no section; a file begins with global, defaults or a proxy"
            )
            notes.error(number, first.column, said)
        else:
            line = _line(made, raw, number)
            if line is None or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", line.words[0].text) is None:
                notes.error(number, first.column, f"{quoted(first.text)} is no keyword")
            elif first.quoted or line.words[0].quoted:
                # raw, a snippet's line is judged by its first word as it stands
                notes.error(number, first.column, f"{quoted(line.words[0].text)} is quoted; write it plainly")
            else:
                found[-1].lines.append(line)
    return found


def _line(made: tuple[Word, ...], raw: str, number: int) -> Line | None:
    modifier = made[0].text if made[0].text in ("no", "default") else ""
    rest = made[1:] if modifier else made
    return Line(number, rest, raw.strip(" \t"), modifier) if rest else None


def _section(
    made: tuple[Word, ...], number: int, before: list[Section], named: dict[str, int], notes: Notes
) -> Section:
    kind, *rest = made
    name = rest[0].text if rest and not (kind.text == "defaults" and rest[0].text == "from") else ""
    more = rest[1:] if name else rest
    parent = next((at for at in range(len(before) - 1, -1, -1) if before[at].kind == "defaults"), None)
    if kind.text == "defaults":
        parent = None
    if kind.text in (*PROXIES, "defaults"):
        if len(more) == 2 and more[0].text == "from":
            parent = named.get(more[1].text)
            if parent is None:
                said = f"there is no defaults section {quoted(more[1].text)} before it"
                notes.error(number, more[1].column, said)
        elif more:
            said = f"{quoted(more[0].text)} is too much here; write addresses as bind lines below"
            notes.error(number, more[0].column, said)
        if kind.text in PROXIES and _NAME.fullmatch(name) is None:
            where = rest[0].column if rest else kind.column
            notes.error(number, where, f"{kind.text} needs a name of letters, digits and - _ . :")
        if kind.text == "defaults" and name:
            named[name] = len(before)
    return Section(kind.text, name, number, [], parent)


def is_haproxy(text: str) -> bool:
    """Say whether a text is a haproxy.cfg: the first word of it begins one of its sections."""
    for line in text.splitlines():
        first = line.split("#", 1)[0].split()[:1]
        if first:
            return first[0] in SECTIONS or first[0].startswith(".")
    return False


def inherited(section: Section, every: list[Section]) -> Iterator[Line]:
    """Give the lines that a section begins with, the oldest first."""
    if section.parent is not None:
        parent = every[section.parent]
        yield from inherited(parent, every)
        yield from parent.lines


def names(every: Iterable[Section], *kinds: str) -> dict[str, Section]:
    """Give the sections of some kinds by name."""
    return {each.name: each for each in every if each.kind in kinds}
