"""The keys of a bucket that this replica speaks for: what it said last, beside what stands there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from vipbus.bus import StateWriter

if TYPE_CHECKING:
    from vipbus.bus import Bus, Follow
    from vipbus.contracts import Bucket
    from vipbus.telemetry.trace import TraceContext

T = TypeVar("T")


class _Said(msgspec.Struct, Generic[T]):
    """What was last given to the writer for a key."""

    value: T | None
    """None: that it is gone."""
    revision: int = 0
    """At which it was written; 0 while it is not."""


class Said(Generic[T]):
    """What this replica said, until the follow has come past it: from there on that knows better."""

    def __init__(
        self,
        bus: Bus,
        bucket: Bucket[T],
        follow: Follow[T],
        *,
        may_write: Callable[[str], bool],
        may_replace: Callable[[T, T], bool] = lambda _current, _mine: True,
        marker_ttl: int | None = None,
    ) -> None:
        self._follow = follow
        self._said: dict[str, _Said[T]] = {}
        self._writer: StateWriter[T] = StateWriter(
            bus,
            bucket,
            may_replace=may_replace,
            may_write=may_write,
            marker_ttl=marker_ttl,
            on_written=self._written,
        )

    def standing(self, key: str) -> T | None:
        """Give what stands for a key, or is on its way there."""
        said = self._said.get(key)
        if said is not None and not self._echoed(said):
            return said.value
        entry = self._follow.entries.get(key)
        return entry.value if entry is not None else None

    def everything(self) -> dict[str, T]:
        """Give what stands for every key, with what is on its way there."""
        standing = {key: entry.value for key, entry in self._follow.entries.items()}
        for key, said in self._said.items():
            if not self._echoed(said):
                if said.value is None:
                    standing.pop(key, None)
                else:
                    standing[key] = said.value
        return standing

    def say(self, key: str, value: T | None, trace: TraceContext) -> None:
        """Say what a key holds from now on; None: that it is gone."""
        self._said[key] = _Said(value)
        if value is None:
            self._writer.delete(key, trace)
        else:
            self._writer.set(key, value, trace)

    def refused(self) -> set[str]:
        """Forget what could not be written, so that it is judged anew; give the keys."""
        keys = {key for key in self._writer.refused if key in self._said}
        for key in keys:
            self._forget(key)
        return keys

    def keep_only(self, mine: Callable[[str], bool]) -> None:
        """Forget what was said of keys that another replica speaks for now."""
        for key in [key for key in self._said if not mine(key)]:
            self._forget(key)

    async def flushed(self, timeout: float) -> None:
        """Wait until everything said is written, at most ``timeout`` seconds."""
        await self._writer.flushed(timeout)

    async def close(self) -> None:
        """Stop writing."""
        await self._writer.close()

    def _echoed(self, said: _Said[T]) -> bool:
        return said.revision != 0 and self._follow.revision >= said.revision

    def _forget(self, key: str) -> None:
        self._said.pop(key, None)
        self._writer.forget(key)

    def _written(self, key: str, revision: int) -> None:
        said = self._said.get(key)
        if said is not None:
            said.revision = revision
