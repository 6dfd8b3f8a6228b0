"""Counts that go on over a reload: a new worker begins at 0, what was counted before stays. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from haproxy_programmer.statistics import ZERO, Key, Read, Row

_WORKERS: Final = 8
"""So many are remembered: around a reload either of two may answer."""


class Totals:
    """How far the counters of each worker have been read."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[Key, Row]] = {}
        self._info: dict[int, Mapping[str, int]] = {}

    def take(self, read: Read, counters: Sequence[str]) -> dict[Key, dict[str, int]]:
        """Take in a read; return what has come since the one before, by row and counter.

        What a worker has counted when it is seen for the first time is new as a whole. A counter that went
        back was cleared, and is new as well. What has not changed is not there.
        """
        before = self._seen.pop(read.pid, {})
        now = {row.key: row for row in read.rows}
        self._seen[read.pid] = now
        for pid in list(self._seen)[:-_WORKERS]:
            del self._seen[pid]
            self._info.pop(pid, None)
        found: dict[Key, dict[str, int]] = {}
        for key, row in now.items():
            last = before.get(key, ZERO)
            if last.cells != row.cells:
                found[key] = {
                    name: _since(last.number(name) or 0, number)
                    for name in counters
                    if row.changed(last, name) and (number := row.number(name)) is not None
                }
        return found

    def info(self, read: Read, counters: Sequence[str]) -> dict[str, int]:
        """Say what has come of counters of the process, by their names in ``show info``."""
        before = self._info.get(read.pid, {})
        self._info[read.pid] = read.info
        return came(before, read.info, counters)


def came(before: Mapping[str, int], now: Mapping[str, int], counters: Sequence[str]) -> dict[str, int]:
    """Say what has come between two reads, of those counters that are there."""
    return {name: _since(before.get(name, 0), now[name]) for name in counters if name in now}


def _since(before: int, now: int) -> int:
    return now - before if now >= before else now
