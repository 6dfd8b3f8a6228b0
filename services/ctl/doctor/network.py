"""Interfaces and the kernel's settings of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ctl.doctor.finding import Finding, advice, ok, problem
from ctl.doctor.host import Host
from vipbus.contracts import VrrpInstance
from vipbus.runtime.needs import lacking, needs
from vipbus.runtime.revision import Revision

Setting = Callable[[str], str | None]
"""Gives a sysctl by name; None where there is none."""


def interfaces(host: Host, revision: Revision) -> Iterator[Finding]:
    """Look at the interface of each instance."""
    there = {each.name: each for each in host.interfaces}
    for instance in revision.instances:
        found = there.get(instance.interface)
        where = f"{instance.name}: interface {instance.interface}"
        if found is None:
            names = ", ".join(each for each in there if each != "lo") or "none"
            yield problem("interfaces", f"{where} is not there", f"name one of this host's: {names}")
        elif not found.up:
            yield problem("interfaces", f"{where} is down", f"ip link set {instance.interface} up")
        elif not instance.unicast_peers and not found.multicast:
            yield problem(
                "interfaces",
                f"{where} has no multicast, and the instance advertises by it",
                f"ip link set {instance.interface} multicast on, or name the routers in unicast_peer",
            )
        else:
            yield ok("interfaces", f"{where} is up")


def sysctls(host: Host, revision: Revision, read: Setting) -> Iterator[Finding]:
    """Look at the settings that the table and the addresses need."""
    lacks = lacking(needs(revision, host.addresses, "clear"), read)
    for need in lacks:
        make = problem if need.kind == "problem" else advice
        what, _, remedy = need.text.rpartition(": " if need.kind == "problem" else "; ")
        yield make("sysctls", what or need.text, remedy)
    for instance in revision.instances:
        yield from _filter(instance, read)
    if not lacks:
        yield ok("sysctls", "what the table needs is set")


def _filter(instance: VrrpInstance, read: Setting) -> Iterator[Finding]:
    """Strict reverse path filtering drops what comes in by another interface than the answer would go out."""
    if instance.virtual_mac is None or instance.family != 4:
        return
    values = [read(f"net.ipv4.conf.{name}.rp_filter") for name in ("all", instance.interface)]
    if "1" in values and "2" not in values:
        yield advice(
            "sysctls",
            f"{instance.name}: rp_filter is strict on {instance.interface}, whose virtual MAC is a device of "
            "its own: what clients send to it may be dropped",
            f"sysctl -w net.ipv4.conf.{instance.interface}.rp_filter=2",
        )


def real_server(address: str, host: Host, read: Setting) -> Iterator[Finding]:
    """Look at this host as a real server of direct routing: it has the address, and must not answer for it.

    Both settings count by the higher of ``all`` and the interface that is asked (ip-sysctl.rst).
    """
    if address in host.addresses:
        yield ok("arp", f"{address} is an address of this host")
    else:
        yield problem(
            "arp",
            f"{address} is no address of this host, so what is sent to it here is dropped",
            f"ip address add {address}/{128 if ':' in address else 32} dev lo",
        )
    if ":" in address:
        return  # an address of lo is not answered for by neighbour discovery
    outside = [each.name for each in host.interfaces if each.arp and each.name != "lo"]
    for name, least, why in (
        ("arp_ignore", 1, f"it answers ARP for {address}, and clients come here past the balancer"),
        ("arp_announce", 2, f"it asks by ARP in the name of {address}, and neighbours learn this host's MAC"),
    ):
        default = _number(read(f"net.ipv4.conf.all.{name}"))
        low = [
            each for each in outside if max(default, _number(read(f"net.ipv4.conf.{each}.{name}"))) < least
        ]
        if low:
            yield problem(
                "arp",
                f"{name} is too low on {', '.join(low)}: {why}",
                f"sysctl -w net.ipv4.conf.all.{name}={least}",
            )
        else:
            yield ok("arp", f"{name} is {least} or more on every interface")


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
