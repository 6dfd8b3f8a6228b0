"""What an instance must be to run beside others: asked where it is written, and again where it runs."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple

from vipbus.contracts.tokens import name_token
from vipbus.contracts.vrrp import VrrpInstance

_LONGEST = 40.95
"""Seconds that version 3's 12 bits of hundredths can say."""
_SLIGHT = 1e-6
"""What a hundredth may be off as a binary fraction."""
_MOST_ADDRESSES = 255
"""The count is one byte (RFC 9568 section 5.2.5)."""


class Fault(NamedTuple):
    """What keeps an instance from running, and the field that it is about."""

    field: str
    text: str


def unusable(config: VrrpInstance, others: Iterable[VrrpInstance] = ()) -> str:
    """Say why an instance cannot run beside the others; empty when it can."""
    found = fault(config, others)
    return found.text if found is not None else ""


def fault(config: VrrpInstance, others: Iterable[VrrpInstance] = ()) -> Fault | None:
    """Find why an instance cannot run beside the others; None when it can."""
    for other in others:
        if name_token(other.name) == name_token(config.name):
            return Fault("name", f"{config.name}: {other.name} has the same name; rename one")
        if clash(config, other):
            return Fault(
                "virtual_router_id",
                f"{config.name}: {other.name} is virtual router {config.virtual_router_id} on "
                f"{config.interface} already; give one another virtual_router_id",
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
    return bool(ours & theirs) if ours else group_of(config) == group_of(other)


def group_of(config: VrrpInstance) -> str:
    """Give where it advertises to (RFC 9568 section 5.1.1.2 and 5.1.2.2)."""
    return config.multicast_group or ("ff02::12" if config.family == 6 else "224.0.0.18")


def _out_of_range(config: VrrpInstance) -> Fault | None:
    interval = config.advert_int
    if not 1 <= config.virtual_router_id <= 255:
        return _fault(config, "virtual_router_id", f"{config.virtual_router_id} is not in 1-255")
    if not 1 <= config.priority <= 255:
        return _fault(config, "priority", f"{config.priority} is not in 1-255")
    if config.version == 2 and config.family == 6:
        return _fault(config, "version", "2 has no IPv6; set version 3")
    if config.version == 2 and interval not in range(1, 256):
        return _fault(config, "advert_int", f"{interval:g} is not 1-255 whole seconds, as version 2 asks")
    if config.version == 3 and not 0.01 <= interval <= _LONGEST:
        return _fault(config, "advert_int", f"{interval:g} is not in 0.01-{_LONGEST} s")
    if config.version == 3 and abs(interval * 100 - round(interval * 100)) > _SLIGHT:
        return _fault(config, "advert_int", f"{interval:g} is not in steps of 0.01 s, as version 3 asks")
    if not 1 <= config.down_timer_adverts <= 100:
        return _fault(config, "down_timer_adverts", f"{config.down_timer_adverts} is not in 1-100")
    return None


def _bad_addresses(config: VrrpInstance) -> Fault | None:
    if len(config.virtual_ipaddress) > _MOST_ADDRESSES:
        text = f"more than {_MOST_ADDRESSES} virtual addresses do not fit an advertisement"
        return Fault("virtual_ipaddress", f"{config.name}: {text}")
    for virtual in config.virtual_ipaddress:
        if virtual.family != config.family:
            text = f"{virtual.address} is not of IPv{config.family}, as the instance is; "
            return Fault("virtual_ipaddress", f"{config.name}: {text}make it a virtual_ipaddress_excluded")
    for field in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
        for virtual in getattr(config, field):
            longest = 128 if virtual.family == 6 else 32
            if not 0 <= virtual.prefix <= longest:
                text = f"{virtual.address}/{virtual.prefix} has no prefix length of 0-{longest}"
                return Fault(field, f"{config.name}: {text}")
    named = [("source", config.source), ("multicast_group", config.multicast_group)]
    for field, address in (*named, *(("unicast_peers", peer.address) for peer in config.unicast_peers)):
        if address is not None and not _of_family(address, config.family):
            text = f"{address} is no IPv{config.family} address, as the instance needs"
            return Fault(field, f"{config.name}: {text}")
    return None


def _fault(config: VrrpInstance, field: str, text: str) -> Fault:
    return Fault(field, f"{config.name}: {field} {text}")


def _of_family(address: str, family: int) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    except (OSError, ValueError):
        return False
    return True
