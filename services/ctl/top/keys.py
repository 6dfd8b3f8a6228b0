"""What a terminal sends for a key (xterm's control sequences; terminfo(5), kcuu1 and so on). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_NAMED: Final = {
    "\t": "tab",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b": "esc",
    "\x03": "q",
    "\x04": "q",
}
_SEQUENCES: Final = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "F": "end",
    "Z": "backtab",
    "1~": "home",
    "4~": "end",
    "5~": "pageup",
    "6~": "pagedown",
}
_SEQUENCE = re.compile(r"\x1b(?:\[([0-?]*[ -/]*[@-~])|O([A-Z]))")


def keys(text: str) -> Iterator[str]:
    """Name the keys of what was read; a sequence that is not known is no key."""
    position = 0
    while position < len(text):
        if found := _SEQUENCE.match(text, position):
            position = found.end()
            name = _SEQUENCES.get(found[1] or found[2])
            if name is not None:
                yield name
            continue
        letter = text[position]
        position += 1
        if letter in _NAMED:
            yield _NAMED[letter]
        elif letter.isprintable():
            yield letter
