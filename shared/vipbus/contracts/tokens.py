"""Subject tokens: how an address, a name or a virtual server is written inside a NATS subject.

A subject is split at dots and ``*`` and ``>`` are wildcards, so nothing of that may stand in a token.
Tokens are lower-case; every document also holds its names as the operator wrote them.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^a-z0-9_-]")
_IPV4 = re.compile(r"^(\d+-\d+-\d+-\d+)_(\d+)(?:_([a-z]+))?$")
_IPV6 = re.compile(r"^([0-9a-f-]*-[0-9a-f-]*-[0-9a-f-]*)_(\d+)(?:_([a-z]+))?$")


def name_token(name: str) -> str:
    """Write a router's or an instance's name as one subject token; ``VI_1`` becomes ``vi_1``.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("a name may not be empty")
    return _UNSAFE.sub("-", name.lower())


def address_token(address: str, port: int) -> str:
    """Write an address and port as one token: ``10.9.0.21:80`` becomes ``10-9-0-21_80``."""
    return f"{_UNSAFE.sub('-', address.lower())}_{port}"


def virtual_server_token(address: str, port: int, protocol: str) -> str:
    """Write a virtual server as one token: ``10-9-0-1_80_tcp``; the protocol is part of its identity."""
    return f"{address_token(address, port)}_{protocol.lower()}"


def token_in_words(token: str) -> str:
    """Write an address's token as people do, ``10.9.0.1:80 TCP``; empty for what is no such token."""
    if match := _IPV4.match(token):
        text = f"{match[1].replace('-', '.')}:{match[2]}"
    elif match := _IPV6.match(token):
        text = f"[{match[1].replace('-', ':')}]:{match[2]}"
    else:
        return ""
    return f"{text} {match[3].upper()}" if match[3] else text
