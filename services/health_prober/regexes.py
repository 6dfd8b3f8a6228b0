"""Regular expressions over what a server sent: with PCRE's options, and never without an end."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from health_prober.attempt import CheckFailedError, NotTriedError
from health_prober.causes import quoted


class RegexTooSlowError(CheckFailedError):
    """A regular expression took longer than it may; elsewhere it may be given more time."""


@lru_cache(maxsize=1024)
def compiled(regex: str, options: tuple[str, ...] = ()) -> Any:  # the library has no types
    """Compile a regular expression with PCRE's options, over octets unless ``utf`` is one of them.

    ``ungreedy`` changes nothing here: it says how much matches, not whether.

    Raises:
        NotTriedError: it is none.
    """
    library = import_module("regex")  # 40 ms of a start that most checks do not need
    flags = {
        "dotall": library.DOTALL,
        "extended": library.VERBOSE,
        "caseless": library.IGNORECASE,
        "multiline": library.MULTILINE,
    }
    chosen = 0
    for option in options:
        chosen |= flags.get(option, 0)
    try:
        return library.compile(regex if "utf" in options else regex.encode(), chosen)
    except library.error as error:
        raise NotTriedError(f"regex {quoted(regex)!r}: {error}; mend it") from None


def found(regex: str, options: tuple[str, ...], subject: bytes | str, first: int, within: float) -> Any:
    """Find the first match that begins at ``first`` or later (``anchored``: there); None: there is none.

    Other threads work meanwhile, but this one does not for up to ``within`` seconds.

    Raises:
        RegexTooSlowError: it took longer.
        NotTriedError: the regular expression is none.
    """
    pattern = compiled(regex, options)
    find = pattern.match if "anchored" in options else pattern.search
    try:
        return find(subject, first, timeout=within, concurrent=True)
    except TimeoutError:
        raise RegexTooSlowError(f"regex {quoted(regex)!r} took longer than {within:g} s") from None
