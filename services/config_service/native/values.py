"""Values as people write them: durations with a unit, addresses with a prefix, weights with a sign."""

from __future__ import annotations

import re
from typing import Any, Final

from config_service.keepalived.values import address
from config_service.keepalived.values import port as port_number
from config_service.problems import RefusedError, quoted

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s|m|h|d)")
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


def virtual_address(text: str, dev: str) -> dict[str, Any]:
    """Read ``10.0.0.100/24`` or ``fd00::1/64``; without a length it is the host's own.

    Raises:
        RefusedError: the length is no number.
    """
    address, slash, length = text.partition("/")
    whole = "128" if ":" in address else "32"
    if not (length or whole).isascii() or not (length or whole).isdigit() or (slash and not length):
        raise RefusedError(f"{quoted(text)} is no address; write ADDRESS/LENGTH")
    return {"address": address, "prefix": int(length or whole), "dev": dev}


def percent(value: object) -> object:
    """Read ``30%`` as 30; what is no text stays as it is.

    Raises:
        RefusedError: it is text and no share.
    """
    if not isinstance(value, str):
        return value
    digits = value.strip().removesuffix("%").rstrip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= 100):
        raise RefusedError(f'{quoted(value)} is no share; write one like "30%"')
    return int(digits)


def endpoint(text: str) -> tuple[str, int | None]:
    """Read ``10.0.0.1:80``, ``[fd00::1]:80``, or an address alone: its canonical text, and the port.

    Raises:
        RefusedError: it is none.
    """
    host, port = split_port(text)
    found = address(host)
    return found.text, None if port is None else port_number(port)


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
