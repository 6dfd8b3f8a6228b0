"""Which real servers an operator means, and what there is when nobody knows the name. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Final

from vipbus.contracts import address_token, token_in_words
from vipbus.runtime.naming import means_token, place_of

_NEAREST: Final = 3
_LEAST_ALIKE: Final = 0.6
_TOKEN: Final = re.compile(r"^[a-z0-9_-]+$")


def real_server(name: str) -> str:
    """Make the token of ``10.9.0.21:80``, ``[fd00::21]:80`` or a token; empty for what can be neither."""
    name = name.strip()
    place = place_of(name)
    if place is not None and place.port is not None and place.protocol is None:
        return address_token(place.address, place.port)
    return name.lower() if _TOKEN.match(name.lower()) else ""


def words(token: str) -> str:
    """Write a token as people do, where it is an address's."""
    return token_in_words(token) or token


def nearest(name: str, tokens: Iterable[str]) -> str:
    """Name what there is that a wrong name may have meant: a sentence's end."""
    there = sorted({words(token) for token in tokens})
    near = difflib.get_close_matches(name, there, _NEAREST, _LEAST_ALIKE) or there[:_NEAREST]
    if not near:
        return "no real server is configured on this bus"
    more = f" and {len(there) - len(near)} more" if len(there) > len(near) else ""
    return f"there is {', '.join(near)}{more}"


def chosen(
    pairs: Collection[tuple[str, str]], virtual_server: str | None, group: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Take those (virtual server, real server) that an operator means; None: all of them.

    ``group`` are the virtual servers of the group that has the name, if one has.
    """
    return sorted(
        {
            pair
            for pair in pairs
            if virtual_server is None or pair[0] in group or means_token(virtual_server, pair[0])
        }
    )
