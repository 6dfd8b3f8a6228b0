"""Shows an error in its file: the column, the line, and what points to the word that the message names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from config_service.problems import Places, Problem

_WIDE: Final = 100
"""Characters of a line that are shown."""
_INDENT: Final = "    "
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)+)'|\"((?:[^\"\\]|\\.)+)\"")
_CHARACTER: Final = re.compile(r"control character U\+([0-9A-F]{4})")
MAY_BE_SECRET: Final = re.compile(r"pass|secret|key|auth", re.IGNORECASE)
"""Wider than what a message may not repeat: a line that is shown has words that nobody looked at."""
_LINES_OF_A_BLOCK: Final = 16
"""How far above a line its block may begin when that is one with passwords in it."""


def located(problems: Sequence[Problem], texts: Mapping[str, str], uses: Places) -> list[Problem]:
    """Give each error its column and excerpt, where its text is there; say where definitions are used."""
    lines = {file: text.replace("\r\n", "\n").split("\n") for file, text in texts.items()}
    found: dict[Problem, None] = {}
    for problem in problems:
        place = _located(problem, lines.get(problem.file, ()))
        if used := uses.get((problem.file, problem.line)):
            place = msgspec.structs.replace(place, text=problem.text + _used(problem, used))
        found[place] = None
    return list(found)


def _located(problem: Problem, lines: Sequence[str]) -> Problem:
    if problem.whole or not 0 < problem.line <= len(lines):
        return problem
    line = lines[problem.line - 1]
    start, length = word_of(problem.text, line)
    if _is_secret(lines, problem.line):
        return msgspec.structs.replace(problem, column=start + 1)
    return msgspec.structs.replace(problem, column=start + 1, excerpt=excerpt(line, start, length))


def word_of(text: str, line: str) -> tuple[int, int]:
    """Find the word that a message names, first in quotes, else as its own first word: where, how long.

    What stands in the line in another form (it was put in for a parameter, or is escaped) cannot be found:
    the first word of the line is pointed to.
    """
    if (control := _CHARACTER.match(text)) is not None:
        return max(0, line.find(chr(int(control[1], 16)))), 1
    words = [found[1] or found[2] for found in _QUOTED.finditer(text)]
    for word in (*words, text.split(" ", 1)[0].rstrip(":")):
        if word == "}":
            if (start := line.rfind(word)) >= 0:
                return start, 1
            continue
        shown = word.removesuffix("...")
        whole = re.search(rf"(?<![\w.]){re.escape(shown)}" + (r"(?![\w.])" if shown == word else ""), line)
        if whole is not None:
            return whole.start(), len(shown)
    first = re.search(r"[^ \t{}]+|[{}]", line)
    return (first.start(), len(first[0])) if first is not None else (0, 1)


def _is_secret(lines: Sequence[str], number: int) -> bool:
    """Say whether a line may hold a password: by its own words, or as one of a block that has them."""
    for above in range(number - 1, max(-1, number - 1 - _LINES_OF_A_BLOCK), -1):
        line = lines[above]
        if MAY_BE_SECRET.search(line):
            return True
        if above != number - 1 and "}" in line:
            return False
    return False


def excerpt(line: str, start: int, length: int) -> tuple[str, ...]:
    """Show a line, or the part of it around ``length`` characters from ``start`` on, and point to them."""
    begin = max(0, start - _WIDE // 2) if len(line) > _WIDE else 0
    shown = line[begin : begin + _WIDE]
    pointer = "^" * max(1, min(length, _WIDE - (start - begin)))
    # a tab may be as wide as it likes: the pointer must stand under the word
    plain = "".join(character if character.isprintable() else " " for character in shown)
    return _INDENT + plain.rstrip(), _INDENT + " " * (start - begin) + pointer


def _used(problem: Problem, used: Sequence[tuple[str, int]]) -> str:
    file, line = used[0]
    where = f"line {line}" if file == problem.file else f"{file}:{line}"
    return f" (put in on {where}{' and others' if len(used) > 1 else ''})"
