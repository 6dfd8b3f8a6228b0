"""Follow a bucket: a whole, typed picture of its keys that is kept up to date.

Level-triggered: a change only wakes the owner, who works from the whole picture. The picture outlives the
connection and, in a file, the process: what is unreachable is never empty.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import nats.errors
from nats.js import JetStreamContext

from vipbus.bus.consumer import Consumer, Place, Receive, header
from vipbus.bus.saved import SavedPicture
from vipbus.contracts import Bucket
from vipbus.contracts.limits import UNREADABLE
from vipbus.telemetry.trace import TraceContext, parse_traceparent

log = logging.getLogger(__name__)
T = TypeVar("T")

_OPERATION = b"\r\nKV-Operation:"
_MARKER = b"\r\nNats-Marker-Reason:"
_TRACEPARENT = b"\r\ntraceparent:"
_SAVE_DELAY = 0.02
"""Seconds from a change until the picture is saved: a burst is one write. Whoever is killed within them comes
back with what was before, until the bus answers."""
_BURST = 64
"""Changes within that time that are a burst which goes on: the saving waits for its end."""
_SAVE_BY = 5.0
"""Seconds after which it is saved although a burst goes on."""


class Entry(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A key's present value, its bucket revision, its body as it came, and the trace that wrote it."""

    value: T
    revision: int
    body: bytes
    trace: TraceContext | None = None


