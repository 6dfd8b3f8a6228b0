"""The stream that keeps revisions: one message a subject, whole or not there.

Only config-service writes and reads it: it is made when it is first needed, not by whoever connects.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeVar

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig

from vipbus.bus.bus import Bus
from vipbus.bus.envelope import headers as envelope_headers
from vipbus.bus.errors import BusAwayError, RefusedError
from vipbus.bus.words import in_words
from vipbus.contracts.revisions import REVISION_STREAM, REVISION_SUBJECTS
from vipbus.telemetry.trace import TraceContext

T = TypeVar("T")

_TIMEOUT: Final = 2.0
"""Seconds for one request."""
_NO_STREAM: Final = 10059
"""nats-server's error code for a stream that is not there."""
_READ_WITHIN: Final = 10.0
"""Seconds for a thousand records."""
_LARGEST: Final = 256 * 1024 * 1024
"""Octets of all records; the oldest go first, and the history ends where one is missing."""


class RevisionStream:
    """Messages by subject, over one connection."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, subject: str, body: bytes, *, trace: TraceContext, time: datetime) -> None:
        """Store a message in place of the one that its subject had.

        Raises:
            BusAwayError: no answer; whether it was stored is unknown, and storing it again does no harm.
            RefusedError: the server said no.
        """
        head = envelope_headers("vipbus.revision", self._bus.source, trace, time)
        await self._do(lambda js: js.publish(subject, body, headers=head))

    async def get(self, subject: str) -> bytes | None:
        """Read the last message of a subject, which may hold wildcards; None: there is none.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        return await self._do(lambda js: _get(js, subject))

    async def read(self, pattern: str) -> dict[str, bytes]:
        """Read the last message of each subject that matches a pattern.

        Raises:
            BusAwayError: they were not all read in time.
            RefusedError: the server said no.
        """
        try:
            async with asyncio.timeout(_READ_WITHIN):
                return await self._do(lambda js: _read(js, pattern))
        except TimeoutError:
            raise BusAwayError(f"the kept revisions were not read within {_READ_WITHIN:g} s") from None

    async def purge(self, pattern: str) -> None:
        """Remove every message whose subject matches a pattern.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        await self._do(lambda js: js.purge_stream(REVISION_STREAM, subject=pattern))

    async def _do(self, ask: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """Ask; where there is no such stream, make it and ask again."""
        await self._bus.usable(0)
        js = self._bus.client().jetstream(timeout=_TIMEOUT)
        try:
            try:
                return await ask(js)
            except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError) as error:
                if isinstance(error, nats.js.errors.NotFoundError) and error.err_code != _NO_STREAM:
                    raise
                await _make(js)
                return await ask(js)
        except nats.js.errors.APIError as error:
            raise RefusedError(f"{REVISION_STREAM}: {error.description}") from error
        except nats.errors.MaxPayloadError as error:
            raise RefusedError(f"{REVISION_STREAM}: a record is too large for the bus") from error
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAwayError(f"{REVISION_STREAM}: {in_words(error)}") from error


async def _get(js: JetStreamContext, subject: str) -> bytes | None:
    try:
        # not directly: a subject with wildcards cannot be published on
        message = await js.get_last_msg(REVISION_STREAM, subject)
    except nats.js.errors.NotFoundError as error:
        if error.err_code == _NO_STREAM:
            raise
        return None
    return message.data or b""


async def _read(js: JetStreamContext, pattern: str) -> dict[str, bytes]:
    subscription = await js.subscribe(
        pattern,
        stream=REVISION_STREAM,
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.LAST_PER_SUBJECT),
        idle_heartbeat=1.0,
    )
    try:
        info = await subscription.consumer_info()
        delivered = info.delivered.consumer_seq if info.delivered is not None else 0
        pending = int(info.num_pending or 0) + int(delivered or 0)
        found: dict[str, bytes] = {}
        while pending:
            message = await subscription.next_msg(timeout=_TIMEOUT)
            pending = int(message.metadata.num_pending)
            found[message.subject] = message.data
        return found
    finally:
        with contextlib.suppress(nats.errors.Error):  # the connection may have taken it along
            await subscription.unsubscribe()


async def _make(js: JetStreamContext) -> None:
    await js.add_stream(
        StreamConfig(
            name=REVISION_STREAM,
            description="kept revisions, written by config-service",
            subjects=[REVISION_SUBJECTS],
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_msgs_per_subject=1,
            max_bytes=_LARGEST,
            allow_direct=True,
        )
    )
