"""How values are written into HAProxy's configuration, its commands and its state file.

The contracts let nothing in that could end a word or begin another; this is the second wall, for all of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\"'\\#;<>`${}]{1,1024}")
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,4096}")


class UnwritableError(Exception):
    """A value that cannot be written; the text names it."""


@lru_cache(maxsize=8192)  # a pool of a thousand members is written by the same few thousand words each time
def word(text: str) -> str:
    """Write one word.

    Raises:
        UnwritableError: it could be read as anything else.
    """
    if _WORD.fullmatch(text) is None:
        raise UnwritableError(f"{text[:80]!r} cannot stand in HAProxy's configuration")
    return text


def quoted(text: str) -> str:
    """Write a text as one word, whatever is in it (configuration.txt, Quoting and escaping).

    Raises:
        UnwritableError: it is empty, or more than a line.
    """
    if _LINE.fullmatch(text) is None:
        raise UnwritableError(f"{text[:80]!r} cannot stand in HAProxy's configuration")
    return "'" + text.replace("'", r"'\''") + "'"


def literal(text: str) -> str:
    """Write a text where HAProxy looks for expressions (configuration.txt, Custom log format): it has none.

    Raises:
        UnwritableError: it is empty, or more than a line.
    """
    return quoted(text.replace("%", "%%"))


def endpoint(address: str, port: int) -> str:
    """Write an address and port; HAProxy takes an IPv6 address as it is when ``ipv6@`` says what it is."""
    return f"{'ipv6@' if ':' in address else ''}{word(address)}:{int(port)}"


def time(seconds: float) -> str:
    """Write a time in milliseconds, HAProxy's own unit; what is shorter is one."""
    return f"{max(1, round(seconds * 1000))}ms"
