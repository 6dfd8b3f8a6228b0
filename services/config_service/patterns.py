"""Regular expressions are compiled when a file is read, so that a bad one is refused with its line."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Final

from config_service.problems import RefusedError, quoted

_FLAGS: Final = {
    "dotall": "DOTALL",
    "extended": "VERBOSE",
    "caseless": "IGNORECASE",
    "multiline": "MULTILINE",
}
_LONGEST: Final = 4096


def check_pattern(pattern: str, options: Collection[str] = ()) -> None:
    """Refuse what is no regular expression, as a check would compile it: over octets without ``utf``.

    Raises:
        RefusedError: it is none, or longer than a check has use for.
    """
    if len(pattern) > _LONGEST:
        raise RefusedError(f"the regular expression is longer than {_LONGEST} characters; shorten it")
    library = import_module("regex")  # 40 ms of a start that most files do not need
    flags = 0
    for option in options:
        flags |= getattr(library, _FLAGS[option]) if option in _FLAGS else 0
    try:
        library.compile(pattern if "utf" in options else pattern.encode(), flags)
    except library.error as error:
        raise RefusedError(f"{quoted(pattern)} is no regular expression: {error}; mend it") from None
    except (RecursionError, OverflowError, MemoryError):
        raise RefusedError(f"the regular expression {quoted(pattern)} is too deep or too large") from None
