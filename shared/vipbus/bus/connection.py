"""One connection to the bus: made in the background, kept for ever, whole again after every loss.

Nothing here makes a caller wait for a bus that is away: `Bus.start` returns at once, and whoever follows or
writes is served when the bus is there. What was learned the hard way is said where it is dealt with.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from vipbus.bus import direct, streams
from vipbus.bus.address import BusAddress
from vipbus.bus.consumer import Consumer, Receive
from vipbus.bus.envelope import headers as envelope_headers
from vipbus.bus.errors import BusAwayError, RefusedError, StaleWriteError
from vipbus.bus.follow import Entry, Follow
from vipbus.bus.pipe import Pipe, Request, lines
from vipbus.contracts import Bucket, Event
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.standard import BUS_CONNECTED, BUS_MESSAGES_DROPPED, BUS_RECONNECTS, BUS_WRITES
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)
T = TypeVar("T")
E = TypeVar("E", bound=Event)

READ_TIMEOUT = 10.0
"""Seconds to wait until a bucket is read; the largest known takes about one."""
REQUEST_TIMEOUT = 2.0
"""Seconds to wait for the server's answer to one request."""
SERIES_TIMEOUT = 10.0
"""Seconds without any answer to a long series: a server that stores thousands has others to serve, too."""
_SERIES = 256
"""Writes that are a long series."""
TO_DO_ABOUT_WRITES = "if its disk is or was full, make room and restart nats-server"
_WRONG_LAST_SEQUENCE = (10071, 10164)
"""nats-server's error codes for a refused compare-and-set."""
_DELETE = "KV-Operation: DEL\r\n"
_NO_RESPONDERS = "503"
"""What the server itself answers where nobody serves a subject."""
_LONGEST_SUBJECT = 1024
"""Characters; the server closes a connection whose line of protocol has more than 4 KiB."""
_EVENTS_KEPT = 1000
"""Events kept while the bus is away; the oldest go first."""


