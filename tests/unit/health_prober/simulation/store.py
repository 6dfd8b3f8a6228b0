"""What JetStream's key-value buckets do, as far as replicas can tell.

Revisions count a bucket's writes. A write is applied if the key's last revision is the expected one. A
deleted or expired key has a marker with a revision of its own, and that revision is what a new value must
expect. A marker with a time to live is followed by one of the server's own when that is over; that those go
after a minute is left out. tests/contract/test_health_prober_store.py holds this to the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field

from vipbus.bus import StaleWriteError


@dataclass(frozen=True)
class Change:
    """One write as a follower hears of it; no body: the key is gone."""

    key: str
    revision: int
    body: bytes | None


@dataclass
class _Bucket:
    revision: int = 0
    last: dict[str, Change] = field(default_factory=dict)
    expiries: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    followers: list[Callable[[Change], None]] = field(default_factory=list)


class Store:
    """Every bucket."""

    def __init__(self) -> None:
        self.context = copy_context()
        """Its own: it goes on whatever process stands still."""
        self._buckets: dict[str, _Bucket] = {}
        self.on_write: Callable[[str, Change, str], None] = lambda _bucket, _change, _writer: None
        """Told of each accepted write: bucket, change, who wrote it."""

    def bucket(self, name: str) -> _Bucket:
        return self._buckets.setdefault(name, _Bucket())

    def read(self, bucket: str, key: str) -> tuple[int, bytes | None]:
        change = self.bucket(bucket).last.get(key)
        return (0, None) if change is None else (change.revision, change.body)

    def write(
        self, bucket: str, key: str, body: bytes | None, *, last: int, ttl: int | None, writer: str
    ) -> int:
        """Apply a write.

        Raises:
            StaleWriteError: the key's last revision is another one.
        """
        held = self.bucket(bucket)
        change = held.last.get(key)
        if (change.revision if change is not None else 0) != last:
            raise StaleWriteError(f"{bucket} {key}: someone else wrote it")
        if (timer := held.expiries.pop(key, None)) is not None:
            timer.cancel()
        if ttl is not None:
            held.expiries[key] = asyncio.get_running_loop().call_later(
                ttl, self._expire, held, bucket, key, context=self.context
            )
        return self._apply(held, bucket, Change(key, held.revision + 1, body), writer)

    def _expire(self, held: _Bucket, bucket: str, key: str) -> None:
        del held.expiries[key]
        self._apply(held, bucket, Change(key, held.revision + 1, None), "")

    def _apply(self, held: _Bucket, bucket: str, change: Change, writer: str) -> int:
        held.revision += 1
        held.last[change.key] = change
        self.on_write(bucket, change, writer)
        for tell in list(held.followers):
            tell(change)
        return held.revision
