r"""Where the code of a line ends, as far as quotes, comments and ``\`` go; words are the lexer's."""

from __future__ import annotations

import re
from typing import Final

_SCANNED: Final = re.compile(r"[\\\"'#!]")


def scan(text: str, quote: str) -> tuple[int, str, bool]:
    r"""Say where a line's comment begins, which quote is open at the end, and whether ``\`` continues it."""
    position = 0
    while (found := _SCANNED.search(text, position)) is not None:
        position = found.end()
        if found[0] == "\\":
            if position == len(text):
                return position, quote, True
            position += 1
        elif quote:
            quote = "" if found[0] == quote else quote
        elif found[0] in "#!":
            return found.start(), "", False
        else:
            quote = found[0]
    return len(text), quote, False


def value(text: str) -> tuple[str, bool]:
    r"""Take comment and ``\`` off a line of a definition; the ``\`` counts after a comment too."""
    end, _, _ = scan(text, "")
    bare = text.rstrip(" \t")
    continued = (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
    code = text[:end].rstrip(" \t")
    if continued and end == len(text):
        code = code[:-1].rstrip(" \t")
    return code.lstrip(" \t"), continued
