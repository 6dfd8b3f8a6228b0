"""One connection to the bus: made in the background, kept for ever, whole again after every loss.

Nothing here makes a caller wait for a bus that is away: `Connection.start` returns at once, and whoever
follows or writes is served when the bus is there. What was learned the hard way is said where it is dealt
with.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from vipbus.bus import direct, streams
from vipbus.bus.address import BusAddress
from vipbus.bus.errors import BusAwayError, RefusedError
from vipbus.bus.words import in_words
from vipbus.telemetry.standard import BUS_CONNECTED, BUS_MESSAGES_DROPPED, BUS_RECONNECTS

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 2.0
"""Seconds to wait for the server's answer to one request."""


class Connection:
    """A connection under a name; `source` says in every message who wrote it."""

    def __init__(self, address: BusAddress, *, source: str) -> None:
        self.address = address
        self.source = source
        self.problem = "not connected yet"
        """Why the bus is not usable, in words; empty while it is."""
        self.closed = asyncio.Event()
        """Set when this connection is over for good (a revoked credential, a fault of this program): end the
        process; `ending` says why."""
        self.ending = ""
        """Why the connection is over for good, in words."""
        self.on_change: list[Callable[[], None]] = []
        """Called when the bus comes and goes."""
        self._client = Client()
        self._parser = direct.install(self._client)
        self._js: JetStreamContext | None = None
        self._on_ready: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.Task[None] | None = None
        self._usable = asyncio.Event()
        self._closing = False

    # ---- life

    def start(self) -> None:
        """Begin to connect, in the background."""
        BUS_CONNECTED.set(0)
        self.spawn(self._connect())

    async def usable(self, timeout: float | None = None) -> None:
        """Wait until the bus is usable.

        Raises:
            BusAwayError: it was not within ``timeout`` seconds; the message says why.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._usable.wait()
        except TimeoutError:
            raise BusAwayError(f"the bus at {self.address} does not answer: {self.problem}") from None

    @property
    def connected(self) -> bool:
        """True while connected, with every bucket there and every follow opened again."""
        return self._usable.is_set()

    async def close(self) -> None:
        """Send what is buffered and close."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._client.is_connected:
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT):
                    await self._client.flush()
            except (TimeoutError, nats.errors.Error):
                log.debug("the bus did not take the last messages")
        if not self._client.is_closed:
            try:
                direct.forget_unsent(self._client)
                await self._client.close()
            except OSError as error:
                log.debug("the bus was gone before the goodbye: %s", in_words(error))

    def when_ready(self, action: Callable[[], Awaitable[None]]) -> None:
        """Run an action now if the bus is usable, and each time that it becomes usable again."""
        self._on_ready.append(action)
        if self.connected:
            self.spawn(self._run_ready(action))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do a part of this package's work until the bus is closed; an exception ends the connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        """Note a fault of this program: whatever woke on the bus may sleep for ever now."""
        log.error("a fault of this program ends its connection to the bus", exc_info=error)
        self.ending = f"a fault of this program ({error!r}); its log has the traceback"
        self.closed.set()

    async def _connect(self) -> None:
        while not self._closing:
            try:
                await self._client.connect(
                    servers=[self.address.url],
                    token=self.address.token,
                    name=self.source,
                    max_reconnect_attempts=-1,
                    # the library has no jitter of its own: without one all clients come back at once
                    reconnect_time_wait=0.1 + random.random() / 10,  # type: ignore[arg-type]  # noqa: S311  # a float works
                    connect_timeout=2,
                    ping_interval=1,
                    max_outstanding_pings=2,
                    # state is last value, never a queue: what is flushed late must not pile up
                    pending_size=0,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                )
            except (OSError, nats.errors.Error, TimeoutError) as error:
                self.problem = in_words(error)
                await asyncio.sleep(0.2)
                continue
            self._js = self._client.jetstream(timeout=REQUEST_TIMEOUT)
            self._resume()
            return

    def _resume(self) -> None:
        # never two at once: a loss in the middle of a resume starts it over
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = self.spawn(self._become_usable())

    async def _become_usable(self) -> None:
        """Make sure of the buckets, then open every follow anew.

        An old watch is blind after a server crash: it came back 14 s later, silently, or never. A new one
        has a full snapshot in about 10 ms, so nothing old is kept over a reconnect.
        """
        assert self._js is not None  # noqa: S101  # set before the first call, never unset
        delay = 0.02
        while True:
            try:
                await streams.ensure(self._js)
                await self._reopen(self._js)
                break
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
                # JetStream answers a little later than the server itself
                self.problem = f"JetStream is not ready: {in_words(error)}"
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
        self.problem = ""
        self._usable.set()
        BUS_CONNECTED.set(1)
        log.info("connected to the bus at %s", self.address)
        await self._catch_up()
        for action in list(self._on_ready):
            await self._run_ready(action)
        self._tell()

    async def _run_ready(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except (BusAwayError, RefusedError, nats.errors.Error, nats.js.errors.Error) as error:
            log.warning("after the bus came back: %s", in_words(error))

    def _tell(self) -> None:
        for callback in list(self.on_change):
            self._call(callback)

    def _call(self, callback: Callable[[], None]) -> None:
        # the library would log an exception of a callback for debugging, or never connect again
        try:
            callback()
        except Exception as error:
            self._broken(error)

    async def _on_disconnected(self) -> None:
        if not self._closing and self.connected:
            log.warning("the bus at %s is away; going on with what is known", self.address)
        self.problem = "the connection was lost"
        self._usable.clear()
        BUS_CONNECTED.set(0)
        if self._resuming is not None:
            self._resuming.cancel()
        self._lost()
        self._tell()

    async def _on_reconnected(self) -> None:
        BUS_RECONNECTS.add()
        self._resume()

    async def _on_closed(self) -> None:
        if not self._closing:
            self.ending = f"it closed this client: {self.problem}"
            log.error("no more of the bus at %s: %s", self.address, self.ending)
            self.closed.set()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            # messages were dropped and nobody else will ever say so: read everything again
            BUS_MESSAGES_DROPPED.add()
            self._resume()
            return
        if not self.connected:
            self.problem = in_words(error)
            return
        log.debug("bus: %s", in_words(error))

    # ---- for what is built on it

    async def _reopen(self, js: JetStreamContext) -> None:
        """Read anew whatever may have been missed; the connection is usable afterwards."""

    async def _catch_up(self) -> None:
        """Say what waited for the bus; it is usable now."""

    def _lost(self) -> None:
        """Note that the bus is away."""

    def _too_large(self, body: bytes) -> str:
        return (
            f"{len(body)} bytes are too many for the bus, which takes {self._client.max_payload}; raise its "
            "max_payload"
        )

    def client(self) -> Client:
        """Give the NATS client to the other modules of this package."""
        return self._client

    def _require(self, *, usable: bool = True) -> JetStreamContext:
        if self._js is None or (usable and not self.connected):
            raise BusAwayError(f"the bus at {self.address} is away: {self.problem}")
        return self._js
