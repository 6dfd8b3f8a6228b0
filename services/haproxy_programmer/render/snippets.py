"""Lines of an operator's own, and which of them HAProxy means when it refuses a file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from haproxy_programmer.writing import UnwritableError
from vipbus.contracts.proxy_snippet import check_snippet, lines_of

_BEGIN: Final = "# snippet of "
_END: Final = "# end"
_PLACE: Final = re.compile(r"\[[^\]]*:([0-9]+)\]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def snippet(owner: str, text: str | None) -> Iterator[str]:
    """Write a snippet, indented: what begins and ends it is not, so none of it can look like that.

    Raises:
        UnwritableError: a line of it would leave its section.
    """
    lines = lines_of(text)
    if not lines:
        return
    try:
        check_snippet(text or "")
    except ValueError as error:
        raise UnwritableError(f"the snippet of {owner}: {error}") from None
    yield f"{_BEGIN}{owner}"
    for number, line in enumerate(lines, 1):
        if _CONTROL.search(line) is not None:
            raise UnwritableError(f"the snippet of {owner}: line {number} has a control character")
        yield f"    {line}"
    yield _END


def explained(problem: str, text: str) -> str:
    """Say of what HAProxy refuses in a file which snippet's line it is, where it is one's."""
    lines = text.split("\n")
    return _PLACE.sub(lambda found: _owner(lines, int(found[1])) or found[0], problem)


def _owner(lines: Sequence[str], number: int) -> str | None:
    for above in range(min(number, len(lines)) - 1, -1, -1):
        line = lines[above]
        if line.startswith(_BEGIN):
            said = lines[number - 1].strip()[:80]
            owner = line.removeprefix(_BEGIN)
            return f"[line {number - 1 - above} of the snippet of {owner}: {said!r}]"
        if line and not line.startswith(" "):
            return None
    return None
