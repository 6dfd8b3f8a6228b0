"""What an instance must be to run here; config-service refuses the rest with file and line."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from vipbus.contracts import VrrpInstance, name_token

_LONGEST = 40.95
"""Seconds that version 3's 12 bits of hundredths can say."""
_MOST_ADDRESSES = 255
"""The count is one byte (RFC 9568 section 5.2.5)."""


def unusable(config: VrrpInstance, others: Iterable[VrrpInstance] = ()) -> str:
    """Say why an instance cannot run beside the others; empty when it can."""
    for other in others:
        if name_token(other.name) == name_token(config.name):
            return f"{config.name}: {other.name} has the same name; rename one"
        if (other.interface, other.virtual_router_id) == (config.interface, config.virtual_router_id):
            return (
                f"{config.name}: {other.name} is virtual router {config.virtual_router_id} on "
                f"{config.interface} already; give one another virtual_router_id"
            )
    return _out_of_range(config) or _bad_addresses(config)


def _out_of_range(config: VrrpInstance) -> str:
    if not 1 <= config.virtual_router_id <= 255:
        return f"{config.name}: virtual_router_id {config.virtual_router_id} is not in 1-255"
    if not 1 <= config.priority <= 255:
        return f"{config.name}: priority {config.priority} is not in 1-255"
    if config.version == 2 and config.advert_int not in range(1, 256):
        return (
            f"{config.name}: advert_int {config.advert_int:g} is not 1-255 whole seconds, as version 2 asks"
        )
    if config.version == 3 and not 0.01 <= config.advert_int <= _LONGEST:
        return f"{config.name}: advert_int {config.advert_int:g} is not in 0.01-{_LONGEST} s"
    return ""


def _bad_addresses(config: VrrpInstance) -> str:
    if not config.virtual_ipaddress:
        return f"{config.name}: no virtual_ipaddress; an advertisement names at least one"
    if len(config.virtual_ipaddress) > _MOST_ADDRESSES:
        return f"{config.name}: more than {_MOST_ADDRESSES} virtual addresses do not fit an advertisement"
    for virtual in config.virtual_ipaddress:
        try:
            socket.inet_pton(socket.AF_INET, virtual.address)
        except OSError:
            return f"{config.name}: {virtual.address} is not an IPv4 address; only IPv4 is supported yet"
        if not 0 <= virtual.prefix <= 32:
            return f"{config.name}: {virtual.address}/{virtual.prefix} has no prefix length of 0-32"
    return ""
