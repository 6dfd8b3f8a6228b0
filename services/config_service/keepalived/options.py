"""Options of a line, of the common forms: a word alone, or one with a value after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config_service.keepalived import values
from config_service.keepalived.iproute2 import Kind, Names
from config_service.keepalived.words import Words

Option = Callable[[Any, Words, Names], None]
"""Takes what follows the option out of the words, and puts its value into the draft."""


def flag(field: str, value: object = True) -> Option:
    """Make an option that stands alone."""

    def option(draft: Any, _words: Words, _names: Names) -> None:
        setattr(draft, field, value)

    return option


def word(name: str, what: str, field: str, read: Callable[[str], object]) -> Option:
    """Make an option with one word that ``read`` reads."""

    def option(draft: Any, words: Words, _names: Names) -> None:
        setattr(draft, field, read(words.argument(name, what)))

    return option


def interface(name: str) -> Option:
    """Make an option with an interface, put into the field of its own name."""
    return word(name, "an interface", name, values.interface)


def number(name: str, field: str, high: int, low: int = 0) -> Option:
    """Make an option with a number as iproute2 takes them."""
    return word(name, "a number", field, lambda text: values.number(text, low, high))


def named(name: str, what: str, field: str, kind: Kind) -> Option:
    """Make an option with a number or iproute2's name for it."""

    def option(draft: Any, words: Words, names: Names) -> None:
        setattr(draft, field, names.number(kind, words.argument(name, what)))

    return option


TRACK_GROUP = word("track_group", "a track_group", "track_group", values.name)
