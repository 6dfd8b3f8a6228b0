"""Which files ``include`` and its variants name, and what is an error about them (keepalived.conf(5))."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from config_service.keepalived.values import choice
from config_service.problems import RefusedError

CHECKS: Final = ("readable", "match", "wildcard_match", "brace_match")
VARIANTS: Final[dict[str, frozenset[str]]] = {
    "include": frozenset(),
    "includer": frozenset(("readable",)),
    "includem": frozenset(("readable", "match")),
    "includew": frozenset(("readable", "wildcard_match")),
    "includeb": frozenset(("readable", "brace_match")),
    "includea": frozenset(CHECKS),
}
"""What each adds to the checks that ``include_check`` asks for."""

_MOST_ALTERNATIVES: Final = 1000
_MOST_ENTRIES: Final = 200_000
"""Names of directories that a pattern may be compared with."""
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_MAGIC: Final = re.compile(r"[*?\[]")


def is_pattern(path: str) -> bool:
    """Say whether a path has wildcards."""
    return _MAGIC.search(path) is not None


def checks(words: tuple[str, ...], before: frozenset[str]) -> frozenset[str]:
    """Read the options of ``include_check``; with ``+`` and ``-`` they change those ``before``.

    Raises:
        RefusedError: one is none.
    """
    if not words:
        return frozenset(CHECKS)
    found = set(before) if words[0][0] in "+-" else set()
    adds = True
    for word in words:
        if word[0] in "+-":
            adds = word[0] == "+"
        name = word.lstrip("+-")
        if not name:
            continue
        (found.add if adds else found.discard)(choice(name, CHECKS))
        if adds:
            found.add("readable")
    return frozenset(found)


def alternatives(path: str) -> list[str]:
    """Write out ``{a,b}``, the inner ones first, in the order of the words.

    Raises:
        RefusedError: there are too many.
    """
    found = [path]
    while (braces := next(filter(None, map(_BRACES.search, found)), None)) is not None:
        found = [text for each in found for text in _written_out(each)]
        if len(found) > _MOST_ALTERNATIVES:
            raise RefusedError(
                f"{braces[0]} and its like make more than {_MOST_ALTERNATIVES} names; write fewer"
            )
    return list(dict.fromkeys(found))


def _written_out(path: str) -> list[str]:
    braces = _BRACES.search(path)
    if braces is None:
        return [path]
    return [path[: braces.start()] + word + path[braces.end() :] for word in braces[1].split(",")]


def matching(directory: Path, path: str) -> list[Path]:
    """Find the files of a path with or without wildcards, in the order of their names.

    Raises:
        RefusedError: the pattern looks at too many names.
    """
    looked = 0

    def walk(begin: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        nonlocal looked
        if not parts:
            if begin.is_symlink() or begin.exists():
                yield begin
            return
        part, *others = parts
        if not is_pattern(part):
            yield from walk(begin / part, tuple(others))
            return
        try:
            names = [entry.name for entry in begin.iterdir()]
        except OSError:
            return
        looked += len(names)
        if looked > _MOST_ENTRIES:
            raise RefusedError(f"the pattern looks at more than {_MOST_ENTRIES:,} names; name the directory")
        for name in sorted(fnmatch.filter(names, part)):
            if not name.startswith(".") or part.startswith("."):
                yield from walk(begin / name, tuple(others))

    return list(walk(directory, Path(path).parts))
