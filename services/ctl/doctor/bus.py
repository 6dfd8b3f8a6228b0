"""Is the bus there, quick, with room, and not open to everyone?"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from datetime import datetime
from statistics import median
from urllib.parse import urlsplit

import msgspec

from ctl.doctor.finding import Finding, advice, ok, problem
from vipbus.bus import Bus, BusAwayError, RefusedError
from vipbus.contracts.limits import UNREADABLE

_SLOW = 0.05
"""Seconds of one question from which on a role may not wait for its table (arm_timeout, 0.1)."""
_FULL = 0.8
_QUESTIONS = 5


class BusState(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    url: str
    """With its secrets."""
    problem: str = ""
    """Why it could not be asked."""
    seconds: float = 0.0
    """That one question takes, in the middle."""
    ahead: float | None = None
    """Seconds that this host's clock is before the server's; None: not measured."""
    used: int = 0
    room: int = -1
    """Octets of storage: used, and allowed; -1: no limit."""


class _Account(msgspec.Struct, frozen=True):
    class _Limits(msgspec.Struct, frozen=True):
        max_storage: int = -1

    storage: int = 0
    limits: _Limits = _Limits()


class _Stream(msgspec.Struct, frozen=True):
    ts: datetime | None = None


async def look(bus: Bus, url: str) -> BusState:
    """Ask the server itself (JetStream's own interface, ADR-1)."""
    spent: list[float] = []
    offsets: list[float] = []
    account = _Account()
    try:
        for _ in range(_QUESTIONS):
            before, clock_before = time.monotonic(), time.time()
            stream = msgspec.json.decode(
                await bus.request("$JS.API.STREAM.INFO.KV_config", b"", timeout=3.0), type=_Stream
            )
            spent.append(time.monotonic() - before)
            if stream.ts is not None:
                offsets.append((clock_before + time.time()) / 2 - stream.ts.timestamp())
        account = msgspec.json.decode(await bus.request("$JS.API.INFO", b"", timeout=3.0), type=_Account)
    except (BusAwayError, RefusedError, *UNREADABLE) as error:
        return BusState(url=url, problem=str(error))
    return BusState(
        url=url,
        seconds=median(spent),
        # the quickest answer tells most
        ahead=offsets[spent.index(min(spent))] if len(offsets) == len(spent) else None,
        used=account.storage,
        room=account.limits.max_storage,
    )


def bus(state: BusState) -> Iterator[Finding]:
    """Judge it."""
    if state.problem:
        yield problem(
            "bus",
            f"it cannot be asked: {state.problem}",
            "start `vipbus run`, or nats-server; or name another with --bus",
        )
        return
    milliseconds = f"{1000 * state.seconds:.1f} ms"
    if state.seconds > _SLOW:
        yield advice(
            "bus",
            f"one question takes {milliseconds}: a takeover may not wait for its table",
            "give each router a leaf node or an embedded bus of its own",
        )
    else:
        yield ok("bus", f"it answers in {milliseconds}")
    if state.room > 0 and state.used > _FULL * state.room:
        yield problem(
            "bus",
            f"its store is nearly full: {state.used} of {state.room} octets",
            "raise max_storage (JetStream), or give the history less",
        )
    if not _is_private(state.url):
        yield advice(
            "bus",
            "it is reached over a network without a password: whoever reaches it can drain and reload",
            "give nats-server users or a token, and TLS",
        )


def _is_private(url: str) -> bool:
    """Say whether it is this host's own, or asks who we are."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    if parts.username or parts.password or parts.scheme == "tls":
        return True
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
