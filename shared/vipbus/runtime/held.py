"""A router's documents as a consumer holds them: kept in order and digested as they change, one by one.

A revision of thousands of documents of which one is another must not cost a look into each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Protocol

from vipbus.contracts import moved_digest, revision_digest
from vipbus.telemetry.trace import TraceContext


class Entry(Protocol):
    """A document as a follow has it."""

    @property
    def value(self) -> object:
        """Of `ConfigDocument` or `ConfigOutline`."""

    @property
    def revision(self) -> int:
        """Of the bucket."""

    @property
    def body(self) -> bytes:
        """As it came."""

    @property
    def trace(self) -> TraceContext | None:
        """That wrote it."""


class Held:
    """What is held of one router, whole or not; ``token`` is the router's."""

    def __init__(self, token: str) -> None:
        self.digest = revision_digest({})
        """Of all documents."""
        self._prefix = f"{token}."
        self._head = f"{token}.head"
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._values: list[object] = []

    @property
    def documents(self) -> tuple[object, ...]:
        """All of them, by key."""
        return tuple(self._values)

    def move(self, entries: Mapping[str, Entry]) -> None:
        """Take what differs from the time before."""
        before = self._entries
        get = before.get
        fresh = [key for key, entry in entries.items() if get(key) is not entry]
        gone: list[str] = []
        if len(entries) - sum(key not in before for key in fresh) < len(before):
            gone = [key for key in before if key not in entries and self._is_own(key)]
        fresh = [key for key in fresh if self._is_own(key)]
        self.digest = moved_digest(
            self.digest,
            {key: before[key].body for key in (*fresh, *gone) if key in before},
            {key: entries[key].body for key in fresh},
        )
        self._entries = dict(entries)
        if gone or any(key not in before for key in fresh):
            self._keys = sorted(key for key in entries if self._is_own(key))
            self._values = [entries[key].value for key in self._keys]
            return
        for key in fresh:
            self._values[bisect_left(self._keys, key)] = entries[key].value

    def _is_own(self, key: str) -> bool:
        return key.startswith(self._prefix) and key != self._head