class Follow(Generic[T]):
    """The keys of one bucket that match a pattern; made by `Bus.follow`."""

    def __init__(
        self,
        bucket: Bucket[T],
        pattern: str,
        *,
        on_change: Callable[[], None],
        saved: Path | None,
        on_key: Callable[[str], None] = lambda _key: None,
        own: Callable[[str], bytes | None] = lambda _key: None,
    ) -> None:
        self.bucket = bucket
        self.pattern = pattern
        self.live = False
        """True while what is here is what the bus has; False while it is only the last that was known."""
        self.known = False
        """True once a whole picture was read, from the bus or from the file."""
        self.pictures = 0
        """How many whole pictures were read: a new one tells of no single key (`Bus.follow`, ``on_key``)."""
        self.revision = 0
        """The bucket's revision that was read last, deletions and expiries included; 0 before any."""
        self.malformed: dict[str, str] = {}
        """Keys whose last body could not be read, and why; their last good value stays."""
        self.removed: dict[str, TraceContext | None] = {}
        """Keys that were deleted, and the trace that did it. One that is neither here nor in `entries` was
        never written, or the bus has lost its store."""
        self._entries: dict[str, Entry[T]] = {}
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(bucket.document)
        self._on_change = on_change
        self._on_key = on_key
        self._own = own
        self._saved = SavedPicture(saved, bucket.name) if saved is not None else None
        self._saving: asyncio.TimerHandle | None = None
        self._save_by = 0.0
        self._changes = 0
        self._consumer: Consumer | None = None
        self._generation = 0
        self._ended = False
        self._incoming: dict[str, Entry[T]] | None = None
        self._incoming_removed: dict[str, TraceContext | None] = {}
        self._incoming_revision = 0
        self._trace: tuple[bytes | None, TraceContext | None] = (None, None)
        """The last traceparent and what it means: a revision's entities have one between them."""
        self._before = len(f"$KV.{bucket.name}.")
        if self._saved is not None:
            self._load(self._saved)

    @property
    def entries(self) -> Mapping[str, Entry[T]]:
        """Every key's entry."""
        return self._entries

    def values(self) -> Iterator[T]:
        """Every value."""
        return (entry.value for entry in self._entries.values())

    # ---- from the bus

    async def open(self, js: JetStreamContext, consumer: Callable[[Receive], Consumer]) -> None:
        """Open the follow anew; the old picture stays until the new one is whole."""
        await self._unsubscribe()
        if self._ended:
            return
        self._generation += 1
        generation = self._generation
        self._incoming = {}
        self._incoming_removed = {}
        self._incoming_revision = 0

        def receive(subject: bytes, headers: bytes, body: bytes, place: Place) -> None:
            if generation == self._generation:
                self._receive(subject, headers, body, place)

        self._consumer = opened = consumer(receive)
        subject = f"$KV.{self.bucket.name}.{self.pattern}"
        empty = await opened.open(js, f"KV_{self.bucket.name}", subject)
        if self._ended:  # by someone else, meanwhile
            await self._unsubscribe()
            return
        if self._incoming is not None and empty:
            self._whole()

    def lost(self) -> None:
        """Note that the bus is away; the picture stays."""
        self.live = False
        self._generation += 1

    async def close(self) -> None:
        """Hear no more; the picture stays as it is, and is not live any more."""
        self._ended = True
        self.lost()
        await self._unsubscribe()

    async def _unsubscribe(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                await consumer.close()
            except nats.errors.Error:
                log.debug("the old follow of %s was gone already", self.bucket.name)

    def _receive(self, subject: bytes, headers: bytes, body: bytes, place: Place) -> None:
        key = subject[self._before :].decode("utf-8", "backslashreplace")
        target = self._entries if self._incoming is None else self._incoming
        removed = self.removed if self._incoming is None else self._incoming_removed
        trace = self._trace_of(headers)
        if _OPERATION in headers or _MARKER in headers:
            target.pop(key, None)
            self.malformed.pop(key, None)
            removed[key] = trace
        else:
            removed.pop(key, None)
            if (own := self._own(key)) == body:
                body = own
            try:
                value = self._decoder.decode(body)
            except UNREADABLE as error:
                if key not in self.malformed:
                    log.warning(
                        "%s %s is not readable and is left as it was: %s", self.bucket.name, key, error
                    )
                self.malformed[key] = str(error)
                if (before := self._entries.get(key)) is not None:
                    target[key] = before
            else:
                self.malformed.pop(key, None)
                target[key] = Entry(value, place.stream, body, trace)
        if self._incoming is not None:
            self._incoming_revision = place.stream
            if place.pending == 0:
                self._whole()
            return
        self.revision = place.stream
        self._on_key(key)
        self._changed(key)

    def _trace_of(self, headers: bytes) -> TraceContext | None:
        said = header(headers, _TRACEPARENT)
        if said != self._trace[0]:
            self._trace = said, parse_traceparent(said.decode("ascii", "replace")) if said else None
        return self._trace[1]

    def _whole(self) -> None:
        assert self._incoming is not None  # noqa: S101  # only called while a picture comes in
        self._entries, self._incoming = self._incoming, None
        self.removed = self._incoming_removed
        self.revision = self._incoming_revision
        self.live = self.known = True
        self.pictures += 1
        self._changed(None)

    def _changed(self, key: str | None) -> None:
        if self._saved is not None:
            self._saved.note(key)
            self._changes += 1
            if self._saving is None:
                loop = asyncio.get_running_loop()
                self._save_by = loop.time() + _SAVE_BY
                self._saving = loop.call_later(_SAVE_DELAY, self._save_after, self._changes)
        self._on_change()

    # ---- the file

    def _load(self, saved: SavedPicture) -> None:
        try:
            for key, entry in saved.read().items():
                self._entries[key] = Entry(self._decoder.decode(entry.body), entry.revision, entry.body)
        except FileNotFoundError:
            return
        except (OSError, ValueError, *UNREADABLE) as error:
            self._entries.clear()
            log.warning("saved state %s is not usable and is ignored: %s", saved.path, error)
            return
        self.known = True

    def _save_after(self, changes: int) -> None:
        loop = asyncio.get_running_loop()
        if self._changes - changes < _BURST or loop.time() >= self._save_by:
            self._save()
        else:
            self._saving = loop.call_later(_SAVE_DELAY, self._save_after, self._changes)

    def _save(self) -> None:
        self._saving = None
        assert self._saved is not None  # noqa: S101  # only scheduled where there is a file
        self._saved.write(self._entries)

    def save_now(self) -> None:
        """Write what is not saved yet; for the end of a process."""
        if self._saving is not None:
            self._saving.cancel()
            self._save()
