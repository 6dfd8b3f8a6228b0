"""The values that keywords take, read from one word each; `RefusedError` says what would be right."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from config_service.problems import RefusedError, quoted

_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_INTERFACE: Final = re.compile(r"[!-.0-9;-~]{1,15}")


def integer(word: str, low: int, high: int) -> int:
    """Read a decimal integer within bounds."""
    if _DIGITS.fullmatch(word) is None or not low <= (value := int(word)) <= high:
        raise RefusedError(f"{quoted(word)} is no whole number from {low} to {high}")
    return value


def seconds(word: str, low: str, high: str) -> Decimal:
    """Read seconds within bounds, fractions included: exact, as they were written."""
    if _DECIMAL.fullmatch(word) is None or not Decimal(low) <= (value := Decimal(word)) <= Decimal(high):
        raise RefusedError(f"{quoted(word)} is no number of seconds from {low} to {high}")
    return value


class Address(NamedTuple):
    """An IP address: canonical text and version."""

    text: str
    version: int


def address(word: str) -> Address:
    """Read an IPv4 or IPv6 address; one that no host can have is refused."""
    version, family = (6, socket.AF_INET6) if ":" in word else (4, socket.AF_INET)
    try:
        packed = socket.inet_pton(family, word)
    except (OSError, ValueError):
        raise RefusedError(f"{quoted(word)} is no IP address") from None
    if not any(packed):
        raise RefusedError(f"{quoted(word)} is the unspecified address; name a host's")
    if packed[0] == 0xFF if version == 6 else packed[0] >= 224:
        raise RefusedError(f"{quoted(word)} is no unicast address; name a host's")
    return Address(socket.inet_ntop(family, packed), version)


def port(word: str) -> int:
    """Read a TCP, UDP or SCTP port."""
    return integer(word, 1, 65535)


def interface(word: str) -> str:
    """Read a network interface's name, as the kernel allows them (net/core/dev.c, dev_valid_name)."""
    if _INTERFACE.fullmatch(word) is None or word in (".", ".."):
        raise RefusedError(
            f"{quoted(word)} is no network interface's name (1 to 15 characters without blanks, '/' and ':')"
        )
    return word


def name(word: str) -> str:
    """Read a name that is shown to people and becomes a subject token."""
    if not word or len(word) > 128 or not word.isprintable():
        raise RefusedError(f"{quoted(word)} is no name (1 to 128 printable characters)")
    return word


def choice(word: str, choices: Iterable[str]) -> str:
    """Read one of a few words, spelled as they are."""
    known = tuple(choices)
    if word not in known:
        raise RefusedError(f"{quoted(word)} is none of {' '.join(known)}{near(word, known)}")
    return word


def near(word: str, known: Iterable[str]) -> str:
    """Ask for the nearest known word, ``; did you mean 'x'?``, or nothing when none is near."""
    if len(word) > 40:
        return ""
    import difflib  # noqa: PLC0415  # only for a file with an error

    known = tuple(known)
    by_case = [candidate for candidate in known if candidate.lower() == word.lower()]
    found = by_case or difflib.get_close_matches(word, known, 1, 0.7)
    return f"; did you mean {quoted(found[0])}?" if found else ""
