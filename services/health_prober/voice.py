"""Writes verdicts, with the trace and the words for each; nothing is decided here.

The fencing token in `Verdict.lease` is how far into the bucket ``member`` its writer had read when it wrote.
Who leads a real server follows from the membership alone, so each handover happens at one revision of that
bucket: the old leader's last verdict carries a lower number, the new leader's first that revision or a higher
one. It holds when a real server goes from A to B and back to A between two that live. A replica that was
cut off, or stopped and went on, has read less, and its late write is refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from health_prober import metrics
from health_prober.conclusion import difference
from health_prober.said import Said
from vipbus.contracts import HEALTH, Verdict, token_in_words
from vipbus.telemetry import trace

if TYPE_CHECKING:
    from vipbus.bus import Bus, Follow
    from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)

_TEMPLATE = "vipbus.state.health"


class Voice:
    """Of one replica; ``may_write`` says whether it may speak of a key now."""

    def __init__(self, bus: Bus, health: Follow[Verdict], may_write: Callable[[str], bool]) -> None:
        self._may_write = may_write
        self.said: Said[Verdict] = Said(
            bus, HEALTH, health, may_write=self._may_still_write, may_replace=self._may_replace
        )
        """What stands, and what is on its way there."""

    def say(self, key: str, verdict: Verdict, parent: TraceContext | None) -> None:
        """Say a verdict."""
        before = self.said.standing(key)
        context = self._recorded(
            key,
            parent,
            {
                "vipbus.virtual_server": verdict.virtual_server,
                "vipbus.real_server": verdict.real_server,
                "vipbus.verdict": verdict.verdict,
                "vipbus.cause": verdict.cause,
            },
        )
        self.said.say(key, verdict, context)
        # words come after deeds, those of whatever is decided together: another thread writes them, and
        # takes the processor for it
        asyncio.get_running_loop().call_soon(self._tell, key, before, verdict)

    @staticmethod
    def _tell(key: str, before: Verdict | None, verdict: Verdict) -> None:
        if before is None or before.verdict != verdict.verdict:
            log.info("%s is %s: %s", _named(key), verdict.verdict, verdict.cause)
            metrics.VERDICT_CHANGES.add(verdict=verdict.verdict)
        else:
            log.info("%s is still %s, but %s", _named(key), verdict.verdict, difference(before, verdict))

    def take_back(self, key: str) -> None:
        """Remove the verdict on what is not checked any more."""
        self.said.say(key, None, self._recorded(key, trace.record("remove verdict"), {}))
        log.info("%s is not configured or not checked any more: its verdict is removed", _named(key))

    @staticmethod
    def _recorded(key: str, parent: TraceContext | None, attributes: dict[str, str]) -> TraceContext:
        of_messaging = {"messaging.system": "nats", "messaging.destination.template": _TEMPLATE}
        return trace.record(
            f"publish {_TEMPLATE}",
            parent=parent,
            kind="producer",
            attributes={**of_messaging, "vipbus.key": key, **attributes},
        )

    # ---- asked by the writer

    def _may_still_write(self, key: str) -> bool:
        allowed = self._may_write(key)
        if not allowed:
            metrics.WRITES_REFUSED.add()
        return allowed

    def _may_replace(self, current: Verdict, mine: Verdict) -> bool:
        allowed = current.lease <= mine.lease
        if not allowed:
            metrics.WRITES_REFUSED.add()
        return allowed


def _named(key: str) -> str:
    virtual_server, _, real_server = key.partition(".")
    names = [token_in_words(token) or token for token in (real_server, virtual_server)]
    return " of ".join(names)
