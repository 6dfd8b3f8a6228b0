"""The past in the order in which it happened: the bus takes it from several sources, each a little late."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta

from ctl.summary import happened
from vipbus.bus import Record

WINDOW = timedelta(seconds=1)
"""What is later than this was late on its way to the bus, and stands where the bus took it."""


class InOrder:
    """Holds records of the past back until nothing of an earlier moment is to be expected.

    At the end of the past nothing is held back any more, and what comes then is given as it comes.
    """

    def __init__(self) -> None:
        self._held: list[tuple[datetime, int, Record]] = []

    def take(self, record: Record) -> Iterator[Record]:
        """Take the next record; give those whose turn it is now."""
        now = happened(record)
        heapq.heappush(self._held, (now, record.sequence, record))
        while self._held and (not record.behind or self._held[0][0] <= now - WINDOW):
            yield heapq.heappop(self._held)[2]

    def rest(self) -> Iterator[Record]:
        """Give what is held back: nothing more comes."""
        while self._held:
            yield heapq.heappop(self._held)[2]
