"""How things are written for people: addresses, times, and text that came from elsewhere."""

from __future__ import annotations

from datetime import datetime

from vipbus.contracts import token_in_words
from vipbus.telemetry.logs import plain


def endpoint(address: str, port: int) -> str:
    """Write an address and port as ipvsadm(8) does: an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def from_token(token: str) -> str:
    """Write an address's subject token as the address; what is no such token stays as it is."""
    return token_in_words(token) or plain(token)


def count(number: int, thing: str) -> str:
    """Count things: ``1 destination``, ``2 destinations``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


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
