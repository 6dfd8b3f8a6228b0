"""Tells what HAProxy's own checks and agents changed, each change as an event with its cause."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from haproxy_programmer import runtime
from haproxy_programmer.inputs import Change
from haproxy_programmer.observed import SESSIONS, Observed
from haproxy_programmer.own_checks import Checked, Key, checked, reasons
from haproxy_programmer.site import Site
from vipbus.contracts import Event, ProxyMemberChanged, ProxyPool
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)


class Findings:
    """What was told; ``socket`` is where the worker is asked why, ``publish`` takes the events."""

    def __init__(self, socket: Path, router: str, publish: Callable[[Event, TraceContext], None]) -> None:
        self._socket = socket
        self._router = router
        self._publish = publish
        self._seen: dict[Key, Checked] = {}

    async def look(self, site: Site, there: Observed) -> list[Change]:
        """Tell what changed since the last look; give it as causes of what the documents say.

        One that is seen for the first time is no change.

        Raises:
            SilentError: there is no answer.
            UnreadableError: it is not understood.
        """
        before, self._seen = self._seen, {}
        changed: list[tuple[ProxyPool, Key]] = []
        for pool, key, now in checked(site, there.servers):
            self._seen[key] = now
            if now.changed(before.get(key)):
                changed.append((pool, key))
        if not changed:
            return []
        said = reasons(await runtime.ask(self._socket, SESSIONS))
        return [self._tell(pool, self._seen[key], said.get(key, "")) for pool, key in changed]

    def _tell(self, pool: ProxyPool, now: Checked, cause: str) -> Change:
        context = record("check haproxy")
        self._publish(
            ProxyMemberChanged(
                router=self._router,
                pool=pool.name,
                member=now.member,
                state=now.state,
                weight=now.weight,
                cause=cause,
            ),
            context,
        )
        text = f"{now.member} is {now.state}: {cause}"
        log.info("pool %s: %s", pool.name, text)
        return Change(text=text, pool=pool.id, trace=context)
