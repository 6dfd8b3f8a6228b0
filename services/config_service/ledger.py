"""Keeps one router's revisions in the stream: a record before a revision's first key is written."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from config_service import past
from vipbus.bus import Bus
from vipbus.bus.revision_stream import RevisionStream
from vipbus.contracts import name_token
from vipbus.contracts.limits import UNREADABLE
from vipbus.contracts.revisions import (
    REVISIONS_KEPT,
    RevisionNote,
    RevisionRecord,
    revision_subject,
    undo_subject,
)
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)


class Ledger:
    """The records of one router."""

    def __init__(self, bus: Bus, router: str, *, kept: int = REVISIONS_KEPT) -> None:
        self.kept = kept
        self._stream = RevisionStream(bus)
        self._token = name_token(router)
        self._records: dict[int, RevisionRecord] | None = None
        """All of them, once somebody wanted to know."""

    async def put(
        self, record: RevisionRecord, undo: past.Undo, trace: TraceContext, time: datetime
    ) -> RevisionRecord:
        """Keep a revision: a large undo first, so that a record that is there is whole.

        Raises:
            BusAwayError: what is kept now is unknown.
            RefusedError: the server said no.
        """
        number = record.note.revision
        inline = past.encoded(undo)
        if sum(len(key) + len(bytes(body)) for key, body in inline.items()) <= past.INLINE:
            record = msgspec.structs.replace(record, undo=inline)
        else:
            attempt, count = secrets.token_hex(4), 0
            for part in past.parts(undo):
                subject = undo_subject(self._token, number, attempt, count)
                await self._stream.put(subject, part, trace=trace, time=time)
                count += 1
            record = msgspec.structs.replace(record, parts=count, attempt=attempt)
        await self._put(record, trace, time)
        return record

    async def note(self, note: RevisionNote, trace: TraceContext) -> None:
        """Write a kept revision's note anew.

        Raises:
            BusAwayError: what is kept now is unknown.
            RefusedError: the server said no.
        """
        record = await self.get(note.revision)
        if record is not None:
            await self._put(msgspec.structs.replace(record, note=note), trace, datetime.now(UTC))

    async def _put(self, record: RevisionRecord, trace: TraceContext, time: datetime) -> None:
        number = record.note.revision
        subject = revision_subject(self._token, number)
        await self._stream.put(subject, msgspec.json.encode(record), trace=trace, time=time)
        if self._records is not None:
            self._records[number] = record

    async def get(self, revision: int) -> RevisionRecord | None:
        """Read a revision's record; None: it is not kept, or not readable.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        body = await self._stream.get(revision_subject(self._token, revision))
        return None if body is None else _record(body)

    async def newest(self) -> int:
        """Give the last revision that came to be, as far as records tell where there is no head; 0: none did.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        body = await self._stream.get(f"vipbus.revision.{self._token}.*")
        record = None if body is None else _record(body)
        if record is None:
            return 0
        # one with nothing before it was begun, and nobody saw its head
        return record.note.revision if record.before else record.note.revision - 1

    async def undo_of(self, record: RevisionRecord) -> past.Undo:
        """Read what a revision's keys held before.

        Raises:
            ValueError: a part of it is not kept any more, or is damaged.
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        if not record.parts:
            return past.decoded(record.undo)
        bodies: list[bytes] = []
        for number in range(record.parts):
            subject = undo_subject(self._token, record.note.revision, record.attempt, number)
            body = await self._stream.get(subject)
            if body is None:
                raise ValueError(f"revision {record.note.revision} cannot be undone: a part is not kept")
            bodies.append(body)
        return past.joined(bodies)

    async def records(self) -> Mapping[int, RevisionRecord]:
        """Read every record, by revision; from the second time on what is known.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        if self._records is None:
            bodies = await self._stream.read(f"vipbus.revision.{self._token}.*")
            found = (_record(body) for body in bodies.values())
            self._records = {record.note.revision: record for record in found if record is not None}
        return self._records

    @property
    def references(self) -> frozenset[str] | None:
        """Of the passwords and keys that kept revisions name; None: nobody has looked yet."""
        if self._records is None:
            return None
        return frozenset().union(*(record.references for record in self._records.values()))

    def forget_what_is_known(self) -> None:
        """Read all of it again when it is asked for: the bus was away, and may have another store now."""
        self._records = None

    async def bodies_at(self, then: int, now: int, bodies: past.Bodies) -> past.Bodies:
        """Go back from revision ``now``, which has these bodies, to revision ``then``.

        Raises:
            ValueError: it is not kept any more, or what is kept is damaged.
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        records = await self.records()
        for number in past.way_back(records, now, then):
            bodies = past.wound_back(bodies, await self.undo_of(records[number]))
        note = records[then].note if then in records else None
        if note is not None and not past.is_whole(bodies, note.digest):
            raise ValueError(f"revision {then} cannot come back: what is kept of it is damaged")
        return bodies

    async def forget(self, revision: int) -> None:
        """Remove a revision that did not come to be.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        subject = revision_subject(self._token, revision)
        await self._stream.purge(f"{subject}.>")
        await self._stream.purge(subject)
        if self._records is not None:
            self._records.pop(revision, None)

    async def forget_older(self, revision: int) -> None:
        """Remove what is older than so many revisions before this one.

        Raises:
            BusAwayError: no answer.
            RefusedError: the server said no.
        """
        if (last := revision - self.kept) > 0:
            for old in [number for number in self._records or () if number < last] + [last]:
                await self.forget(old)


def _record(body: bytes) -> RevisionRecord | None:
    try:
        return msgspec.json.decode(body, type=RevisionRecord)
    except UNREADABLE as error:
        log.warning("a kept revision is not readable and is left out: %s", error)
        return None
