"""What is desired for a router, out of its file, what operators said since, and an overlay. Pure.

The file has the word when it says something new. As long as it says what it said when it was taken last,
whatever was said later stays, over every restart: then what runs is adopted from the bucket.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from config_service.consent import said_of
from config_service.overlay import Held, Overlaid, Overlay, operators_part
from config_service.past import Bodies
from config_service.revise import Desired
from vipbus.contracts import Head, moved_digest
from vipbus.contracts.revisions import RevisionRecord

WholeNow = Callable[[], Bodies | None]
"""Gives what the head names; None where that is not known. It costs something with many entities."""


class Stance:
    """What is desired, and whose word it is."""

    def __init__(self, *, awaits_overlay: bool = False) -> None:
        self.base: Desired | None = None
        """The operator's part, and who said it."""
        self.over = ""
        """What an operator had said and a new file took away; for the next revision's event."""
        self.lost = False
        """True: what ran could not be told any more, so the file was taken."""
        self._file: Desired | None = None
        self._reading: Desired | None = None
        """What the file said last, until it is compared with what was taken."""
        self._said = False
        """True: the base is another than that of the revision that runs."""
        self._overlaid = Overlaid(awaited=awaits_overlay)
        self._laid = ""

    def file(self, reading: Desired) -> None:
        """Take note of what the file says now."""
        self._file = self._reading = reading

    def say(self, base: Desired) -> None:
        """Take an operator's word, in place of what was desired before."""
        file = self._file.file if self._file is not None else base.file
        self.base = msgspec.structs.replace(base, file=file)
        self._said = True

    def lay(self, overlay: Overlay | None, cause: str) -> None:
        """Take an overlay; ``cause`` is why it is another than before."""
        self._overlaid.lay(overlay)
        self._laid = cause

    def settled(self) -> None:
        """Note that the bucket holds what `desired` gave."""
        self._said, self._laid, self.over = False, "", ""

    @property
    def source(self) -> str:
        """The router's own file, as it is named."""
        return self._file.source if self._file is not None else ""

    @property
    def differs(self) -> bool:
        """True while what runs is not what the file says, the overlay apart."""
        return self.base is not None and self._file is not None and self.base.digest != self._file.digest

    def desired(
        self, head: Head | None, record: RevisionRecord | None, held: Held, whole: WholeNow
    ) -> Desired | None:
        """Say what is desired now; None: there is no word of anybody.

        ``record`` is of the revision in which an operator had the last word, as far as it is kept.
        """
        self._consider(head, record, whole)
        base = self.base
        if base is None:
            return None
        bodies = self._overlaid.over(base.bodies, held)
        if not self._said and head is not None:
            base = msgspec.structs.replace(
                base,
                **({"how": "docker", "by": "", "why": "", "cause": self._laid} if self._laid else {}),
                base=head.base or head.revision,
                confirm_by=None,
            )
        if bodies is base.bodies:
            return base
        return msgspec.structs.replace(
            base, bodies=bodies, digest=moved_digest(base.digest, base.bodies, bodies)
        )

    def _consider(self, head: Head | None, record: RevisionRecord | None, whole: WholeNow) -> None:
        reading, self._reading = self._reading, None
        if reading is None:
            if self.base is None and head is not None:
                self.base = _adopted(head, record, whole)
        elif head is None or head.file != reading.file:
            self._take(reading, head, record)
        elif self.base is None:
            self.base = reading if head.digest == reading.digest else _adopted(head, record, whole)
            if self.base is None:
                self.lost = True
                self._take(reading, head, record)

    def _take(self, reading: Desired, head: Head | None, record: RevisionRecord | None) -> None:
        if record is not None and record.note.how not in ("file", "docker"):
            self.over = said_of(record.note)
        elif record is None and head is not None and head.how not in ("file", "docker"):
            self.over = f"revision {head.revision} ({head.how} by {head.by})"
        self.base = reading
        self._said = True


def _adopted(head: Head, record: RevisionRecord | None, whole: WholeNow) -> Desired | None:
    """Take what runs for what is desired."""
    running = whole()
    if running is None:
        return None
    bodies = operators_part(running)
    note = record.note if record is not None else None
    return Desired(
        router=head.router,
        source=head.source,
        bodies=bodies,
        digest=moved_digest(head.digest, running, bodies),
        cause=head.cause,
        by=note.by if note else head.by,
        how=note.how if note else head.how,
        why=note.why if note else head.why,
        file=head.file,
        references=frozenset(record.references) if record is not None else frozenset(),
    )
