"""The words of one line that is a small language of its own: an address, a route, a rule."""

from __future__ import annotations

from collections.abc import Sequence

from config_service.problems import RefusedError, quoted


class Words:
    """Words that are taken one after the other, each option once."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._next = 0
        self._seen: set[str] = set()

    def __bool__(self) -> bool:
        return self._next < len(self._words)

    def peek(self) -> str:
        """Look at the next word; empty at the end."""
        return self._words[self._next] if self else ""

    def take(self) -> str:
        """Take the next word.

        Raises:
            RefusedError: there is none.
        """
        if not self:
            raise RefusedError("the line ends too early; complete it")
        self._next += 1
        return self._words[self._next - 1]

    def take_if(self, *words: str) -> str:
        """Take the next word if it is one of these; empty when it is not."""
        return self.take() if self.peek() in words else ""

    def argument(self, option: str, what: str) -> str:
        """Take what stands after an option.

        Raises:
            RefusedError: nothing does.
        """
        if not self:
            raise RefusedError(f"{option} needs {what} after it; name one, or remove {option}")
        return self.take()

    def once(self, option: str) -> None:
        """Refuse an option that was there before.

        Raises:
            RefusedError: it is given twice.
        """
        if option in self._seen:
            raise RefusedError(f"{option} is given twice; remove one")
        self._seen.add(option)


def unknown(word: str, after: str, usage: str) -> RefusedError:
    """Say that a word has no place on a line."""
    return RefusedError(f"{quoted(word)} after {after} is not known; a line is {usage}")
