"""Which real servers an operator means, and what there is when nobody knows the name. Pure."""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Collection, Iterable
from typing import Final

from vipbus.contracts import address_token, token_in_words

_NEAREST: Final = 3
_LEAST_ALIKE: Final = 0.6
_PROTOCOL: Final = re.compile(r"^(.*?)[ /]+(tcp|udp|sctp)$", re.IGNORECASE)
_ENDPOINT: Final = re.compile(r"^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$")
_TOKEN: Final = re.compile(r"^[a-z0-9_-]+$")


def real_server(name: str) -> str:
    """Make the token of ``10.9.0.21:80``, ``[fd00::21]:80`` or a token; empty for what can be neither."""
    name = name.strip()
    if found := _ENDPOINT.match(name):
        address, port = found[1] or found[2], int(found[3])
        family = socket.AF_INET6 if found[1] else socket.AF_INET
        try:
            # as the configuration has it, however it was written (RFC 5952)
            return address_token(socket.inet_ntop(family, socket.inet_pton(family, address)), port)
        except OSError:
            return ""
    return name.lower() if _TOKEN.match(name.lower()) else ""


def is_virtual_server(name: str, token: str) -> bool:
    """Say whether a name means this virtual server; one without a protocol means those of every protocol."""
    name = name.strip()
    if name.lower() == token:
        return True
    found = _PROTOCOL.match(name)
    where = real_server(found[1] if found else name)
    if not where:
        return False
    return token == f"{where}_{found[2].lower()}" if found else token.rpartition("_")[0] == where


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


def chosen(pairs: Collection[tuple[str, str]], virtual_server: str | None) -> list[tuple[str, str]]:
    """Take those (virtual server, real server) that an operator means; None: all of them."""
    return sorted(
        {pair for pair in pairs if virtual_server is None or is_virtual_server(virtual_server, pair[0])}
    )
