"""Lines of an operator's own for a section of HAProxy's configuration: raw, but none leaves its section."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

Snippet = Annotated[
    str,
    msgspec.Meta(max_length=65536, pattern=r"\A[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]*\Z"),
]
"""Lines as HAProxy reads them; what they mean `haproxy -c` says."""
SECTIONS: Final = frozenset(
    {
        *("global", "defaults", "frontend", "backend", "listen", "peers", "cache", "resolvers", "program"),
        *("mailers", "userlist", "http-errors", "ring", "log-forward", "log-profile", "fcgi-app"),
        *("crt-store", "traces", "acme", "healthcheck", "namespace_list", "namespace"),
    }
)
"""Words that begin a section (configuration.txt, the chapters of each), those of newer versions too."""
_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MODIFIERS: Final = ("no", "default")


def check_snippet(text: str) -> None:
    """Refuse lines that would not stay in the section where they are put.

    A line is judged by its first word, so that must be a plain one: quotes, escapes and variables could
    make a section's name of it, and ``.if`` could hide what stands after the snippet.

    Raises:
        ValueError: a line may leave the section, said with its number, counted from 1; decoding makes a
            ValidationError of it.
    """
    for number, line in enumerate(text.split("\n"), 1):
        words = [each for each in re.split(r"[ \t]+", line) if each]
        while words and words[0] in _MODIFIERS:
            words.pop(0)
        if not words or words[0].startswith("#"):
            continue
        word = words[0].partition("#")[0]
        if word.lower() in SECTIONS:
            raise ValueError(f"line {number} begins the section {word!r}; a snippet stays in its own")
        if _KEYWORD.fullmatch(word) is None:
            raise ValueError(
                f"line {number} begins with {word[:40]!r}, which is no keyword; write it plainly"
            )


def lines_of(text: str | None) -> tuple[str, ...]:
    """Give the lines of a snippet without the blanks around them; empty ones stay, so that numbers fit."""
    return tuple(line.strip(" \t") for line in text.rstrip().split("\n")) if text and text.strip() else ()
