"""Whether HAProxy does its work, as the bus is told: an instance that tracks a proxy goes by it.

What counts is an answer on the statistics socket. A process that is there proves nothing, and one that ended
is started again before anybody need take over; so five seconds without an answer count as down.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from haproxy_programmer.metrics import ANSWERS
from vipbus.bus import Bus, StateWriter
from vipbus.contracts import PROXY_PROCESS, ProxyProcess, name_token
from vipbus.telemetry.trace import record

SILENT: Final = 5.0
"""Seconds without an answer after which it does not answer."""
_ANSWERS: Final = "it answers on its statistics socket"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of it."""

    answered: float
    """When it last answered, or began to be asked; monotonic seconds."""
    answers: bool | None = None
    """None: nothing was said yet."""
    cause: str = ""


def heard(now: float) -> Standing:
    """Note an answer."""
    return Standing(answered=now, answers=True, cause=_ANSWERS)


def silent(before: Standing, why: str, now: float) -> Standing:
    """Note that there was none; the first reason of a silence is the one that is said."""
    if before.answers is False or now - before.answered < SILENT:
        return before
    return msgspec.structs.replace(before, answers=False, cause=why)


class Told:
    """Tells the bus, in one document for the router."""

    def __init__(self, bus: Bus, router: str, *, now: float) -> None:
        self._router = router
        self._key = name_token(router)
        self._standing = Standing(answered=now)
        self._there = True
        """What a run before said may be there."""
        self._writer = StateWriter(bus, PROXY_PROCESS, same=_no_news)

    def heard(self, now: float) -> None:
        """Say that it answered."""
        self._say(heard(now))

    def silent(self, why: str, now: float) -> None:
        """Say that it did not, once that is so for long enough."""
        self._say(silent(self._standing, why, now))

    def ended(self, why: str) -> None:
        """Say at once that it is not there any more."""
        self._say(msgspec.structs.replace(self._standing, answers=False, cause=why))

    def nothing_to_serve(self, now: float) -> None:
        """Say nothing of it: there is no proxy."""
        self._standing = Standing(answered=now)
        if self._there:
            self._there = False
            self._writer.delete(self._key, record("no proxies"))

    async def close(self, timeout: float) -> None:
        """Wait for what was said, ``timeout`` seconds at most, and stop."""
        await self._writer.flushed(timeout)
        await self._writer.close()

    def _say(self, now: Standing) -> None:
        before, self._standing = self._standing, now
        if now.answers is None or (now.answers, now.cause) == (before.answers, before.cause):
            return
        self._there = True
        ANSWERS.set(int(now.answers))
        document = ProxyProcess(
            router=self._router, answers=now.answers, cause=now.cause, since=datetime.now(UTC)
        )
        self._writer.set(self._key, document, record("haproxy answers" if now.answers else "haproxy silent"))


def _no_news(current: ProxyProcess, mine: ProxyProcess) -> bool:
    return msgspec.structs.replace(current, since=mine.since) == mine
