"""Values as people write them: durations with a unit, addresses with a prefix, weights with a sign."""

from __future__ import annotations

import re
from typing import Final

from config_service.keepalived.values import address
from config_service.keepalived.values import port as port_number
from config_service.problems import RefusedError, quoted

DURATION: Final = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s|m|h|d)"
EVERY: Final = ("0.0.0.0", "::")  # noqa: S104  # what a document says, not where this listens
"""Where something listens that listens on every address."""
PERCENT: Final = r"(100|[0-9]{1,2}|0[0-9]{2})\s*%?"
_DURATION: Final = re.compile(DURATION)
_PERCENT: Final = re.compile(PERCENT)
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Read ``100ms``, ``1.5s`` or ``5m`` as seconds.

    Raises:
        RefusedError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise RefusedError(f'{quoted(text)} is no duration; write one like "100ms" (us, ms, s, m, h, d)')
    # as the decimal that was written: 0.1 s, not 0.1000000000000000055
    return round(float(found[1]) * _UNITS[found[2]], 6)


def whole_seconds(text: str) -> int:
    """Read a duration that the kernel takes in whole seconds.

    Raises:
        RefusedError: it is none.
    """
    seconds = duration(text)
    if seconds != int(seconds):
        raise RefusedError(f"{quoted(text)} is not in whole seconds; round it")
    return int(seconds)


def percent(value: object) -> object:
    """Read ``30%`` as 30; what is no text stays as it is.

    Raises:
        RefusedError: it is text and no share.
    """
    if not isinstance(value, str):
        return value
    found = _PERCENT.fullmatch(value.strip())
    if found is None:
        raise RefusedError(f'{quoted(value)} is no share; write one like "30%"')
    return int(found[1])


def endpoint(text: str) -> tuple[str, int | None]:
    """Read ``10.0.0.1:80``, ``[fd00::1]:80``, or an address alone: its canonical text, and the port.

    Raises:
        RefusedError: it is none.
    """
    host, port = split_port(text)
    found = address(host)
    return found.text, None if port is None else port_number(port)


def listening(text: str) -> tuple[str, int | None]:
    """Read where something listens: as `endpoint`, or ``0.0.0.0`` and ``::`` for every address.

    Raises:
        RefusedError: it is none.
    """
    host, port = split_port(text)
    if host in EVERY:
        return host, None if port is None else port_number(port)
    return endpoint(text)


def split_port(text: str) -> tuple[str, str | None]:
    """Split ``HOST:PORT``, ``[HOST]:PORT`` or a host alone; what these are is not looked at.

    Raises:
        RefusedError: something without a colon stands in brackets.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed is not None:
        if ":" not in bracketed[1]:
            raise RefusedError(f"{quoted(text)} is no address; brackets are for IPv6 alone")
        return bracketed[1], bracketed[2]
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None
