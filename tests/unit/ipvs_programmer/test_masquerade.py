"""Which virtual servers are masqueraded, and the rules as nft and iptables-restore read them."""

from __future__ import annotations

from typing import Any

import msgspec

from ipvs_programmer.masquerade import (
    Marked,
    Masked,
    Service,
    iptables_ours,
    iptables_removal,
    iptables_script,
    masked,
    nft_script,
)
from tests.unit.health_prober.documents import revision
from tests.unit.ipvs_programmer.world import real_server, virtual_server
from vipbus.contracts import RealServer, SorryServer, VirtualServer


def of(*servers: VirtualServer, reals: tuple[RealServer, ...] | None = None) -> Masked:
    if reals is None:
        reals = tuple(real_server("10.9.0.21", of=server) for server in servers)
    return masked(msgspec.structs.replace(revision(*reals), virtual_servers=servers))


def masking(**settings: Any) -> VirtualServer:
    return virtual_server(masquerade=True, **settings)


WEB = Service("tcp", "10.9.0.1", 80)


def test_only_what_asks_for_it_and_forwards_by_nat() -> None:
    assert of(masking(), virtual_server(port=81)) == Masked(frozenset((WEB,)))
    assert not of(masking(forwarding="DR"))
    mixed = msgspec.structs.replace(real_server("10.9.0.22", of=masking()), forwarding="NAT")
    assert of(masking(forwarding="DR"), reals=(mixed,)) == Masked(frozenset((WEB,)))
    sorry = SorryServer(address="10.9.0.99", port=80, forwarding="NAT")
    assert of(masking(forwarding="DR", sorry_server=sorry)) == Masked(frozenset((WEB,)))
    assert not masked(None)


def test_a_mark_names_its_real_servers() -> None:
    marked = VirtualServer(router="router-a", mark=7, scheduler="rr", forwarding="NAT", masquerade=True)
    assert of(marked) == Masked(marks=frozenset((Marked(4, 7, ("10.9.0.21",)),)))


MANY = Masked(
    frozenset(
        (WEB, Service("tcp", "10.9.0.2", 80), Service("udp", "10.9.0.1", 0), Service("tcp", "fd00::1", 443))
    ),
    frozenset((Marked(4, 7, ("10.9.0.21", "10.9.0.22")),)),
)


def test_nft() -> None:
    rules = [
        line.removeprefix("add rule inet vipbus_masquerade postrouting ")
        for line in nft_script(MANY).splitlines()
        if line.startswith("add rule")
    ]
    assert rules == [
        "ct original ip daddr . ip daddr @own_ip return",
        "meta l4proto tcp ct original proto-dst 80 ct original ip daddr @tcp_80_ip masquerade",
        "meta l4proto udp ct original ip daddr @udp_any_ip masquerade",
        "meta mark . ip daddr @marks_ip masquerade",
        "ct original ip6 daddr . ip6 daddr @own_ip6 return",
        "meta l4proto tcp ct original proto-dst 443 ct original ip6 daddr @tcp_443_ip6 masquerade",
    ]
    assert "add element inet vipbus_masquerade tcp_80_ip { 10.9.0.1, 10.9.0.2 }" in nft_script(MANY)
    # one transaction: between the old rules and the new ones there is no packet
    assert nft_script(MANY).startswith(
        "add table inet vipbus_masquerade\ndelete table inet vipbus_masquerade\n"
    )


JUMP = "-A POSTROUTING -m ipvs --ipvs -j vipbus_masquerade"
FOREIGN = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth9 -j MASQUERADE\nCOMMIT\n"


def test_iptables() -> None:
    assert iptables_script(MANY.of(4), FOREIGN).splitlines() == [
        "*nat",
        ":vipbus_masquerade - [0:0]",
        "-A vipbus_masquerade -p tcp -m ipvs --vaddr 10.9.0.1 --vport 80 --vmethod MASQ -j MASQUERADE",
        "-A vipbus_masquerade -p tcp -m ipvs --vaddr 10.9.0.2 --vport 80 --vmethod MASQ -j MASQUERADE",
        "-A vipbus_masquerade -p udp -m ipvs --vaddr 10.9.0.1 --vmethod MASQ -j MASQUERADE",
        "-A vipbus_masquerade -m mark --mark 7 -m ipvs --ipvs --vmethod MASQ -j MASQUERADE",
        "-I POSTROUTING 1 -m ipvs --ipvs -j vipbus_masquerade",
        "COMMIT",
    ]
    # the way to our chain is made once
    assert "POSTROUTING" not in iptables_script(MANY.of(4), f"{FOREIGN}{JUMP}\n")


def test_iptables_removes_what_is_ours_alone() -> None:
    assert iptables_removal(FOREIGN) == ""
    listing = f":vipbus_masquerade - [0:0]\n{FOREIGN}{JUMP}\n{JUMP}\n-A vipbus_masquerade -j MASQUERADE\n"
    assert iptables_removal(listing).splitlines() == [
        "*nat",
        ":vipbus_masquerade - [0:0]",
        JUMP.replace("-A", "-D", 1),
        JUMP.replace("-A", "-D", 1),
        "-X vipbus_masquerade",
        "COMMIT",
    ]
    assert all("eth9" not in line for line in iptables_ours(listing))
