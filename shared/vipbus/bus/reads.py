"""What the buckets hold: followed for as long as the bus lives, or read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from vipbus.bus import streams
from vipbus.bus.address import BusAddress
from vipbus.bus.connection import Connection
from vipbus.bus.consumer import Consumer, Receive
from vipbus.bus.errors import BusAwayError
from vipbus.bus.follow import Entry, Follow
from vipbus.bus.words import in_words
from vipbus.contracts import Bucket
from vipbus.telemetry.standard import BUS_MESSAGES_DROPPED

T = TypeVar("T")

READ_TIMEOUT = 10.0
"""Seconds to wait until a bucket is read; the largest known takes about one."""


class Reads(Connection):
    """Follows and reads of buckets."""

    def __init__(self, address: BusAddress, *, source: str) -> None:
        super().__init__(address, source=source)
        self._follows: list[Follow[Any]] = []

    async def _reopen(self, js: JetStreamContext) -> None:
        await super()._reopen(js)
        for follow in list(self._follows):
            await follow.open(js, self._consumer)

    def _lost(self) -> None:
        super()._lost()
        for follow in self._follows:
            follow.lost()

    def follow(
        self,
        bucket: Bucket[T],
        pattern: str = ">",
        *,
        on_change: Callable[[], None] | None = None,
        saved: Path | None = None,
        on_key: Callable[[str], None] | None = None,
        own: Callable[[str], bytes | None] | None = None,
    ) -> Follow[T]:
        """Follow the keys of a bucket that match a subject pattern, for as long as the bus lives.

        ``on_change`` is called after each change or whole new snapshot; the state is in the follow.
        ``saved`` is a file with the last state seen: read now, so that a start without a bus knows what
        was, and written after changes. ``on_key`` is told before ``on_change`` of each key that changes in a
        picture that is whole; of a new snapshot it is told nothing. ``own`` gives what a writer of the bucket
        has written to a key, so that the same bytes are not held twice.
        """
        wake = on_change or (lambda: None)
        tell = on_key or (lambda _key: None)
        follow = Follow(
            bucket,
            pattern,
            on_change=lambda: self._call(wake),
            saved=saved,
            on_key=lambda key: self._call(partial(tell, key)),
            own=own or (lambda _key: None),
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
            raise BusAwayError(in_words(error)) from error
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
            raise BusAwayError(in_words(error)) from error
        marker = bool(message.headers) and any(
            name in (message.headers or {}) for name in ("KV-Operation", "Nats-Marker-Reason")
        )
        return int(message.seq or 0), None if marker else message.data
