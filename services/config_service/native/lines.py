"""Where in the text a key stands: TOML's reader keeps no lines, so they are looked for."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEADING: Final = re.compile(r"\[{1,2}([\w.\"' -]+)\]{1,2}")
_STEP: Final = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


class _Range(NamedTuple):
    start: int
    end: int


def find(text: str, path: str) -> int:
    """Find the line of ``virtual_server[1].real_server[0].weight``: of the key, or of what is around it.

    A table with a heading is looked for by the heading, everything else by its name inside what is around it.
    """
    lines = text.splitlines()
    found = _Range(0, len(lines))
    heading = ""
    for name, numbers in _STEP.findall(path):
        heading = f"{heading}.{name}" if heading else name
        wanted = int(numbers[1:].split("]")[0]) if numbers else 0
        tables = [at for at in range(*found) if _is_heading(lines[at], heading)]
        if wanted < len(tables):
            found = _Range(tables[wanted], _end(lines, tables[wanted], found.end, heading))
            continue
        named = _named(lines, found, name)
        if named is not None:
            found = _Range(named, found.end)
    return found.start + 1


def _is_heading(line: str, heading: str) -> bool:
    word = line.partition("#")[0].replace('"', "").replace("'", "").replace(" ", "").strip()
    return word in (f"[[{heading}]]", f"[{heading}]")


def _end(lines: list[str], start: int, end: int, heading: str) -> int:
    """Find where a table with a heading ends: at the next heading of no table inside it."""
    for at in range(start + 1, end):
        other = _HEADING.fullmatch(lines[at].partition("#")[0].strip())
        if other is not None and not other[1].replace('"', "").startswith(f"{heading}."):
            return at
    return end


def _named(lines: list[str], where: _Range, name: str) -> int | None:
    """Find a key: on the line of what it is in, else at the beginning of a line, else inside one."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    candidates = [at for at in range(*where) if word.search(lines[at].partition("#")[0])]
    if candidates[:1] == [where.start] and not lines[where.start].lstrip().startswith("["):
        return where.start
    own = [at for at in candidates if lines[at].lstrip().strip("\"'").startswith(name)]
    return next(iter(own or candidates), None)
