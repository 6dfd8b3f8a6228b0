"""A replica's connection to the simulated store: late, cut, and with answers that are lost.

It has what the prober uses of `vipbus.bus.Bus`, and behaves as that does: a loss is noticed late, a write
whose answer was lost may have been applied, and after every loss each follow is opened anew. A line that
stands still for a while loses nothing: all of it comes late.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.unit.health_prober.simulation.store import Change, Store
from vipbus.bus import BusAwayError, Entry, StaleWriteError
from vipbus.contracts import Bucket, Event
from vipbus.telemetry.trace import TraceContext

R = TypeVar("R")

NOTICED_WITHIN = 3.0
"""Seconds until a cut is noticed: pings each second, two may be outstanding."""
ANSWER_WITHIN = 2.0


class SimulatedFollow:
    """A picture of a bucket; see `vipbus.bus.Follow`."""

    def __init__(
        self,
        bus: SimulatedBus,
        bucket: Bucket[Any],
        on_change: Callable[[], None],
        on_key: Callable[[str], None],
    ) -> None:
        self.live = self.known = False
        self.pictures = self.revision = 0
        self.entries: dict[str, Entry[Any]] = {}
        self.bucket = bucket
        self.connection = -1
        """On which it was opened: another one does not carry it on."""
        self._bus = bus
        self._on_change = on_change
        self._on_key = on_key
        self._decoder = msgspec.json.Decoder(bucket.document)

    def open(self) -> None:
        held = self._bus.store.bucket(self.bucket.name)
        self.connection = self._bus.connection
        self.entries = {}
        for change in sorted(held.last.values(), key=lambda change: change.revision):
            self._take(change)
        self.revision = held.revision
        self.live = self.known = True
        self.pictures += 1
        self._on_change()

    def hear(self, change: Change) -> None:
        if self.live and change.revision > self.revision:
            self._take(change)
            self.revision = change.revision
            self._on_key(change.key)
            self._on_change()

    def lost(self) -> None:
        self.live = False

    def save_now(self) -> None:
        """Nothing is saved."""

    def _take(self, change: Change) -> None:
        if change.body is None:
            self.entries.pop(change.key, None)
        else:
            value = self._decoder.decode(change.body)
            self.entries[change.key] = Entry(value, change.revision, change.body)


class SimulatedBus:
    """One replica's bus."""

    def __init__(self, store: Store, name: str, chance: random.Random) -> None:
        self.store = store
        self.name = name
        self.address = "the simulated bus"
        self.connected = False
        self.on_change: list[Callable[[], None]] = []
        self.closed = asyncio.Event()
        self._cut = True
        self._chance = chance
        self._context = copy_context()
        """Of the process: what comes while it stands still waits for it."""
        self._follows: list[SimulatedFollow] = []
        self._on_ready: list[Callable[[], Awaitable[None]]] = []
        self._usable = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection = 0
        self._arrives = 0.0
        self.still_until = 0.0

    # ---- trouble

    def cut(self) -> None:
        """Cut the connection; it is noticed later."""
        if self._cut:
            return
        self._cut = True
        self.connection += 1
        later = self._chance.uniform(0, NOTICED_WITHIN)
        asyncio.get_running_loop().call_later(later, self._noticed, self.connection, context=self._context)

    def heal(self) -> None:
        """Let it connect again."""
        if not self._cut:
            return
        self._cut = False
        self.connection += 1
        later = self._chance.uniform(0.01, 0.3)
        asyncio.get_running_loop().call_later(later, self._back, self.connection, context=self._context)

    def stand_still(self, seconds: float) -> None:
        """Let nothing through for a while, either way, and everything after it."""
        self.still_until = max(self.still_until, asyncio.get_running_loop().time() + seconds)

    def die(self) -> None:
        """End, as with the process."""
        self._cut = True
        self.connection += 1
        for follow in self._follows:
            held = self.store.bucket(follow.bucket.name)
            held.followers = [tell for tell in held.followers if getattr(tell, "of", None) is not self]
        for task in self._tasks:
            task.cancel()

    def _noticed(self, epoch: int) -> None:
        if epoch == self.connection:
            self._lose()

    def _lose(self) -> None:
        self.connected = False
        self._usable.clear()
        for follow in self._follows:
            follow.lost()
        for callback in list(self.on_change):
            callback()

    def _back(self, epoch: int) -> None:
        if epoch != self.connection:
            return
        if self.connected:  # the loss was too short to be noticed before: now it is
            self._lose()
        for follow in self._follows:
            follow.open()
        self.connected = True
        self._usable.set()
        for action in self._on_ready:
            self.spawn(_ready(action))
        for callback in list(self.on_change):
            callback()

    # ---- as vipbus.bus.Bus

    def follow(
        self,
        bucket: Bucket[Any],
        _pattern: str = ">",
        *,
        on_change: Callable[[], None] = lambda: None,
        saved: Path | None = None,  # noqa: ARG002  # nothing is saved
        on_key: Callable[[str], None] = lambda _key: None,
    ) -> SimulatedFollow:
        follow = SimulatedFollow(self, bucket, on_change, on_key)
        self._follows.append(follow)
        self.store.bucket(bucket.name).followers.append(_Wire(self, follow))
        if self.connected:
            asyncio.get_running_loop().call_soon(follow.open)
        return follow

    def when_ready(self, action: Callable[[], Awaitable[None]]) -> None:
        self._on_ready.append(action)
        if self.connected:
            self.spawn(_ready(action))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def usable(self, timeout: float | None = None) -> None:
        async with asyncio.timeout(timeout):
            await self._usable.wait()

    def found_written(self) -> None:
        """Nothing is noted."""

    def listen(self, _kind: type[Event], _on_event: Callable[[Any], None]) -> None:
        """Events are not simulated."""

    async def publish(self, _event: Event, _trace: TraceContext) -> None:
        """Events are not simulated."""

    async def revision(self, bucket: Bucket[Any], key: str) -> tuple[int, bytes | None]:
        return await self._ask(lambda: self.store.read(bucket.name, key))

    async def write(
        self,
        bucket: Bucket[Any],
        key: str,
        body: bytes | None,
        *,
        last: int,
        trace: TraceContext,  # noqa: ARG002  # traces are not simulated
        time: datetime | None = None,  # noqa: ARG002  # nor headers
        ttl: int | None = None,
    ) -> int:
        return await self._ask(
            lambda: self.store.write(bucket.name, key, body, last=last, ttl=ttl, writer=self.name)
        )

    async def _ask(self, action: Callable[[], R]) -> R:
        """Let the store act a little later, whatever becomes of this process, and answer later still."""
        if not self.connected:
            raise BusAwayError("the bus is away")
        loop, epoch = asyncio.get_running_loop(), self.connection
        answer: asyncio.Future[R] = loop.create_future()

        def arrives() -> None:
            if self._cut or epoch != self.connection:
                return
            try:
                result: R | StaleWriteError = action()
            except StaleWriteError as error:
                result = error
            loop.call_at(self._takes(), answered, result, context=self._context)

        def answered(result: R | StaleWriteError) -> None:
            if self._cut or epoch != self.connection or answer.done():
                return  # it was applied, and nobody knows
            if isinstance(result, StaleWriteError):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        loop.call_at(self._takes(), arrives, context=self.store.context)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await answer
        except TimeoutError:
            raise BusAwayError("no answer") from None

    def _takes(self) -> float:
        """Say when a message is there that is sent now."""
        now = asyncio.get_running_loop().time()
        return max(self.still_until, now) + self._chance.uniform(0.0003, 0.01)

    def deliver(self, follow: SimulatedFollow, change: Change) -> None:
        """Bring a change to a follower a little later, in order."""
        if self._cut:
            return
        loop = asyncio.get_running_loop()
        arrives = max(loop.time(), self.still_until) + self._chance.uniform(0.0003, 0.02)
        # two timers of one moment go off in any order
        self._arrives = max(self._arrives + 1e-6, arrives)
        loop.call_at(self._arrives, self._delivered, follow, change, self.connection, context=self._context)

    def _delivered(self, follow: SimulatedFollow, change: Change, epoch: int) -> None:
        if not self._cut and epoch == self.connection == follow.connection:
            follow.hear(change)


class _Wire:
    """Between the store and one follower."""

    def __init__(self, bus: SimulatedBus, follow: SimulatedFollow) -> None:
        self.of = bus
        self._follow = follow

    def __call__(self, change: Change) -> None:
        self.of.deliver(self._follow, change)


async def _ready(action: Callable[[], Awaitable[None]]) -> None:
    try:
        await action()
    except BusAwayError:
        return
