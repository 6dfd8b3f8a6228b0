"""Reads HAProxy's statistics: again and again for the metrics, and when somebody asks on the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from haproxy_programmer import metrics, runtime
from haproxy_programmer.observed import UnreadableError
from haproxy_programmer.runtime import SilentError
from haproxy_programmer.site import Place, Site
from haproxy_programmer.statistics import QUESTION, Read, statistics
from haproxy_programmer.traffic_metrics import TrafficMetrics
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.metrics import REGISTRY, Registry

_FRESH: Final = 0.3
"""Seconds for which one read answers everybody: who asks for many pools asks in parts."""


class Traffic:
    """The statistics of one HAProxy; ``site`` says what is ours in it, None while nothing is."""

    def __init__(
        self,
        place: Place,
        site: Callable[[], Site | None],
        readiness: Readiness,
        *,
        most: int,
        registry: Registry = REGISTRY,
    ) -> None:
        self._place = place
        self._site = site
        self._readiness = readiness
        self._metrics = TrafficMetrics(most, registry)
        self._reading = asyncio.Lock()
        self._last: tuple[float, Read] | None = None

    async def read(self, within: float = _FRESH) -> tuple[float, Read]:
        """Read, or take what was read ``within`` so many seconds; return when (monotonic clock), and what.

        Raises:
            SilentError: HAProxy does not answer.
            UnreadableError: its answer is not understood.
        """
        async with self._reading:
            if self._last is not None and time.monotonic() - self._last[0] < within:
                return self._last
            self._last = None
            try:
                told = await runtime.ask(self._place.socket, QUESTION)
                # verdicts go on meanwhile: a thousand members take some 50 ms
                found = await asyncio.to_thread(statistics, told)
            except SilentError:
                metrics.STATISTICS.add(1, result="silent")
                raise
            except UnreadableError as error:
                metrics.STATISTICS.add(1, result="unreadable")
                self._readiness.problem("statistics", str(error))
                raise
            metrics.STATISTICS.add(1, result="done")
            self._readiness.problem("statistics", "")
            self._last = time.monotonic(), found
            if (site := self._site()) is not None:
                self._metrics.take(site, found)
            return self._last

    async def count(self) -> None:
        """Read for the metrics; what cannot be read now is read the next time."""
        site = self._site()
        if site is None or not (site.proxies or site.pools):
            self._readiness.problem("statistics", "")
            return
        try:
            await self.read(within=0.0)
        except (SilentError, UnreadableError):
            return  # whoever looks at its servers says that it is silent

    async def keep_counting(self, every: float) -> None:
        """Read each ``every`` seconds, for ever."""
        while True:
            await self.count()
            await asyncio.sleep(every)
