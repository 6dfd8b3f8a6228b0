"""The rules that `firewall` has nf_tables follow, as nft(8) reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vipbus.contracts import VirtualAddress, VrrpInstance
from vrrp_agent.interfaces import LINK_LOCAL
from vrrp_agent.placement import placed

TABLE = "vipbus_vrrp"
"""The name of our tables, in the families inet, ip and ip6."""
OWNER = 255
"""The priority of a router whose own the addresses are."""

_PRIORITY = 110
"""In the input hook: after IPVS, which takes what it balances at 98 and 99."""
_SAYABLE = re.compile(r'[^\s"\\*/]{1,15}')

Closed = frozenset[tuple[str, str]]
"""Devices and the addresses on them that take nothing."""
Below = frozenset[tuple[str, str, int]]
"""Devices with a virtual MAC, and the name and index of what each stands on."""


def closed(configs: Iterable[VrrpInstance]) -> Closed:
    """Say which addresses of these instances take nothing; an owner accepts what is sent to it."""
    return frozenset(
        (each.dev, each.address)
        for config in configs
        if not config.accept and config.priority != OWNER
        for each in placed(config)
        if isinstance(each, VirtualAddress)
    )


def accept_mode(closed: Closed) -> str:
    """Write the rules against what is sent to addresses that take nothing.

    A link-local address is one of its link's; any other is this host's wherever a packet comes in. What this
    host sends to itself is its own business.
    """
    local = sorted((dev, address) for dev, address in closed if address.startswith(LINK_LOCAL))
    others = {address for _, address in closed if not address.startswith(LINK_LOCAL)}
    table = f"inet {TABLE}"
    elements = {
        "closed4": sorted(each for each in others if ":" not in each),
        "closed6": sorted(each for each in others if ":" in each),
        "closed_local": [f"{_quoted(dev)} . {address}" for dev, address in local],
    }
    return "\n".join(
        (
            f"add table {table}",
            f"add set {table} closed4 {{ type ipv4_addr; }}",
            f"add set {table} closed6 {{ type ipv6_addr; }}",
            f"add set {table} closed_local {{ type ifname . ipv6_addr; }}",
            f"add chain {table} input {{ type filter hook input priority {_PRIORITY}; policy accept; }}",
            # never deleted and made again: in between packets would pass
            f"flush chain {table} input",
            *(f"flush set {table} {name}" for name in elements),
            f'add rule {table} input iif "lo" accept',
            f"add rule {table} input ip daddr @closed4 drop",
            f"add rule {table} input icmpv6 type {{ 133, 134, 135, 136 }} accept",
            f"add rule {table} input ip6 daddr @closed6 drop",
            f"add rule {table} input iifname . ip6 daddr @closed_local drop",
            *(
                f"add element {table} {name} {{ {', '.join(each)} }}"
                for name, each in elements.items()
                if each
            ),
            "",
        )
    )


def silence(family: str, below: Below) -> str:
    """Write the rules that move IGMP, or MLD, from devices with a virtual MAC to what they stand on."""
    table = f"{family} {TABLE}"
    what = "ip protocol igmp" if family == "ip" else "icmpv6 type { 131, 132, 143 }"
    pairs = ", ".join(f"{_quoted(device)} : {index}" for device, _, index in sorted(below))
    return "\n".join(
        (
            f"add table {table}",
            f"add map {table} below {{ type ifname : iface_index; }}",
            f"add chain {table} output {{ type filter hook output priority 0; policy accept; }}",
            f"flush chain {table} output",
            f"flush map {table} below",
            f"add rule {table} output {what} dup to {family} daddr device oifname map @below drop",
            f"add element {table} below {{ {pairs} }}",
            "",
        )
    )


def _quoted(device: str) -> str:
    if not _SAYABLE.fullmatch(device):
        raise ValueError(f"{device!r} is no interface's name")
    return f'"{device}"'
