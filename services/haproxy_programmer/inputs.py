"""What the programmer works from: configuration, verdicts, what operators say.

Whole pictures, kept when the bus goes: unknown is never down, unreachable is never empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from haproxy_programmer.desired import checked_at
from vipbus.bus import Bus, Entry
from vipbus.contracts import CONFIG, HEALTH, OPERATOR, OperatorState, Verdict, name_token, token_in_words
from vipbus.runtime.operators import Operators
from vipbus.runtime.revision import Revision, Revisions
from vipbus.telemetry.trace import TraceContext

_SERVICE = "haproxy-programmer"
_POOLS = "pool-"
"""How the tokens of pools begin: what is said of virtual servers is the other programmer's."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: its cause in words, the pool that it concerns, and the trace that it came in."""

    text: str
    pool: str = ""
    """Token; empty: all of them."""
    trace: TraceContext | None = None


class Inputs:
    """The pictures, followed; ``wake`` is called when one may have changed."""

    def __init__(self, bus: Bus, *, router: str, state_dir: Path, wake: Callable[[], None]) -> None:
        self.revision: Revision | None = None
        self.verdicts: dict[str, Verdict] = {}
        """The last known, by bucket key: one that vanishes is kept."""
        self._token = name_token(router)
        self._revisions = Revisions()
        self._seen_verdicts: dict[str, Entry[Verdict]] = {}
        self._health = bus.follow(HEALTH, on_change=wake, saved=state_dir / f"{_SERVICE}.health.json")
        self._operator = bus.follow(OPERATOR, on_change=wake, saved=state_dir / f"{_SERVICE}.operator.json")
        self._own: frozenset[str] = frozenset()
        """The real servers, by token, that proxies here are and tell the drain of."""
        self._operators = Operators(self._operator, self._concerns)
        self.operators = self._operators.words
        """What operators say, by bucket key."""
        self._config = bus.follow(
            CONFIG, f"{self._token}.>", on_change=wake, saved=state_dir / f"{_SERVICE}.config.json"
        )
        bus.on_change.append(wake)

    @property
    def ready(self) -> bool:
        """True when there is enough for a first write."""
        if self.revision is None:
            return False
        return not self._config.live or (self._health.known and self._operator.known)

    def numbers(self) -> dict[str, int]:
        """The revision in use, by router, for the condition."""
        return self._revisions.numbers()

    def save(self) -> None:
        """Write what is not saved yet; for the end of the process."""
        for follow in (self._health, self._operator, self._config):
            follow.save_now()

    def changes(self) -> list[Change]:
        """Take in what is new and say what changed."""
        return [*self._config_changes(), *self._operator_changes(), *self._verdict_changes()]

    def _concerns(self, said: OperatorState) -> bool:
        return said.virtual_server.startswith(_POOLS) or said.real_server in self._own

    def _config_changes(self) -> Iterator[Change]:
        if self._token not in self._revisions.update(self._config.entries, self._token):
            return
        revision = self.revision = self._revisions.routers[self._token]
        self._own = frozenset().union(*map(checked_at, revision.proxies))
        head = revision.head
        yield Change(
            text=f"revision {head.revision}{f': {head.cause}' if head.cause else ''}", trace=revision.trace
        )

    def _verdict_changes(self) -> Iterator[Change]:
        """Give the last change of each pool: a thousand at once are written by its cause."""
        last: dict[str, Entry[Verdict]] = {}
        for key, entry in self._health.entries.items():
            if self._seen_verdicts.get(key) is entry or not key.startswith(_POOLS):
                continue
            self._seen_verdicts[key] = entry
            before, now = self.verdicts.get(key), entry.value
            self.verdicts[key] = now
            if before is None or (before.verdict, before.weight, before.weight_added) != (
                now.verdict,
                now.weight,
                now.weight_added,
            ):
                last.pop(now.virtual_server, None)
                last[now.virtual_server] = entry
        for pool, entry in last.items():
            now = entry.value
            text = f"{_named(now.real_server)} is {now.verdict}: {now.cause}"
            yield Change(text=text, pool=pool, trace=entry.trace)

    def _operator_changes(self) -> Iterator[Change]:
        for change in self._operators.changes():
            said = change.said
            yield Change(
                text=f"{_named(said.real_server)} {change.what}", pool=said.virtual_server, trace=change.trace
            )


def _named(token: str) -> str:
    return token_in_words(token) or token
