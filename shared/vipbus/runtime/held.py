"""A router's entities as a consumer holds them: kept in order and digested as they change, one by one.

A revision of forty thousand entities of which one is another must not cost a look into each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vipbus.contracts import ConfigDocument, RealServer, moved_digest, revision_digest

if TYPE_CHECKING:
    from vipbus.bus import Entry


class Held:
    """What is held of one router, whole or not; ``token`` is the router's."""

    def __init__(self, token: str) -> None:
        self.digest = revision_digest({})
        """Of all entities."""
        self._prefix = f"{token}."
        self._head = f"{token}.head"
        self._entries: dict[str, Entry[ConfigDocument]] = {}
        self._real_servers = _Row()
        self._others = _Row()

    def __len__(self) -> int:
        """Count the entities."""
        return len(self._real_servers.keys) + len(self._others.keys)

    @property
    def real_servers(self) -> tuple[RealServer, ...]:
        """Those of the most frequent kind, by key."""
        return tuple(self._real_servers.values)  # type: ignore[arg-type]  # `move` puts no others there

    @property
    def others(self) -> tuple[ConfigDocument, ...]:
        """All others, by key."""
        return tuple(self._others.values)

    def move(self, entries: Mapping[str, Entry[ConfigDocument]]) -> None:
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
        moved = gone or [key for key in fresh if key not in before or _of(before[key]) != _of(entries[key])]
        if moved:
            self._sort()
            return
        for key in fresh:
            row = self._real_servers if _of(entries[key]) else self._others
            row.put(key, entries[key].value)

    def _is_own(self, key: str) -> bool:
        return key.startswith(self._prefix) and key != self._head

    def _sort(self) -> None:
        own = sorted(key for key in self._entries if self._is_own(key))
        values = [self._entries[key].value for key in own]
        pairs = list(zip(own, values, strict=True))
        self._real_servers = _Row([pair for pair in pairs if isinstance(pair[1], RealServer)])
        self._others = _Row([pair for pair in pairs if not isinstance(pair[1], RealServer)])


class _Row:
    """Values by sorted keys."""

    def __init__(self, pairs: list[tuple[str, ConfigDocument]] | None = None) -> None:
        self.keys = [key for key, _ in pairs or ()]
        self.values = [value for _, value in pairs or ()]

    def put(self, key: str, value: ConfigDocument) -> None:
        self.values[bisect_left(self.keys, key)] = value


def _of(entry: Entry[ConfigDocument]) -> bool:
    """Say in which row an entry stands."""
    return isinstance(entry.value, RealServer)
