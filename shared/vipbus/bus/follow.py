"""Follow a bucket: a whole, typed picture of its keys that is kept up to date.

Level-triggered: a change only wakes the owner, who works from the whole picture. The picture outlives the
connection and, in a file, the process: what is unreachable is never empty.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy

from vipbus.contracts import Bucket
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.files import write_atomically
from vipbus.telemetry.trace import TraceContext, context_of

log = logging.getLogger(__name__)
T = TypeVar("T")

_HEARTBEAT = 1.0
_SAVE_DELAY = 0.2
"""Seconds of calm after a change before the picture is saved: a burst is one write."""


class Entry(msgspec.Struct, Generic[T], frozen=True):
    """A key's present value, its bucket revision, its body as it came, and the trace that wrote it."""

    value: T
    revision: int
    body: bytes
    trace: TraceContext | None = None


class _SavedEntry(msgspec.Struct, frozen=True):
    revision: int
    body: str


class _Saved(msgspec.Struct, frozen=True):
    bucket: str
    entries: dict[str, _SavedEntry]


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
        self._saved = saved
        self._saving: asyncio.TimerHandle | None = None
        self._subscription: Subscription | None = None
        self._generation = 0
        self._ended = False
        self._incoming: dict[str, Entry[T]] | None = None
        self._incoming_removed: dict[str, TraceContext | None] = {}
        self._incoming_revision = 0
        if saved is not None:
            self._load(saved)

    @property
    def entries(self) -> Mapping[str, Entry[T]]:
        """Every key's entry."""
        return self._entries

    def values(self) -> Iterator[T]:
        """Every value."""
        return (entry.value for entry in self._entries.values())

    # ---- from the bus

    async def open(self, js: JetStreamContext) -> None:
        """Open the follow anew; the old picture stays until the new one is whole."""
        await self._unsubscribe()
        if self._ended:
            return
        self._generation += 1
        generation = self._generation
        self._incoming = {}
        self._incoming_removed = {}
        self._incoming_revision = 0

        async def receive(message: Msg) -> None:
            if generation == self._generation:
                self._receive(message)

        self._subscription = subscription = await js.subscribe(
            f"$KV.{self.bucket.name}.{self.pattern}",
            stream=f"KV_{self.bucket.name}",
            ordered_consumer=True,
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            idle_heartbeat=_HEARTBEAT,
            cb=receive,
        )
        if self._ended:  # by someone else, meanwhile
            await self._unsubscribe()
            return
        info = await subscription.consumer_info()
        delivered = info.delivered.consumer_seq if info.delivered is not None else 0
        if self._incoming is not None and info.num_pending == 0 and delivered == 0:
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
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            try:
                await subscription.unsubscribe()
            except nats.errors.Error:
                log.debug("the old follow of %s was gone already", self.bucket.name)

    def _receive(self, message: Msg) -> None:
        key = message.subject[len(f"$KV.{self.bucket.name}.") :]
        target = self._entries if self._incoming is None else self._incoming
        removed = self.removed if self._incoming is None else self._incoming_removed
        head = message.headers or {}
        metadata = message.metadata
        if "KV-Operation" in head or "Nats-Marker-Reason" in head:
            target.pop(key, None)
            self.malformed.pop(key, None)
            removed[key] = context_of(head)
        else:
            removed.pop(key, None)
            try:
                value = self._decoder.decode(message.data)
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
                target[key] = Entry(value, metadata.sequence.stream, message.data, context_of(head))
        if self._incoming is not None:
            self._incoming_revision = metadata.sequence.stream
            if metadata.num_pending == 0:
                self._whole()
            return
        self.revision = metadata.sequence.stream
        self._on_key(key)
        self._changed()

    def _whole(self) -> None:
        assert self._incoming is not None  # noqa: S101  # only called while a picture comes in
        self._entries, self._incoming = self._incoming, None
        self.removed = self._incoming_removed
        self.revision = self._incoming_revision
        self.live = self.known = True
        self.pictures += 1
        self._changed()

    def _changed(self) -> None:
        if self._saved is not None and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_DELAY, self._save)
        self._on_change()

    # ---- the file

    def _load(self, path: Path) -> None:
        try:
            saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
            if saved.bucket != self.bucket.name:
                raise ValueError(f"it holds {saved.bucket}")
            for key, entry in saved.entries.items():
                body = base64.b64decode(entry.body)
                self._entries[key] = Entry(self._decoder.decode(body), entry.revision, body)
        except FileNotFoundError:
            return
        except (OSError, ValueError, *UNREADABLE) as error:
            self._entries.clear()
            log.warning("saved state %s is not usable and is ignored: %s", path, error)
            return
        self.known = True

    def _save(self) -> None:
        self._saving = None
        assert self._saved is not None  # noqa: S101  # only scheduled where there is a file
        saved = _Saved(
            self.bucket.name,
            {
                key: _SavedEntry(entry.revision, base64.b64encode(entry.body).decode())
                for key, entry in self._entries.items()
            },
        )
        try:
            write_atomically(self._saved, msgspec.json.encode(saved))
        except OSError as error:
            log.warning("state could not be saved in %s: %s", self._saved, error)

    def save_now(self) -> None:
        """Write what is not saved yet; for the end of a process."""
        if self._saving is not None:
            self._saving.cancel()
            self._save()
