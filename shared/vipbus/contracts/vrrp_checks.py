"""What an instance must be to run beside others: asked where it is written, and again where it runs."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from vipbus.contracts.tokens import name_token
from vipbus.contracts.vrrp import VrrpInstance

_LONGEST = 40.95
"""Seconds that version 3's 12 bits of hundredths can say."""
_MOST_ADDRESSES = 255
"""The count is one byte (RFC 9568 section 5.2.5)."""


def unusable(config: VrrpInstance, others: Iterable[VrrpInstance] = ()) -> str:
    """Say why an instance cannot run beside the others; empty when it can."""
    for other in others:
        if name_token(other.name) == name_token(config.name):
            return f"{config.name}: {other.name} has the same name; rename one"
        if clash(config, other):
            return (
                f"{config.name}: {other.name} is virtual router {config.virtual_router_id} on "
                f"{config.interface} already; give one another virtual_router_id"
            )
    return _out_of_range(config) or _bad_addresses(config)


def place(config: VrrpInstance) -> tuple[str, int, int]:
    """Say where on the wire an instance has its place: IPv4 and IPv6 are apart (RFC 9568 section 5.2.3)."""
    return config.interface, config.family, config.virtual_router_id


def clash(config: VrrpInstance, other: VrrpInstance) -> bool:
    """Say whether a packet on the wire could be meant for both: they share a place, and a group or a peer."""
    if place(config) != place(other):
        return False
    ours = {peer.address for peer in config.unicast_peers}
    theirs = {peer.address for peer in other.unicast_peers}
    if bool(ours) != bool(theirs):
        return False
    return bool(ours & theirs) if ours else _group(config) == _group(other)


def _group(config: VrrpInstance) -> str:
    """Give where it advertises to (RFC 9568 section 5.1.1.2 and 5.1.2.2)."""
    return config.multicast_group or ("ff02::12" if config.family == 6 else "224.0.0.18")


def _out_of_range(config: VrrpInstance) -> str:
    if not 1 <= config.virtual_router_id <= 255:
        return f"{config.name}: virtual_router_id {config.virtual_router_id} is not in 1-255"
    if not 1 <= config.priority <= 255:
        return f"{config.name}: priority {config.priority} is not in 1-255"
    if config.version == 2 and config.family == 6:
        return f"{config.name}: version 2 has no IPv6; set version 3"
    if config.version == 2 and config.advert_int not in range(1, 256):
        return (
            f"{config.name}: advert_int {config.advert_int:g} is not 1-255 whole seconds, as version 2 asks"
        )
    if config.version == 3 and not 0.01 <= config.advert_int <= _LONGEST:
        return f"{config.name}: advert_int {config.advert_int:g} is not in 0.01-{_LONGEST} s"
    if not 1 <= config.down_timer_adverts <= 100:
        return f"{config.name}: down_timer_adverts {config.down_timer_adverts} is not in 1-100"
    return ""


def _bad_addresses(config: VrrpInstance) -> str:
    if len(config.virtual_ipaddress) > _MOST_ADDRESSES:
        return f"{config.name}: more than {_MOST_ADDRESSES} virtual addresses do not fit an advertisement"
    for virtual in config.virtual_ipaddress:
        if virtual.family != config.family:
            return (
                f"{config.name}: {virtual.address} is not of IPv{config.family}, as the instance is; "
                "make it a virtual_ipaddress_excluded"
            )
    for virtual in (*config.virtual_ipaddress, *config.virtual_ipaddress_excluded):
        longest = 128 if virtual.family == 6 else 32
        if not 0 <= virtual.prefix <= longest:
            return f"{config.name}: {virtual.address}/{virtual.prefix} has no prefix length of 0-{longest}"
    for address in (config.source, config.multicast_group, *(peer.address for peer in config.unicast_peers)):
        if address is not None and not _of_family(address, config.family):
            return f"{config.name}: {address} is no IPv{config.family} address, as the instance needs"
    return ""


def _of_family(address: str, family: int) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    except (OSError, ValueError):
        return False
    return True
