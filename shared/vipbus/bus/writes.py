"""Writes to the buckets, each by compare-and-set."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import TypeVar

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import Header

from vipbus.bus.address import BusAddress
from vipbus.bus.connection import REQUEST_TIMEOUT, Connection
from vipbus.bus.envelope import headers as envelope_headers
from vipbus.bus.errors import BusAwayError, RefusedError, StaleWriteError
from vipbus.bus.pipe import Answer, Pipe, Request, lines
from vipbus.bus.posts import Posts
from vipbus.bus.words import in_words
from vipbus.contracts import Bucket
from vipbus.telemetry.standard import BUS_WRITES
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)
T = TypeVar("T")

SERIES_TIMEOUT = 10.0
"""Seconds without any answer to a long series: a server that stores thousands has others to serve, too."""
_SERIES = 256
"""Writes that are a long series."""
TO_DO_ABOUT_WRITES = "if its disk is or was full, make room and restart nats-server"
_WRONG_LAST_SEQUENCE = (10071, 10164)
"""nats-server's error codes for a refused compare-and-set."""
_LAST = "Nats-Expected-Last-Subject-Sequence"
_DELETE = "KV-Operation: DEL\r\n"


class Writes(Connection):
    """Writes of keys, and whether the bus takes them."""

    def __init__(self, address: BusAddress, *, source: str) -> None:
        super().__init__(address, source=source)
        self._posts = Posts(self._client, self._parser, REQUEST_TIMEOUT)
        self.not_taken = ""
        """Why writes get no answer although the bus is there, in words: a full disk; empty while they do."""

    def _lost(self) -> None:
        super()._lost()
        self.not_taken = ""
        self._posts.lost()

    async def _reopen(self, js: JetStreamContext) -> None:
        await self._posts.open()
        await super()._reopen(js)

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
                f"{_LAST}: {last}\r\n"
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
            self._note_taken(f"no answer to writes of {bucket.name} ({in_words(error)})")
            raise BusAwayError(in_words(error)) from error
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

    def write(
        self,
        bucket: Bucket[T],
        key: str,
        body: bytes | None,
        *,
        last: int,
        trace: TraceContext,
        time: datetime | None = None,
        ttl: int | None = None,
    ) -> Coroutine[None, None, int]:
        """Write a key by compare-and-set and return its new revision; a body of None deletes it.

        ``last`` is the revision it must still have, 0 if it was never written. ``ttl`` whole seconds. It is
        sent by the call itself, and who awaits hears what came of it.

        Raises:
            StaleWriteError: someone wrote it since.
            BusAwayError: no answer; whether it was applied is unknown.
            RefusedError: the server said no.
        """
        if not self.connected:
            return self._not_sent()
        common = lines(envelope_headers(f"vipbus.state.{bucket.name}", self.source, trace, time))
        own = f"{_LAST}: {last}\r\n{_DELETE if body is None else ''}"
        if ttl is not None:
            own += f"{Header.MSG_TTL.value}: {ttl}\r\n"
        request = Request(f"$KV.{bucket.name}.{key}", body or b"", own)
        return self._written(bucket, key, body, self._posts.send(common, request))

    async def _not_sent(self) -> int:
        self._require()
        raise BusAwayError("the bus was away")  # it is back: the write was not sent all the same

    async def _written(
        self, bucket: Bucket[T], key: str, body: bytes | None, coming: asyncio.Future[Answer]
    ) -> int:
        try:
            answer = await coming
        except nats.errors.MaxPayloadError as error:
            BUS_WRITES.add(bucket=bucket.name, result="refused")
            raise RefusedError(f"{bucket.name} {key}: {self._too_large(body or b'')}") from error
        except (nats.errors.Error, TimeoutError) as error:
            BUS_WRITES.add(bucket=bucket.name, result="unknown")
            self._note_taken(f"no answer to a write of {bucket.name} {key} ({in_words(error)})")
            raise BusAwayError(in_words(error)) from error
        if answer.error is None:
            BUS_WRITES.add(bucket=bucket.name, result="written")
            self._note_taken("")
            return answer.seq
        if answer.error.err_code in _WRONG_LAST_SEQUENCE:
            BUS_WRITES.add(bucket=bucket.name, result="stale")
            raise StaleWriteError(f"{bucket.name} {key}: someone else wrote it")
        BUS_WRITES.add(bucket=bucket.name, result="refused")
        raise RefusedError(f"{bucket.name} {key}: {answer.error.description}")

    def found_written(self) -> None:
        """Note that a write whose answer was lost was applied: the bus does take writes."""
        self._note_taken("")

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
