"""What keeps checks from being made: many may have the same trouble, and an operator wants one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

_SELDOM = 10.0
"""Seconds between two lines that differ in their numbers only."""


class Troubles:
    """The trouble of each check that has one, and of all together. Times are seconds on a monotonic clock."""

    def __init__(self) -> None:
        self._of: dict[Hashable, str] = {}
        self._late = ""
        self._said = ""
        self._matter = ("", False)
        self._said_at = 0.0
        self.changed = False
        """True: there may be something to say."""

    def __bool__(self) -> bool:
        return bool(self._of)

    @property
    def due(self) -> float | None:
        """When what has changed may be said at the latest; None: nothing has."""
        return self._said_at + _SELDOM if self.changed else None

    def has(self, check: Hashable, text: str) -> None:
        """Note what keeps a check from being made."""
        if self._of.get(check) != text:
            self._of[check] = text
            self.changed = True

    def over(self, check: Hashable) -> None:
        """Note that nothing keeps it (any more)."""
        if self._of.pop(check, None) is not None:
            self.changed = True

    def late(self, text: str) -> None:
        """Note that attempts begin late, or, with no text, that they do not."""
        if text != self._late:
            self._late = text
            self.changed = True

    def news(self, now: float) -> str | None:
        """Give the line to say, empty if all is well; None: it has been said, or can wait.

        The trouble that most checks have comes first. While it stays the same, numbers are said anew only
        now and then: whoever logs each change would log each attempt.
        """
        texts = Counter(self._of.values())
        foremost = texts.most_common(1)[0][0] if texts else ""
        matter = (foremost, bool(self._late))
        if matter == self._matter and now - self._said_at < _SELDOM:
            return None
        self.changed = False
        line = "; ".join(part for part in (_line(texts), self._late) if part)
        if line == self._said:
            return None
        self._said, self._matter, self._said_at = line, matter, now
        return line


def _line(texts: Counter[str]) -> str:
    if not texts:
        return ""
    foremost, count = texts.most_common(1)[0]
    checks = texts.total()
    if checks == 1:
        return foremost
    others = f" ({checks - count} have other troubles)" if checks > count else ""
    return f"{count} checks: {foremost}{others}"
