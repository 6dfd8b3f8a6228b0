"""Leases that should have ended and stand all the same.

The server ends a lease that is not renewed. But a nats-server that was killed may come back with a lease that
had ended before, and with its time to live forgotten (2.15.1; seen once the mark of its end was gone too): a
replica long dead would lead real servers for ever, and nobody would check them.

No clock decides here: whoever was not renewed while this replica's own lease was renewed again and again has
had its time, also when this process or the bus stood still meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class _Seen:
    revision: int
    renewals: int = 0


class Overdue:
    """Counts own renewals since each other lease was last renewed; ``limit`` are too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: dict[str, _Seen] = {}

    def after_renewal(self, others: Mapping[str, int]) -> dict[str, int]:
        """Take the other leases' revisions after a renewal of our own; return those that are overdue.

        An empty mapping, as for a picture that is not up to date, starts every count anew.
        """
        self._seen = {
            key: seen if (seen := self._seen.get(key)) and seen.revision == revision else _Seen(revision)
            for key, revision in others.items()
        }
        overdue = {}
        for key, seen in self._seen.items():
            seen.renewals += 1
            if seen.renewals > self._limit:
                overdue[key] = seen.revision
        return overdue
