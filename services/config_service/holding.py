"""One router's keys as the bucket holds them, and how they become what is desired.

The order is: the record of what was, the keys, the head. A process that is killed in between leaves what the
next one can tell: the head names the revision that was whole, and the record says how to come back to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import msgspec

from config_service import metrics, past
from config_service.ledger import Ledger
from config_service.publish import write_all
from config_service.revise import Changes, Desired, Next, Present, Write, compare, next_revision
from vipbus.bus import Bus, BusAwayError, Entry
from vipbus.contracts import CONFIG_OUTLINE, ConfigOutline, Head, name_token
from vipbus.contracts.revisions import RevisionRecord
from vipbus.runtime import memory
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

OnAccepted = Callable[[RevisionRecord, trace.TraceContext], Awaitable[None]]


class Holding:
    """One router's keys in the bucket ``config``.

    ``on_entries`` is called when they change or are read anew, ``on_accepted`` for each revision that came to
    be.
    """

    def __init__(
        self,
        bus: Bus,
        router: str,
        ledger: Ledger,
        *,
        on_entries: Callable[[], None],
        on_accepted: OnAccepted,
    ) -> None:
        self.router = router
        self.record: RevisionRecord | None = None
        """Of the revision in which an operator had the last word, as far as it is kept."""
        self._bus = bus
        self._ledger = ledger
        self._on_entries = on_entries
        self._on_accepted = on_accepted
        self._head_key = f"{name_token(router)}.head"
        self._known = 0
        self._own_last = 0
        self._unfinished: tuple[int, past.Undo] | None = None
        """A revision that was begun by a process before this one, and how to take it back."""
        self._whole: tuple[str, past.Bodies] | None = None
        """The last revision that was known whole, by its digest."""
        self._unsure: Next | None = None
        """A revision whose head was written, while it is not known whether it was applied."""
        self._looked = False
        self._clean = False
        """True: since the bucket was found to hold what the head names nobody else wrote."""
        self._moved = asyncio.Event()
        self._wanted: past.Bodies = {}
        """What was last desired."""
        self._follow = bus.follow(
            CONFIG_OUTLINE,
            f"{name_token(router)}.>",
            on_change=self._on_change,
            own=self._own,
        )
        bus.on_change.append(self._moved.set)

    @property
    def head(self) -> Head | None:
        """The head in the bucket, as last seen."""
        entry = self._follow.entries.get(self._head_key)
        return entry.value if entry is not None and isinstance(entry.value, Head) else None

    @property
    def revision(self) -> int:
        """The revision that runs; 0 before any."""
        return self.head.revision if self.head is not None else 0

    def whole(self) -> past.Bodies | None:
        """Give the revision that the head names; None where it is not known whole."""
        head = self.head
        if head is None:
            return None
        if self._whole is None or self._whole[0] != head.digest:
            held = {key: entry.body for key, entry in self._follow.entries.items() if key != self._head_key}
            begun = self._unfinished[1] if self._unfinished is not None else None
            found = past.whole(head.digest, held, begun)
            if found is None:
                return None
            self._whole = head.digest, found
        return self._whole[1]

    @property
    def entries(self) -> Mapping[str, Entry[ConfigOutline]]:
        """Every key, as last seen."""
        return self._follow.entries

    @property
    def live(self) -> bool:
        """True while `entries` is what the bus has."""
        return self._follow.live

    @property
    def foreign(self) -> bool:
        """True if somebody else wrote since our own last write."""
        return self._follow.revision > self._own_last

    def _on_change(self) -> None:
        self._moved.set()
        self._on_entries()

    def _own(self, key: str) -> bytes | None:
        return self._wanted.get(key)

    async def until_live(self) -> None:
        """Wait for the bus, a whole picture, and what a process before this one has left.

        Raises:
            BusAwayError: it went away again.
            RefusedError: the server said no.
        """
        await self._bus.usable()
        while not self._follow.live:
            self._moved.clear()
            await self._moved.wait()
        if not self._looked:
            await self._look()
            self._looked = True

    async def _look(self) -> None:
        head = self.head
        if head is None:
            self._known = max(self._known, await self._ledger.newest())
            return
        self.record = await self._ledger.get(head.base or head.revision)
        begun = await self._ledger.get(head.revision + 1)
        if begun is None or begun.before != head.revision:
            return
        try:
            self._unfinished = begun.note.revision, await self._ledger.undo_of(begun)
        except ValueError as error:
            log.warning("%s: %s", self.router, error)

    async def hold(self, desired: Desired) -> None:
        """Have the bucket hold what is desired; what differs is written, and nothing else.

        Raises:
            BusAwayError: the bus went away; how much was written is unknown.
            RefusedError: the server said no.
        """
        self._wanted = desired.bodies
        await self._note_what_was_applied()
        damaged = self._head_key in self._follow.malformed
        present = self._present(desired, damaged=damaged)
        changes = _changes(desired, present)
        now = datetime.now(UTC)
        new = next_revision(desired, present, changes, now)
        if new is not None or changes.writes:
            if new is None:
                log.warning("%s: what another writer or a killed process changed is put back", self.router)
            with trace.span(
                "publish vipbus.state.config",
                kind="producer",
                attributes={
                    "messaging.system": "nats",
                    "messaging.destination.template": "vipbus.state.config",
                    "vipbus.router": self.router,
                    "vipbus.cause": desired.cause,
                },
            ) as span:
                self._clean = False
                await self._write(desired, changes, new, span.context, now)
            await self._until_seen()
            if sum(len(each.body or b"") for each in changes.writes) > memory.LARGE:
                memory.give_back()
        self._clean = not self.foreign
        await self._forget_unfinished()

    def _present(self, desired: Desired, *, damaged: bool) -> Present:
        head = None if damaged else self.head
        self._known = max(self._known, self.revision)
        held = dict(self._follow.entries)
        held.pop(self._head_key, None)
        is_new = head is not None and head.digest != desired.digest
        return Present(
            head=head,
            held=held,
            unreadable=[key for key in self._follow.malformed if key != self._head_key],
            whole=self.whole() if is_new else None,
            known=self._known,
            clean=self._clean and not self.foreign and not self._follow.malformed,
        )

    async def _write(
        self, desired: Desired, changes: Changes, new: Next | None, context: trace.TraceContext, now: datetime
    ) -> None:
        begun = asyncio.get_running_loop().time()
        if new is not None:
            record = await self._ledger.put(new.record, new.undo, context, now)
            new = msgspec.structs.replace(new, record=record)
        self._own_last = await write_all(self._bus, changes.writes, context, now)
        if new is not None:
            self._unsure = new
            entry = self._follow.entries.get(self._head_key)
            damaged = self._head_key in self._follow.malformed
            last = None if damaged else entry.revision if entry is not None else 0
            write = Write(self._head_key, msgspec.json.encode(new.head), last)
            self._own_last = await write_all(self._bus, (write,), context, now)
            await self._accept(new, desired, context)
        metrics.WRITES.add(len(changes.writes) + (new is not None), router=self.router)
        metrics.PUBLISH_SECONDS.observe(asyncio.get_running_loop().time() - begun)

    async def _until_seen(self) -> None:
        """Wait until the picture holds our own writes, so that the next look does not do them again."""
        while self._follow.revision < self._own_last:
            if not self._follow.live:
                raise BusAwayError("the bus went away before our own writes were seen")
            self._moved.clear()
            await self._moved.wait()

    async def _note_what_was_applied(self) -> None:
        """Take note of a revision whose head was written, but whose answer was lost."""
        if self._unsure is not None and self._unsure.head.revision == self.revision:
            context = trace.record("publish vipbus.state.config", kind="producer")
            await self._accept(self._unsure, None, context)

    async def _accept(self, new: Next, desired: Desired | None, context: trace.TraceContext) -> None:
        note, self._unsure = new.record.note, None
        self._known = note.revision
        if desired is not None:
            self._whole = note.digest, desired.bodies
        if note.base == note.revision:
            self.record = new.record
        if self._unfinished is not None and self._unfinished[0] <= note.revision:
            self._unfinished = None  # its record was written over
        await self._on_accepted(new.record, context)
        await self._ledger.forget_older(note.revision)

    async def _forget_unfinished(self) -> None:
        """Remove the record of a revision that was begun and taken back."""
        if self._unfinished is not None:
            await self._ledger.forget(self._unfinished[0])
            self._unfinished = None


def _changes(desired: Desired, present: Present) -> Changes:
    """Compare; where it is known what is held, only what is another object than there."""
    whole = present.whole
    if not present.clean or whole is None:
        return compare(desired.bodies, present.held, present.unreadable)
    wanted = {key: body for key, body in desired.bodies.items() if whole.get(key) is not body}
    keys = [*wanted, *(whole.keys() - desired.bodies.keys())]
    return compare(wanted, {key: present.held[key] for key in keys if key in present.held})
