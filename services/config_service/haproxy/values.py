"""Times, sizes and addresses as HAProxy writes them (configuration.txt, 2.5, 4.2 and 11)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from config_service.problems import RefusedError, quoted

_TIME: Final = re.compile(r"([0-9]{1,9})(us|ms|s|m|h|d)?")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NEVER: Final = 24 * 86400.0
"""Seconds: it counts milliseconds in 31 bits (include/haproxy/ticks.h)."""
_SIZE: Final = re.compile(r"([0-9]{1,10})([kKmMgG])?")
_SIZES: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_ANY: Final = ("", "*", "0.0.0.0")  # noqa: S104  # what a file says, not where this listens
MOST_PORTS: Final = 64


def seconds(text: str, unit: str = "ms") -> float:
    """Read a time.

    Raises:
        RefusedError: it is none, or longer than 31 days.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise RefusedError(f"{quoted(text)} is no time; write a number and us, ms, s, m, h or d")
    value = round(int(found[1]) * _UNITS[found[2] or unit], 6)
    if value > 31 * 86400:
        raise RefusedError(f"{quoted(text)} is longer than 31 days")
    return value


def waiting(text: str) -> float:
    """Read a timeout; 0 is none, which here is the longest that HAProxy's clock has.

    Raises:
        RefusedError: it is no time.
    """
    return min(seconds(text) or _NEVER, _NEVER)


def number(text: str, least: int = 0, most: int = 2**31 - 1) -> int:
    """Read a number.

    Raises:
        RefusedError: it is none, or out of its range.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise RefusedError(f"{quoted(text)} is no number from {least} to {most}")
    return int(text)


def size(text: str) -> int:
    """Read a number that may have a unit of 1024.

    Raises:
        RefusedError: it is none.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise RefusedError(f"{quoted(text)} is no size; write a number and k, m or g")
    return int(found[1]) * _SIZES[(found[2] or "").lower()]


def ip(text: str) -> str | None:
    """Read an address, with or without what says its family; None: it is a name, a socket or a variable."""
    for family in ("ipv4@", "ipv6@"):
        text = text.removeprefix(family)
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def endpoint(text: str) -> tuple[str, int] | None:
    """Read the address and port of a server; None: it is none of an address and a port."""
    address, colon, port = text.rpartition(":")
    found = ip(address) if colon else None
    if found is None or _PORTS.fullmatch(port) is None or not 0 < int(port.partition("-")[0]) <= 65535:
        return None
    return None if "-" in port else (found, int(port))


def binds(text: str) -> list[tuple[str, int]] | None:
    """Read where a proxy listens, each port of a range; None: it is no list of addresses with ports."""
    made: list[tuple[str, int]] = []
    for each in text.split(","):
        address, colon, ports = each.rpartition(":")
        found = _PORTS.fullmatch(ports)
        if not colon or found is None:
            return None
        any_of_six = address in ("::", "[::]", "ipv6@", "ipv6@::", "ipv6@*", "ipv6@[::]")
        where = "::" if any_of_six else "0.0.0.0" if address.removeprefix("ipv4@") in _ANY else ip(address)  # noqa: S104
        first, last = int(found[1]), int(found[2] or found[1])
        if where is None or not 0 < first <= last <= 65535 or last - first >= MOST_PORTS:
            return None
        made += [(where, port) for port in range(first, last + 1)]
    return made
