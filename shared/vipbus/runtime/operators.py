"""What operators say of real servers, as a consumer keeps it.

A word is kept when it vanishes from the bus, and forgotten only when its deletion is seen: a bus that lost
its store enables nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from vipbus.contracts import OperatorState
from vipbus.telemetry.trace import TraceContext

if TYPE_CHECKING:
    from vipbus.bus import Entry, Follow


class OperatorChange(msgspec.Struct, frozen=True, kw_only=True):
    """A word that is new, or taken back."""

    said: OperatorState
    what: str
    """``drained by anna: new disk``, ``enabled again``."""
    trace: TraceContext | None = None


class Operators:
    """The words of one follow of the bucket ``operator``; ``concerns`` says whose real servers matter."""

    def __init__(
        self, follow: Follow[OperatorState], concerns: Callable[[OperatorState], bool] = lambda _said: True
    ) -> None:
        self.words: dict[str, OperatorState] = {}
        """By bucket key."""
        self._follow = follow
        self._concerns = concerns
        self._seen: dict[str, Entry[OperatorState]] = {}

    def changes(self) -> Iterator[OperatorChange]:
        """Take in what is new and say what changed."""
        for key, entry in self._follow.entries.items():
            if self._seen.get(key) is entry or not self._concerns(entry.value):
                continue
            self._seen[key] = entry
            before, said = self.words.get(key), entry.value
            self.words[key] = said
            if before is None or before.state != said.state:
                done = "drained" if said.state == "drain" else "disabled"
                why = f": {said.why}" if said.why else ""
                yield OperatorChange(said=said, what=f"{done} by {said.by}{why}", trace=entry.trace)
        for key in self.words.keys() & self._follow.removed.keys():
            self._seen.pop(key, None)
            yield OperatorChange(
                said=self.words.pop(key), what="enabled again", trace=self._follow.removed[key]
            )
