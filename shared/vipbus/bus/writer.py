"""Write state that has one owner: the last value a key, whatever the bus does meanwhile.

The owner says what a key holds now and never waits. Here the last value is written by compare-and-set; while
the bus is away values replace each other instead of queueing; and after every reconnect all of it is compared
with what the bus holds, because a write whose answer was lost may or may not have been applied.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from vipbus.bus.bus import Bus
from vipbus.bus.errors import BusAwayError, RefusedError, StaleWriteError
from vipbus.contracts import Bucket
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 64
"""Keys under way at once, each with its own compare-and-set."""
_PATIENCE = 0.05
"""Seconds until a key is tried again whose write got no answer."""


class _Pending(msgspec.Struct, frozen=True):
    body: bytes | None
    trace: TraceContext
    time: datetime


class StateWriter(Generic[T]):
    """The writer of some keys of a bucket.

    ``may_replace(current, mine)`` decides after a refused compare-and-set whether this owner may overwrite
    what it finds; without one it may, since the key has one writer and only its own ghost could be there.
    ``same(current, mine)`` says that what stands there is as good as mine, and that nothing is to be written:
    a process that starts again has no news.
    ``may_write(key)`` is asked right before each write: a process that stood still goes on where it was, and
    its word may not be wanted any more. ``marker_ttl`` is for keys that come and go for ever, in a bucket
    with leases: whole seconds that the mark of a deleted one stays.
    """

    def __init__(
        self,
        bus: Bus,
        bucket: Bucket[T],
        *,
        may_replace: Callable[[T, T], bool] = lambda _current, _mine: True,
        same: Callable[[T, T], bool] = lambda _current, _mine: False,
        may_write: Callable[[str], bool] = lambda _key: True,
        marker_ttl: int | None = None,
        on_written: Callable[[str, int], None] = lambda _key, _revision: None,
    ) -> None:
        self.refused: dict[str, str] = {}
        """Keys that could not be written, and why; they are tried again on the next change or reconnect."""
        self._bus = bus
        self._bucket = bucket
        self._may_replace = may_replace
        self._same = same
        self._may_write = may_write
        self._marker_ttl = marker_ttl
        self._closed = False
        self._on_written = on_written
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(bucket.document)
        self._said: dict[str, _Pending] = {}
        self._revisions: dict[str, int] = {}
        self._dirty: dict[str, None] = {}
        """Keys of which something is to be written, the oldest first."""
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """Keys that are being written: one write at a time each, so that the last word is the last."""
        self._idle = asyncio.Event()
        self._idle.set()
        bus.when_ready(self._say_all_again)

    def set(self, key: str, value: T, trace: TraceContext) -> None:
        """Say what a key holds from now on."""
        self._say(key, _Pending(msgspec.json.encode(value), trace, datetime.now(UTC)))

    def delete(self, key: str, trace: TraceContext) -> None:
        """Say that a key is gone."""
        self._say(key, _Pending(None, trace, datetime.now(UTC)))

    def forget(self, key: str) -> None:
        """Stop saying anything about a key: another owner has it now."""
        for known in (self._said, self._revisions, self._dirty, self.refused):
            known.pop(key, None)
        self._settle()

    def body(self, key: str) -> bytes | None:
        """Give what was said of a key last, encoded; None: nothing, or that it is gone."""
        pending = self._said.get(key)
        return pending.body if pending is not None else None

    async def flushed(self, timeout: float) -> bool:
        """Wait until everything said is written; False when it was not within ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop writing."""
        self._closed = True
        await asyncio.sleep(0)  # what has just been sent is awaited by a task that has begun
        # once is not enough: before Python 3.12 asyncio.wait_for loses a cancellation that comes in the same
        # moment as its answer, and a stop would wait for ever
        while tasks := set(self._under_way.values()):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.05)

    def _say(self, key: str, pending: _Pending) -> None:
        self._said[key] = pending
        self._dirty[key] = None
        self._idle.clear()
        self._begin(key)

    async def _say_all_again(self) -> None:
        self._revisions.clear()
        self._dirty.update(dict.fromkeys(self._said))
        self._begin_more()

    # ---- which keys are under way

    def _begin_more(self) -> None:
        waiting = (key for key in self._dirty if key not in self._under_way)
        for key in list(itertools.islice(waiting, _AT_ONCE - len(self._under_way))):
            self._begin(key)
        self._settle()

    def _settle(self) -> None:
        if not self._dirty and not self._under_way:
            self._idle.set()

    def _begin(self, key: str) -> None:
        """Write a key now, unless it is under way, too many are, or the bus is away: then its turn comes."""
        if (
            self._closed
            or key in self._under_way
            or len(self._under_way) >= _AT_ONCE
            or not self._bus.connected
        ):
            return
        pending = self._said[key]
        last, sent = self._revisions.get(key), None
        if last is not None and self._may_write(key):
            # here and not in the task: it is on the wire before anybody else has the processor
            sent = self._send(key, pending, last)
        task = self._under_way[key] = self._bus.spawn(self._bring(key, pending, sent))
        task.add_done_callback(lambda _: self._landed(key))

    def _landed(self, key: str) -> None:
        del self._under_way[key]
        self._begin_more()

    async def _bring(self, key: str, pending: _Pending, sent: Coroutine[None, None, int] | None) -> None:
        """Write a key; what is said of it meanwhile is written next."""
        try:
            await self._write(key, pending, sent)
        except BusAwayError as error:
            # unknown whether it was applied: read it again before the next try
            self._revisions.pop(key, None)
            log.debug("%s %s: %s", self._bucket.name, key, error)
            await asyncio.sleep(_PATIENCE)
            return
        except RefusedError as error:
            log.warning("not written: %s", error)
            self.refused[key] = str(error)
        else:
            self.refused.pop(key, None)
        if self._said.get(key) in (pending, None):
            self._dirty.pop(key, None)

    # ---- one key

    async def _write(self, key: str, pending: _Pending, sent: Coroutine[None, None, int] | None) -> None:
        while True:
            try:
                if sent is None:
                    last = await self._last(key, pending)
                    if last is None:
                        return
                    if not self._may_write(key):
                        raise RefusedError(f"{self._bucket.name} {key} is not this process's to write now")
                    sent = self._send(key, pending, last)
                revision = await sent
            except StaleWriteError:
                self._revisions.pop(key, None)
                sent = None
            else:
                self._note(key, revision)
                return

    async def _last(self, key: str, pending: _Pending) -> int | None:
        """Find the revision that a key must still have; None: it holds already what is to be written."""
        known = self._revisions.get(key)
        if known is not None:
            return known
        revision, body = await self._bus.revision(self._bucket, key)
        if body == pending.body or self._asked(self._same, body, pending, otherwise=False):
            self._bus.found_written()
            self._note(key, revision)
            return None
        if not self._asked(self._may_replace, body, pending, otherwise=True):
            raise RefusedError(f"{self._bucket.name} {key} has a newer owner")
        return revision

    def _send(self, key: str, pending: _Pending, last: int) -> Coroutine[None, None, int]:
        return self._bus.write(
            self._bucket,
            key,
            pending.body,
            last=last,
            trace=pending.trace,
            time=pending.time,
            ttl=self._marker_ttl if pending.body is None else None,
        )

    def _note(self, key: str, revision: int) -> None:
        self._revisions[key] = revision
        self._on_written(key, revision)

    def _asked(
        self, question: Callable[[T, T], bool], current: bytes | None, pending: _Pending, *, otherwise: bool
    ) -> bool:
        """Ask about two documents; ``otherwise`` where one is not there or not readable."""
        if current is None or pending.body is None:
            return otherwise
        try:
            found = self._decoder.decode(current)
        except UNREADABLE:
            return otherwise
        return question(found, self._decoder.decode(pending.body))
