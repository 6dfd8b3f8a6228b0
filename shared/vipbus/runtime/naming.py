"""Which virtual server or pool a person means: a name, an address, a mark, a group's name, a token. Pure."""

from __future__ import annotations

import re
import socket
from typing import Final

import msgspec

from vipbus.contracts import VirtualServer, mark_token, name_token, pool_token, virtual_server_token

_PROTOCOLS: Final = ("tcp", "udp", "sctp")
_MARK: Final = re.compile(
    r"(?:fwmark|fwm|mark)[\s:-]*([0-9]{1,10})(?:[\s_/]+(ipv4|ipv6|inet6|inet))?", re.IGNORECASE
)
_FAMILIES: Final = {"ipv4": 4, "inet": 4, "ipv6": 6, "inet6": 6}


class Place(msgspec.Struct, frozen=True):
    """What a name says of an address; None where it says nothing."""

    address: str
    """As the configuration has it (RFC 5952)."""
    port: int | None = None
    protocol: str | None = None
    """In lower case."""


class Marked(msgspec.Struct, frozen=True):
    """What a name says of a firewall mark."""

    mark: int
    family: int | None = None
    """4 or 6; None where it says nothing."""


def place_of(name: str) -> Place | None:
    """Read ``10.9.0.1:80``, ``10.9.0.1 80 tcp``, ``[fd00::1]:80/udp`` and the like; None: it is no place."""
    words = name.lower().replace("/", " ").split()
    if not words:
        return None
    first, *rest = words
    if first.startswith("["):
        address, _, more = first[1:].partition("]")
        parts = [*more.lstrip(":").split(":"), *rest]
        if ":" not in address:
            return None
    elif canonical(first):
        address, parts = first, rest
    else:
        address, *parts = (*first.split(":"), *rest)
    found = canonical(address)
    parts = [part for part in parts if part]
    protocol = parts.pop() if parts and parts[-1] in _PROTOCOLS else None
    if not found or len(parts) > 1 or not all(_is_port(part) for part in parts):
        return None
    return Place(found, int(parts[0]) if parts else None, protocol)


def marked(name: str) -> Marked | None:
    """Read ``fwm:7``, ``FWM 7 IPv6``, ``fwmark 7`` and the like; None: it is no mark."""
    found = _MARK.fullmatch(name.strip())
    if found is None:
        return None
    return Marked(int(found[1]), _FAMILIES[found[2].lower()] if found[2] else None)


def canonical(address: str) -> str:
    """Write an address as the configuration has it (RFC 5952); empty: it is none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, address))
    except (OSError, ValueError):
        return ""


def means_token(name: str, token: str) -> bool:
    """Say whether a name means the virtual server, or the pool of proxies, of this token.

    One without a protocol means those of every protocol, a mark without a family those of both. A group's
    name means nothing here: a token does not say it.
    """
    name = name.strip()
    if name.lower() == token:
        return True
    word, _, rest = name.partition(" ")
    if word.lower() == "pool" and rest.strip():
        return token == pool_token(rest.strip())
    if (mark := marked(name)) is not None:
        families = (4, 6) if mark.family is None else (mark.family,)
        return any(token == mark_token(mark.mark, family) for family in families)
    place = place_of(name)
    if place is None or place.port is None:
        return False
    protocols = _PROTOCOLS if place.protocol is None else (place.protocol,)
    return any(token == virtual_server_token(place.address, place.port, protocol) for protocol in protocols)


def means(name: str, server: VirtualServer) -> bool:
    """Say whether a name means this virtual server: its own, its group's, and its address alone will do."""
    if means_token(name, server.id) or in_group(name, server):
        return True
    place = place_of(name)
    return (
        place is not None
        and not server.mark
        and place.address == server.address
        and place.port in (None, server.port)
        and place.protocol in (None, server.protocol.lower())
    )


def in_group(name: str, server: VirtualServer) -> bool:
    """Say whether a name is the virtual server's own, or that of the group that it comes from."""
    name = name.strip()
    return bool(name) and name_token(name) in {
        name_token(said) for said in (server.name, server.group) if said
    }


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5