class Bus:
    """A connection under a name; `source` says in every message who wrote it."""

    def __init__(self, address: BusAddress, *, source: str) -> None:
        self.address = address
        self.source = source
        self.problem = "not connected yet"
        """Why the bus is not usable, in words; empty while it is."""
        self.not_taken = ""
        """Why writes get no answer although the bus is there, in words: a full disk; empty while they do."""
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
        self._follows: list[Follow[Any]] = []
        self._on_ready: list[Callable[[], Awaitable[None]]] = []
        self._waiting_events: list[tuple[Event, dict[str, str]]] = []
        self._publishing = asyncio.Lock()
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
                log.debug("the bus was gone before the goodbye: %s", _in_words(error))

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
                self.problem = _in_words(error)
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
                for follow in list(self._follows):
                    await follow.open(self._js, self._consumer)
                break
            except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
                # JetStream answers a little later than the server itself
                self.problem = f"JetStream is not ready: {_in_words(error)}"
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
        self.problem = ""
        self._usable.set()
        BUS_CONNECTED.set(1)
        log.info("connected to the bus at %s", self.address)
        await self._publish_waiting()
        for action in list(self._on_ready):
            await self._run_ready(action)
        self._tell()

    async def _run_ready(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except (BusAwayError, RefusedError, nats.errors.Error, nats.js.errors.Error) as error:
            log.warning("after the bus came back: %s", _in_words(error))

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
        self.not_taken = ""
        self._usable.clear()
        BUS_CONNECTED.set(0)
        if self._resuming is not None:
            self._resuming.cancel()
        for follow in self._follows:
            follow.lost()
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
            self.problem = _in_words(error)
            return
        log.debug("bus: %s", _in_words(error))

    # ---- state

    def follow(
        self,
        bucket: Bucket[T],
        pattern: str = ">",
        *,
        on_change: Callable[[], None] | None = None,
        saved: Path | None = None,
        on_key: Callable[[str], None] | None = None,
    ) -> Follow[T]:
        """Follow the keys of a bucket that match a subject pattern, for as long as the bus lives.

        ``on_change`` is called after each change or whole new snapshot; the state is in the follow.
        ``saved`` is a file with the last state seen: read now, so that a start without a bus knows what
        was, and written after changes. ``on_key`` is told before ``on_change`` of each key that changes in a
        picture that is whole; of a new snapshot it is told nothing.
        """
        wake = on_change or (lambda: None)
        tell = on_key or (lambda _key: None)
        follow = Follow(
            bucket,
            pattern,
            on_change=lambda: self._call(wake),
            saved=saved,
            on_key=lambda key: self._call(partial(tell, key)),
        )
        self._follows.append(follow)
        if self._client.is_connected and self._js is not None:
            self._resume()
        return follow

    def unfollow(self, follow: Follow[T]) -> None:
        """End a follow; its picture stays as it is."""
        self._follows.remove(follow)
        self.spawn(follow.close())

    def _consumer(self, receive: Receive) -> Consumer:
        return Consumer(
            self._client, self._parser, receive=receive, on_loss=self._on_gap, on_fault=self._broken
        )

    def _on_gap(self) -> None:
        """Read everything again: a follow has missed something."""
        if self._client.is_connected and self._js is not None and not self._closing:
            BUS_MESSAGES_DROPPED.add()
            self._resume()

    async def read(
        self, bucket: Bucket[T], pattern: str = ">", *, timeout: float = READ_TIMEOUT
    ) -> Mapping[str, Entry[T]]:
        """Read the keys of a bucket that match a subject pattern, once.

        Raises:
            BusAwayError: they were not all read within ``timeout`` seconds.
        """
        js = self._require()
        come = asyncio.Event()
        follow = Follow(bucket, pattern, on_change=come.set, saved=None)
        try:
            async with asyncio.timeout(timeout):
                await follow.open(js, self._consumer)
                while not follow.live:
                    come.clear()
                    await come.wait()
        except TimeoutError:
            raise BusAwayError(f"{bucket.name} was not read within {timeout:g} s") from None
        except (nats.errors.Error, nats.js.errors.Error) as error:
            raise BusAwayError(_in_words(error)) from error
        finally:
            await follow.close()
        return follow.entries

    async def revision(self, bucket: Bucket[T], key: str) -> tuple[int, bytes | None]:
        """Read a key's present revision and body: ``(0, None)`` when it was never written.

        A deleted or expired key has the revision of its marker and no body.

        Raises:
            BusAwayError: there was no answer.
        """
        js = self._require()
        try:
            message = await js.get_last_msg(
                streams.stream_name(bucket), f"$KV.{bucket.name}.{key}", direct=True
            )
        except nats.js.errors.NotFoundError:
            return 0, None
        except (nats.errors.Error, TimeoutError) as error:
            raise BusAwayError(_in_words(error)) from error
        marker = bool(message.headers) and any(
            name in (message.headers or {}) for name in ("KV-Operation", "Nats-Marker-Reason")
        )
        return int(message.seq or 0), None if marker else message.data

    async def write_many(
        self,
        bucket: Bucket[T],
        writes: Sequence[tuple[str, bytes | None, int]],
        *,
        trace: TraceContext,
        time: datetime,
    ) -> list[int | None]:
        """Write many keys, each by compare-and-set as `write` does; give each one's new revision.

        A write is a key, a body and the revision that the key must still have. None instead of a revision:
        someone wrote the key since, and it stands as it was.

        Raises:
            BusAwayError: an answer is missing; whether that write was applied is unknown.
            RefusedError: the server said no; of the others some may have been applied.
        """
        self._require()
        pipe = Pipe(self._client, self._parser, REQUEST_TIMEOUT if len(writes) < _SERIES else SERIES_TIMEOUT)
        common = envelope_headers(f"vipbus.state.{bucket.name}", self.source, trace, time)
        # an id a message, from one that is random: forty thousand calls for randomness take a second
        first = int(common.pop("ce-id"), 16)
        requests = (
            Request(
                f"$KV.{bucket.name}.{key}",
                body or b"",
                f"ce-id: {(first + number) % 2**64:016x}\r\n"
                f"Nats-Expected-Last-Subject-Sequence: {last}\r\n"
                f"{_DELETE if body is None else ''}",
            )
            for number, (key, body, last) in enumerate(writes)
        )
        revisions: list[int | None] = []
        try:
            answers = await pipe.ask(lines(common), requests, len(writes))
        except nats.errors.MaxPayloadError as error:
            key, body = max(((key, body or b"") for key, body, _ in writes), key=lambda each: len(each[1]))
            raise RefusedError(f"{bucket.name} {key}: {self._too_large(body)}") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            BUS_WRITES.add(bucket=bucket.name, result="unknown")
            self._note_taken(f"no answer to writes of {bucket.name} ({_in_words(error)})")
            raise BusAwayError(_in_words(error)) from error
        stale = 0
        for (key, _, _), answer in zip(writes, answers, strict=True):
            if answer.error is None:
                revisions.append(answer.seq)
            elif answer.error.err_code in _WRONG_LAST_SEQUENCE:
                stale += 1
                revisions.append(None)
            else:
                BUS_WRITES.add(bucket=bucket.name, result="refused")
                raise RefusedError(f"{bucket.name} {key}: {answer.error.description}")
        if stale:
            BUS_WRITES.add(stale, bucket=bucket.name, result="stale")
        BUS_WRITES.add(len(writes) - stale, bucket=bucket.name, result="written")
        self._note_taken("")
        return revisions

    async def write(
        self,
        bucket: Bucket[T],
        key: str,
        body: bytes | None,
        *,
        last: int,
        trace: TraceContext,
        time: datetime | None = None,
        ttl: int | None = None,
    ) -> int:
        """Write a key by compare-and-set and return its new revision; a body of None deletes it.

        ``last`` is the revision it must still have, 0 if it was never written. ``ttl`` whole seconds.

        Raises:
            StaleWriteError: someone wrote it since.
            BusAwayError: no answer; whether it was applied is unknown.
            RefusedError: the server said no.
        """
        js = self._require()
        head = envelope_headers(f"vipbus.state.{bucket.name}", self.source, trace, time)
        head["Nats-Expected-Last-Subject-Sequence"] = str(last)
        if body is None:
            head["KV-Operation"] = "DEL"
        try:
            ack = await js.publish(f"$KV.{bucket.name}.{key}", body or b"", headers=head, msg_ttl=ttl)
        except nats.js.errors.APIError as error:
            if error.err_code in _WRONG_LAST_SEQUENCE:
                BUS_WRITES.add(bucket=bucket.name, result="stale")
                raise StaleWriteError(f"{bucket.name} {key}: someone else wrote it") from error
            BUS_WRITES.add(bucket=bucket.name, result="refused")
            raise RefusedError(f"{bucket.name} {key}: {_in_words(error)}") from error
        except nats.errors.MaxPayloadError as error:
            BUS_WRITES.add(bucket=bucket.name, result="refused")
            raise RefusedError(f"{bucket.name} {key}: {self._too_large(body or b'')}") from error
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            BUS_WRITES.add(bucket=bucket.name, result="unknown")
            self._note_taken(f"no answer to a write of {bucket.name} {key} ({_in_words(error)})")
            raise BusAwayError(_in_words(error)) from error
        BUS_WRITES.add(bucket=bucket.name, result="written")
        self._note_taken("")
        return ack.seq

    def found_written(self) -> None:
        """Note that a write whose answer was lost was applied: the bus does take writes."""
        self._note_taken("")

    def _too_large(self, body: bytes) -> str:
        return (
            f"{len(body)} bytes are too many for the bus, which takes {self._client.max_payload}; raise its "
            "max_payload"
        )

    def _note_taken(self, problem: str) -> None:
        """Note whether the bus takes writes; a loss of the connection has words of its own.

        A nats-server whose disk was full once answers no write any more until it is started again.
        """
        problem = problem if self.connected else ""
        if bool(problem) == bool(self.not_taken):
            return
        self.not_taken = problem
        if problem:
            log.warning("the bus at %s takes no writes: %s; %s", self.address, problem, TO_DO_ABOUT_WRITES)
        else:
            log.info("the bus at %s takes writes again", self.address)

    # ---- events

    async def publish(self, event: Event, trace: TraceContext) -> None:
        """Publish an event; while the bus is away it waits here, with the time at which it happened."""
        head = envelope_headers(f"vipbus.event.{event.aggregate}.{event.verb}", self.source, trace)
        self._waiting_events.append((event, head))
        del self._waiting_events[:-_EVENTS_KEPT]
        if self.connected:
            await self._publish_waiting()

    async def _publish_waiting(self) -> None:
        js = self._require(usable=False)
        async with self._publishing:
            while self._waiting_events:
                event, head = self._waiting_events[0]
                body = msgspec.json.encode(event)
                try:
                    # the id makes a repeat after an unknown outcome harmless
                    await js.publish(event.subject, body, headers={**head, "Nats-Msg-Id": head["ce-id"]})
                except nats.errors.MaxPayloadError:
                    # it would stand in the way of all that come after it
                    log.warning("%s is not published: %s", event.subject, self._too_large(body))
                except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
                    log.debug("event kept for later: %s", _in_words(error))
                    return
                # only now: a loss in the middle cancels this, and the event must still be here
                if self._waiting_events and self._waiting_events[0][1] is head:
                    self._waiting_events.pop(0)

    def listen(self, kind: type[E], on_event: Callable[[E], None]) -> None:
        """Have a function called with every event of a kind that is published from now on.

        What happens while the bus is away is missed: that is for hints, and never for state.
        """
        decoder = msgspec.json.Decoder(kind)
        subject = f"vipbus.event.{kind.aggregate}.*.{kind.verb}"
        listens = False

        async def receive(message: Msg) -> None:
            try:
                event = decoder.decode(message.data)
            except UNREADABLE as error:
                log.debug("%s is not readable: %s", message.subject, error)
            else:
                self._call(lambda: on_event(event))

        async def subscribe() -> None:
            nonlocal listens
            if not listens:  # over a reconnect the client itself takes a plain subscription along
                await self._client.subscribe(subject, cb=receive)
                listens = True

        self.when_ready(subscribe)

    # ---- requests

    async def request(self, subject: str, body: bytes, timeout: float = REQUEST_TIMEOUT) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            BusAwayError: nobody answered in time, or the bus is away.
            RefusedError: the service answered with an error, in its words, or this is no subject to ask on.
        """
        self._require()
        if len(subject) > _LONGEST_SUBJECT:
            raise RefusedError(f"a subject of {len(subject)} characters is too long")
        try:
            answer = await self._client.request(subject, body, timeout=timeout)
        except nats.errors.NoRespondersError:
            raise BusAwayError(f"nobody serves {subject}") from None
        except (nats.errors.Error, TimeoutError) as error:
            raise BusAwayError(f"{subject}: {_in_words(error)}") from error
        if answer.headers and "Nats-Service-Error" in answer.headers:
            raise RefusedError(answer.headers["Nats-Service-Error"])
        return answer.data

    async def request_many(
        self, subject: str, body: bytes = b"", *, quiet: float, longest: float, enough: int | None = None
    ) -> list[bytes]:
        """Send a request and gather every answer, until none came for ``quiet`` s, ``longest`` s at most.

        ``enough`` answers end the wait at once.

        Raises:
            BusAwayError: the bus is away.
        """
        self._require()
        answers: list[bytes] = []
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox)
        except nats.errors.Error as error:
            raise BusAwayError(f"{subject}: {_in_words(error)}") from error
        try:
            await self._client.publish(subject, body, reply=inbox)
            async with asyncio.timeout(longest):
                while enough is None or len(answers) < enough:
                    message = await subscription.next_msg(timeout=quiet)
                    if (message.headers or {}).get("Status") != _NO_RESPONDERS:
                        answers.append(message.data)
        except (TimeoutError, nats.errors.Error):
            return answers
        else:
            return answers
        finally:
            # the connection may have taken it along
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def answers(self, timeout: float = REQUEST_TIMEOUT) -> bool:
        """Ask the server itself for a sign of life: without one, silence on the bus says nothing."""
        if not self.connected:
            return False
        try:
            await self._client.flush(timeout)  # type: ignore[arg-type]  # a float works
        except (nats.errors.Error, TimeoutError, OSError):
            return False
        return self.connected

    def client(self) -> Client:
        """Give the NATS client to the other modules of this package."""
        return self._client

    def _require(self, *, usable: bool = True) -> JetStreamContext:
        if self._js is None or (usable and not self.connected):
            raise BusAwayError(f"the bus at {self.address} is away: {self.problem}")
        return self._js


def _in_words(error: BaseException) -> str:
    """Say what an error of the client library means; many print as an empty string or as Python."""
    if description := getattr(error, "description", None):
        return str(description)
    if isinstance(error, TimeoutError | nats.errors.TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error) or type(error).__name__
    if "authorization" in text.lower():
        return "it refuses us: wrong or missing token, user or password in the URL"
    return text
