"""``~SEQ(...)`` and ``~LST(...)``: a line that is read once for each number or value (keepalived.conf(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from config_service.keepalived.parameters import NAME
from config_service.problems import RefusedError, quoted

_HEAD: Final = re.compile(r"~(SEQx?|LST)\(([^()]*)\)")
_NUMBER: Final = re.compile(r"[-+]?(?:0[xX][0-9A-Fa-f]{1,15}|0[0-7]{0,20}|[1-9][0-9]{0,17})")
_TUPLE: Final = re.compile(r"\{([^{}]*)\}")
_WORD: Final = re.compile(r"[^\s{},]*")
_SEQ: Final = "~SEQ(NAME, [START, [STEP,]] END)"
_LST: Final = "~LST(NAME, VALUE, ...) or ~LST({NAME, NAME}, {VALUE, VALUE}, ...)"


class Repeat(msgspec.Struct, frozen=True):
    """The values that names have in turn."""

    names: tuple[str, ...]
    values: range | tuple[tuple[str, ...], ...]
    hexadecimal: bool = False

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Give the values of each turn."""
        if isinstance(self.values, range):
            return ((f"{number:x}" if self.hexadecimal else str(number),) for number in self.values)
        return iter(self.values)


def begins(text: str) -> bool:
    """Say whether a line is meant to be one."""
    return text.startswith(("~SEQ", "~LST"))


def repeat(text: str) -> Repeat:
    """Read ``~SEQ(...)`` or ``~LST(...)``.

    Raises:
        RefusedError: it is none.
    """
    head = _HEAD.fullmatch(text)
    if head is None:
        raise RefusedError(f"this is no sequence and no list; write {_SEQ}, or {_LST}")
    kind, inside = head[1], head[2]
    if kind == "LST":
        return _list(inside)
    words = [word.strip() for word in inside.split(",")]
    if not 2 <= len(words) <= 4:
        raise RefusedError(f"a sequence is written {_SEQ}")
    numbers = [_number(word) for word in words[1:]]
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else -1 if end < 0 else 1
    step = numbers[1] if len(numbers) == 3 else 1 if end >= start else -1
    if step == 0 or (end - start) * step < 0:
        raise RefusedError(f"a sequence from {start} by {step} never comes to {end}; put it right")
    if kind == "SEQx" and min(start, end) < 0:
        raise RefusedError("~SEQx writes numbers from 0 on; write ~SEQ for others")
    return Repeat((_name(words[0]),), range(start, end + (1 if step > 0 else -1), step), kind == "SEQx")


def _list(inside: str) -> Repeat:
    if inside.lstrip().startswith("{"):
        if _TUPLE.sub("", inside).strip(" \t,"):
            raise RefusedError(f"a list of several names is written {_LST}")
        first, *others = ([word.strip() for word in found[1].split(",")] for found in _TUPLE.finditer(inside))
    else:
        name, *rest = inside.split(",")
        first, others = [name.strip()], [[word.strip()] for word in rest]
        if others and others[-1] == [""]:
            others.pop()
    names = tuple(map(_name, first))
    if not others:
        raise RefusedError(f"the list has no value; write {_LST}")
    for row in others:
        if len(row) > len(names):
            raise RefusedError(
                f"{', '.join(row)} are {len(row)} values for {len(names)} names; a list is {_LST}"
            )
        for word in row:
            if _WORD.fullmatch(word) is None:
                raise RefusedError(f"{quoted(word)} is no value of a list: it has blanks or braces")
    padded = tuple((*row, *("",) * (len(names) - len(row))) for row in others)
    return Repeat(names, padded)


def _name(word: str) -> str:
    if re.fullmatch(NAME, word) is None:
        raise RefusedError(f"{quoted(word)} is no name of a parameter; it is of letters, digits and _")
    return word


def _number(word: str) -> int:
    if _NUMBER.fullmatch(word) is None:
        raise RefusedError(f"{quoted(word)} is no number of a sequence; write 10, 012 or 0xa")
    digits = word.lstrip("+-")
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    return -value if word[0] == "-" else value
