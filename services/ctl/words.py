"""How things are written for people: addresses, times, and text that came from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from vipbus.contracts import token_in_words
from vipbus.telemetry.logs import plain

OPERATED: Final = {"drain": "drained", "disable": "disabled", None: "enabled"}
"""What an operator did, by the state that the real server has from it."""


def endpoint(address: str, port: int) -> str:
    """Write an address and port as ipvsadm(8) does: an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def from_token(token: str) -> str:
    """Write an address's subject token as the address; what is no such token stays as it is."""
    return token_in_words(token) or plain(token)


def count(number: int, thing: str) -> str:
    """Count things: ``1 destination``, ``2 destinations``."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{number} {thing if number == 1 else plural}"


def listed(items: Sequence[str], most: int = 4) -> str:
    """Write a list with commas; of a long one the first, and how many more there are."""
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[: most - 1])} and {len(items) - most + 1} more"


def span(seconds: float) -> str:
    """Write a length of time in one unit, never rounded up."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(max(0.0, seconds))} s"


def since(then: datetime, now: datetime) -> str:
    """Write a moment in local time and how long ago it was; the date only when it was another day."""
    try:
        local, today = then.astimezone(), now.astimezone()
    except OverflowError:  # the year 1, west of where it was written
        return f"{then.isoformat(sep=' ', timespec='seconds')} ({span((now - then).total_seconds())})"
    form = "%H:%M:%S" if local.date() == today.date() else "%Y-%m-%d %H:%M:%S"
    return f"{local.strftime(form)} ({span((now - then).total_seconds())})"


def number(value: float) -> str:
    """Write a number in a few columns: ``0``, ``4.5``, ``1.23k``, ``45.6M``."""
    for unit in ("", "k", "M", "G", "T"):
        if value < 999.5 or unit == "T":
            break
        value /= 1000
    if not unit and value == int(value):
        return str(int(value))
    return f"{value:.3g}{unit}" if value < 999.5 else f"{value:.0f}{unit}"
