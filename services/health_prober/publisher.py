"""Says verdicts: compares what the book holds with what stands on the bus, and writes what differs.

The fencing token in `Verdict.lease` is how far into the bucket ``member`` its writer had read when it wrote.
Who leads a real server follows from the membership alone, so each handover happens at one revision of that
bucket: the old leader's last verdict carries a lower number, the new leader's first that revision or a higher
one. It holds when a real server goes from A to B and back to A between two that live. A replica that was
cut off, or stopped and went on, has read less, and its late write is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from health_prober.metrics import VERDICT_CHANGES, WRITES_REFUSED
from health_prober.verdicts import Book, Finding, Opinion
from vipbus.bus import StateWriter
from vipbus.contracts import HEALTH, Verdict, token_in_words
from vipbus.telemetry import trace

if TYPE_CHECKING:
    from health_prober.engine import Outcome
    from vipbus.bus import Bus, Follow
    from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)

_TEMPLATE = "vipbus.state.health"


class _Said(msgspec.Struct):
    """What was last given to the writer for a key."""

    verdict: Verdict | None
    """None: that it is gone."""
    revision: int = 0
    """At which it was written; 0 while it is not."""


class Publisher:
    """The writer of this replica's verdicts.

    ``may_write`` says whether this replica may speak of a key now: it leads it, by a membership that is
    up to date, and its lease stands. ``token`` is how far it has read that membership.
    """

    def __init__(
        self,
        bus: Bus,
        book: Book,
        health: Follow[Verdict],
        *,
        prober: str,
        may_write: Callable[[str], bool],
        token: Callable[[], int],
    ) -> None:
        self._book = book
        self._health = health
        self._prober = prober
        self._may_write = may_write
        self._token = token
        self._said: dict[str, _Said] = {}
        self._unsaid = False
        self._audited = -1
        self._writer: StateWriter[Verdict] = StateWriter(
            bus, HEALTH, may_replace=self._may_replace, on_written=self._written
        )

    @property
    def standing(self) -> dict[str, Verdict]:
        """What stands on the bus, with what is on its way there."""
        standing = {key: entry.value for key, entry in self._health.entries.items()}
        for key, said in self._said.items():
            if not self._echoed(said):
                if said.verdict is None:
                    standing.pop(key, None)
                else:
                    standing[key] = said.verdict
        return standing

    def found(self, outcome: Outcome) -> None:
        """Note a check's decision and say what follows from it."""
        if not self._book.heeds(outcome.check, outcome.order):
            return
        keys = self._book.keys_of(outcome.check)
        finding = Finding(
            verdict=outcome.decision.verdict,
            cause=outcome.decision.cause,
            since_ns=outcome.decided_ns,
            own=True,
            seen=self._health.revision,
            trace=self._trace_of(outcome, keys),
        )
        self._book.found(outcome.check, finding)
        for key in keys:
            self._judge(key)

    def audit(self, known: Iterable[str] | None) -> set[str]:
        """Compare everything with what stands; return the keys of which another replica knows better.

        ``known`` are the keys of every checked real server there is, None where that is not known for sure:
        then nothing is cleared up. Costs nothing while the bucket does not change.
        """
        refused = [key for key in self._writer.refused if key in self._said]
        for key in refused:
            self._forget(key)
        if not self._unsaid and not refused and self._health.revision == self._audited:
            return set()
        self._unsaid = False
        self._audited = self._health.revision
        doubtful = {key for key in self._book.targets if self._judge(key)}
        if known is not None:
            for key in self._health.entries.keys() - set(known):
                if self._may_write(key) and self._standing(key) is not None:
                    log.info(
                        "%s is not configured or not checked any more: its verdict is removed", _named(key)
                    )
                    self._say(key, None, trace.record("remove verdict"))
        return doubtful

    def again(self) -> None:
        """Make the next audit a whole one: what is led, known or allowed has changed."""
        self._unsaid = True

    def keep_only(self, mine: Callable[[str], bool]) -> None:
        """Forget what was said of keys that another replica speaks for now."""
        for key in [key for key in self._said if not mine(key)]:
            self._forget(key)

    def bus_lost(self) -> None:
        """Say nothing of the past on return: what stands then decides what is to be said."""
        self.keep_only(lambda _key: False)
        self.again()

    async def flushed(self, timeout: float) -> None:
        """Wait until everything said is written, at most ``timeout`` seconds."""
        await self._writer.flushed(timeout)

    async def close(self) -> None:
        """Stop writing."""
        await self._writer.close()

    # ---- one key

    def _judge(self, key: str) -> bool:
        """Say a key's verdict if another one stands; True if what stands is to be taken over instead."""
        opinion = self._book.opinion(key)
        if opinion is None:
            return False
        standing = self._standing(key)
        if standing is not None and standing.verdict == opinion.verdict:
            return False
        if not self._may_write(key):
            self._unsaid = True
            return False
        if standing is not None and not self._outranks(opinion.finding, key, standing):
            return True
        self._say(key, self._verdict(key, opinion, standing), opinion.finding.trace)
        return False

    def _outranks(self, finding: Finding, key: str, standing: Verdict) -> bool:
        entry = self._health.entries.get(key)
        before = entry is None or entry.revision <= finding.seen
        return finding.own and (before or standing.prober == self._prober)

    def _verdict(self, key: str, opinion: Opinion, standing: Verdict | None) -> Verdict:
        target = self._book.targets[key]
        since = datetime.fromtimestamp(opinion.finding.since_ns / 1e9, UTC)
        if standing is not None and since <= standing.since:
            since = datetime.now(UTC)  # an older finding decides again, because another check is gone
        return Verdict(
            virtual_server=target.virtual_server,
            real_server=target.real_server,
            verdict=opinion.verdict,
            cause=opinion.cause,
            since=since,
            prober=self._prober,
            lease=self._token(),
        )

    def _say(self, key: str, verdict: Verdict | None, parent: TraceContext | None) -> None:
        attributes: dict[str, str | int | float | bool] = {
            "messaging.system": "nats",
            "messaging.destination.template": _TEMPLATE,
            "vipbus.key": key,
        }
        if verdict is not None:
            attributes |= {
                "vipbus.virtual_server": verdict.virtual_server,
                "vipbus.real_server": verdict.real_server,
                "vipbus.verdict": verdict.verdict,
                "vipbus.cause": verdict.cause,
            }
            log.info("%s is %s: %s", _named(key), verdict.verdict, verdict.cause)
            VERDICT_CHANGES.add(verdict=verdict.verdict)
        context = trace.record(f"publish {_TEMPLATE}", parent=parent, kind="producer", attributes=attributes)
        self._said[key] = _Said(verdict)
        if verdict is None:
            self._writer.delete(key, context)
        else:
            self._writer.set(key, verdict, context)

    def _standing(self, key: str) -> Verdict | None:
        said = self._said.get(key)
        if said is not None and not self._echoed(said):
            return said.verdict
        entry = self._health.entries.get(key)
        return entry.value if entry is not None else None

    def _echoed(self, said: _Said) -> bool:
        """Say whether the follow has come past a write: from there on it knows better."""
        return said.revision != 0 and self._health.revision >= said.revision

    def _forget(self, key: str) -> None:
        self._said.pop(key, None)
        self._writer.forget(key)

    # ---- asked by the writer

    def _written(self, key: str, revision: int) -> None:
        said = self._said.get(key)
        if said is not None:
            said.revision = revision

    def _may_replace(self, current: Verdict, mine: Verdict) -> bool:
        allowed = current.lease <= mine.lease and self._may_write(mine.key)
        if not allowed:
            WRITES_REFUSED.add()
        return allowed

    def _trace_of(self, outcome: Outcome, keys: list[str]) -> TraceContext:
        decision = outcome.decision
        target = self._book.targets[keys[0]]
        return trace.record(
            f"check {target.where}",
            start_ns=outcome.began_ns,
            end_ns=outcome.decided_ns,
            attributes={
                "vipbus.real_server": target.real_server,
                "vipbus.virtual_server": ", ".join(self._book.targets[key].virtual_server for key in keys),
                "vipbus.verdict": decision.verdict,
                "vipbus.cause": decision.cause,
                "vipbus.attempts": decision.attempts,
            },
            error=decision.cause if decision.verdict == "down" else "",
        )


def _named(key: str) -> str:
    virtual_server, _, real_server = key.partition(".")
    names = [token_in_words(token) or token for token in (real_server, virtual_server)]
    return " of ".join(names)
