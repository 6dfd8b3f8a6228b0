"""Tells of what HAProxy logs: requests on the bus, as events, and its own news in this process's log.

Neither can be a flood: beyond a rate lines are counted and forgotten, before anybody has read them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from haproxy_programmer import metrics
from haproxy_programmer.log_lines import (
    Notice,
    Request,
    UnreadableLineError,
    notice,
    origin,
    outcome,
    request,
)
from haproxy_programmer.site import Site
from vipbus.contracts import Event, ProxyRequestTold
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

_REQUESTS: Final = (1.0, 30.0)
"""A second, and at once. The history of a bus keeps 256 MiB of everything that happens."""
_NOTICES: Final = (5.0, 100.0)


class Allowance:
    """So much in a second, and so much at once (a token bucket)."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one, if there is one at this time (monotonic clock, seconds)."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class LogTelling:
    """Takes lines; ``site`` says what is ours, None while nothing is."""

    def __init__(
        self,
        router: str,
        site: Callable[[], Site | None],
        publish: Callable[[Event, TraceContext], None],
        clock: Callable[[], float],
    ) -> None:
        self._router = router
        self._site = site
        self._publish = publish
        self._clock = clock
        self._requests = Allowance(*_REQUESTS)
        self._notices = Allowance(*_NOTICES)

    def line(self, line: bytes) -> None:
        """Take in a line, whatever it is."""
        kind = origin(line)
        if kind in ("twice", "echo"):
            return
        if not kind:
            metrics.LOGS.add(1, result="unreadable")
            return
        allowance = self._requests if kind == "request" else self._notices
        if not allowance.take(self._clock()):
            metrics.LOGS.add(1, result="dropped")
            return
        try:
            if kind == "request":
                self._publish(self._event(request(line)), record("request"))
            else:
                found = notice(line)
                log.log(logging.WARNING if found.grave else logging.INFO, "HAProxy: %s", self._words(found))
        except UnreadableLineError:
            metrics.LOGS.add(1, result="unreadable")
            return
        metrics.LOGS.add(1, result="told")

    def _event(self, read: Request) -> ProxyRequestTold:
        site = self._site() or Site()
        pools = {pool.id: pool.name for pool in site.pools}
        proxies = {proxy.id: proxy.name for proxy in site.proxies}
        slot = site.slots_of(read.pool).held.get(read.server)
        queued, connected, responded, total = (each / 1000 if each >= 0 else None for each in read.times)
        return ProxyRequestTold(
            router=self._router,
            proxy=proxies.get(read.proxy, read.proxy[:128]),
            at=read.when,
            client=read.client,
            client_port=read.port,
            error=read.failed,
            outcome=outcome(read),
            ended=read.ended[:4],
            pool=pools.get(read.pool, ""),
            real_server=slot.words if slot is not None else "",
            method=read.method,
            host=read.host,
            path=read.path,
            status=max(0, read.status),
            queued=queued,
            connected=connected,
            responded=responded,
            total=total,
            bytes_in=max(0, read.bytes[0]),
            bytes_out=max(0, read.bytes[1]),
            retries=int(read.retries),
            redispatched=read.retries.startswith("+"),
        )

    def _words(self, found: Notice) -> str:
        """Name the member: a slot is another one's tomorrow."""
        site = self._site()
        slot = site.slots_of(found.pool).held.get(found.slot) if site is not None and found.pool else None
        if slot is None:
            return found.text
        return found.text.replace(f"{found.pool}/{found.slot}", f"{found.pool}/{slot.words}", 1)
