"""Subject tokens: how an address, a name or a virtual server is written inside a NATS subject.

A subject is split at dots and ``*`` and ``>`` are wildcards, so nothing of that may stand in a token.
Tokens are lower-case; every document also holds its names as the operator wrote them.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[^a-z0-9_-]")
_ASCII = {code: _UNSAFE.sub("-", chr(code).lower()) for code in range(128)}
"""The same by letter: an address is written as a token tens of thousands of times, and this takes a third."""
_IPV4 = re.compile(r"^(\d+-\d+-\d+-\d+)_(\d+)(?:_([a-z]+))?$")
_MARK = re.compile(r"^fwm-(\d+)_ipv([46])$")
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
    safe = address.translate(_ASCII) if address.isascii() else _UNSAFE.sub("-", address.lower())
    return f"{safe}_{port}"


def virtual_server_token(address: str, port: int, protocol: str) -> str:
    """Write a virtual server as one token: ``10-9-0-1_80_tcp``; the protocol is part of its identity."""
    return f"{address_token(address, port)}_{protocol.lower()}"


def mark_token(mark: int, family: int) -> str:
    """Write a firewall mark's virtual server as one token: ``fwm-7_ipv4``; the family is 4 or 6."""
    return f"fwm-{mark}_ipv{family}"


def virtual_server_words(address: str, port: int, protocol: str, mark: int = 0, family: int = 4) -> str:
    """Name a virtual server as people do: ``10.9.0.1:80 TCP``, ``[fd00::1]:80 TCP``, ``FWM 7 IPv6``."""
    if mark:
        return f"FWM {mark}{' IPv6' if family == 6 else ''}"
    return f"[{address}]:{port} {protocol}" if ":" in address else f"{address}:{port} {protocol}"


def token_in_words(token: str) -> str:
    """Write a server's token as people do, ``10.9.0.1:80 TCP``; empty for what is no such token."""
    if token.startswith("pool-"):
        return f"pool {token.removeprefix('pool-')}"
    if match := _MARK.match(token):
        return virtual_server_words("", 0, "", int(match[1]), int(match[2]))
    if match := _IPV4.match(token):
        text = f"{match[1].replace('-', '.')}:{match[2]}"
    elif match := _IPV6.match(token):
        text = f"[{match[1].replace('-', ':')}]:{match[2]}"
    else:
        return ""
    return f"{text} {match[3].upper()}" if match[3] else text
