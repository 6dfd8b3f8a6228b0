"""Reads messages that are laid out as an earlier one was: two looks, no walk over twenty attributes.

A dump of forty thousand destinations has the same attributes in the same order each time. What is laid out
otherwise is walked over (`octets.attributes`). Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from ipvs_programmer import constants as c

_HEADER: Final = struct.Struct("=HH")


class Form:
    """Where the attributes of one message stood, and those of them that are wanted."""

    def __init__(self, body: memoryview, nest: int, fields: Sequence[tuple[int, str]]) -> None:
        """Learn it from a message with one attribute, ``nest``, that holds the others.

        ``fields`` are types and formats (`struct`) of two attributes at least.

        Raises:
            LookupError: it is another kind of message, or has not all of them, each as it should be.
        """
        self._size = len(body)
        length, kind = _header(body, 0)
        if kind != nest or length != self._size:
            raise LookupError(nest)
        offsets = [0]
        found: dict[int, int] = {}
        offset = _HEADER.size
        while offset < self._size:
            length, kind = _header(body, offset)
            found[kind] = offset
            offsets.append(offset)
            offset += (length + 3) & ~3
        self._heads = _at([(each, "I") for each in offsets])
        self._expected = self._heads.unpack_from(body)
        wanted = sorted((found[kind] + _HEADER.size, form, kind) for kind, form in fields)
        for at, form, kind in wanted:
            if _HEADER.size + struct.calcsize(f"={form}") != _header(body, at - _HEADER.size)[0]:
                raise LookupError(kind)
        self._values = _at([(at, form) for at, form, _ in wanted])
        order = [kind for _, _, kind in wanted]
        self._pick = itemgetter(*(order.index(kind) for kind, _ in fields))

    def read(self, body: memoryview) -> tuple[Any, ...] | None:
        """Give the fields in their order; None: this message is laid out otherwise."""
        if len(body) != self._size or self._heads.unpack_from(body) != self._expected:
            return None
        found: tuple[Any, ...] = self._pick(self._values.unpack_from(body))
        return found


def _header(body: memoryview, offset: int) -> tuple[int, int]:
    """Read an attribute's length and type.

    Raises:
        LookupError: there is none.
    """
    if len(body) - offset < _HEADER.size:
        raise LookupError(offset)
    length, kind = _HEADER.unpack_from(body, offset)
    if not _HEADER.size <= length <= len(body) - offset:
        raise LookupError(offset)
    return length, kind & c.NLA_TYPE_MASK


def _at(places: Sequence[tuple[int, str]]) -> struct.Struct:
    """Make what unpacks values that stand at these offsets, in rising order."""
    form, end = "=", 0
    for at, each in places:
        form += f"{at - end}x{each}"
        end = at + struct.calcsize(f"={each}")
    return struct.Struct(form)
