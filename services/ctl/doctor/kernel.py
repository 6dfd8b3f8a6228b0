"""Does the kernel have what the configuration needs, and may we use it?"""

from __future__ import annotations

from collections.abc import Iterator

from ctl.doctor.finding import Finding, advice, ok, problem, unknown
from ctl.doctor.host import Host
from vipbus.runtime.privileges import Capability, missing
from vipbus.runtime.revision import Revision

_NEEDED = (Capability.NET_ADMIN, Capability.NET_RAW)


def privileges(host: Host) -> Iterator[Finding]:
    """Look at what this process may do; `vipbus run` started the same way may do the same."""
    lacks = missing(_NEEDED, host.capabilities)
    if lacks:
        names = " and ".join(map(str, lacks))
        yield problem(
            "privileges",
            f"{names} missing: a router started like this could neither elect nor write the table",
            f"run it as root, or give it {names} (AmbientCapabilities=, --cap-add)",
        )
    else:
        yield ok("privileges", "CAP_NET_ADMIN and CAP_NET_RAW are there")
    for number in host.rivals:
        yield problem(
            "privileges",
            f"keepalived runs on this host too (process {number}): both would write addresses and table",
            "systemctl disable --now keepalived",
        )


def kernel(host: Host, revision: Revision | None) -> Iterator[Finding]:
    """Look for IPVS, its schedulers, and what the instances' devices need."""
    if host.ipvs:
        yield ok("kernel", "IPVS is there")
    else:
        yield _module(host, "ip_vs", "the kernel's IPVS")
    if revision is None:
        return
    for scheduler in sorted({each.scheduler for each in revision.virtual_servers}):
        yield _module(host, f"ip_vs_{scheduler}", f"the scheduler {scheduler}")
    kinds = {each.virtual_mac.kind for each in revision.instances if each.virtual_mac is not None}
    for kind in sorted(kinds):
        yield _module(host, kind, f"devices of the kind {kind} for virtual MACs")
    if any(each.masquerade for each in revision.virtual_servers):
        yield _module(host, "nf_conntrack", "connection tracking for masquerade")


def _module(host: Host, name: str, what: str) -> Finding:
    if name in host.loaded:
        return ok("kernel", f"{what} is there ({name})")
    if host.available is None:
        return unknown(
            "kernel",
            f"{what} is not loaded, and this host has no list of modules for {host.release}",
            f"modprobe {name}",
        )
    if name in host.available:
        return advice(
            "kernel",
            f"{what} can be loaded and is not ({name})",
            f"echo {name} > /etc/modules-load.d/vipbus.conf && modprobe {name}",
        )
    return problem(
        "kernel",
        f"{what} is missing: kernel {host.release} has no module {name}",
        "boot a kernel that has it, or leave out what needs it",
    )
