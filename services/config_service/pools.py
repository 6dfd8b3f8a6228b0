"""What a virtual server and its pool cannot be, whichever language said so. Pure.

A finding names the field of the contract that it is about; each language knows its own word for it, and the
line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vipbus.contracts import RealServer, Tunnel, VirtualServer

FLAGGED: Final = ("sh", "mh")
"""Schedulers that heed flags: flag-1 is fallback, flag-2 port (ip_vs_sh.c, ip_vs_mh.c)."""
KEEPS_PORT: Final = ("DR", "TUN")
"""Forwarding methods that leave the packet's port as the client wrote it (ip_vs_xmit.c)."""

NOWHERE: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # nobody listens there
"""Stands for the address of a real server that is not known yet."""

CHECK_EVERY: Final = 5.0
"""Seconds between checks of a real server that comes from elsewhere, where nobody says how it is checked."""


class Finding(NamedTuple):
    """Something that is wrong, or has no effect."""

    field: str
    """Of the virtual server, or of the real server where there is one."""
    text: str
    fatal: bool
    real: int | None = None
    """Which real server it is about, by its place in the pool."""


def tunnel_problem(tunnel: Tunnel) -> str:
    """Say what no tunnel can be (ip_vs_xmit.c); empty when it can."""
    if tunnel.type == "gue" and not tunnel.port:
        return "a gue tunnel has no port; add the one that the real servers listen on"
    if tunnel.type != "gue" and tunnel.port:
        return f"{tunnel.type} has no ports; remove the port, or choose gue"
    if tunnel.type == "ipip" and tunnel.checksum != "none":
        return f"ipip has no checksum; remove {tunnel.checksum}, or choose gue or gre"
    if tunnel.type == "gre" and tunnel.checksum == "remcsum":
        return "gre has no remote checksum; write csum, or choose gue"
    return ""


def findings(virtual: VirtualServer, reals: Sequence[RealServer]) -> Iterator[Finding]:
    """Look at a virtual server with its pool."""
    yield from _scheduling(virtual)
    yield from _persistence(virtual)
    yield from _quorum(virtual, sum(real.weight for real in reals))
    yield from _sorry_server(virtual, reals)
    if virtual.ha_suspend and virtual.mark:
        yield Finding("ha_suspend", "has no effect here: a firewall mark has no address to wait for", False)
    if virtual.masquerade and not any(_method(virtual, real) == "NAT" for real in reals):
        yield Finding("masquerade", "has no effect here: nothing in this pool is forwarded by NAT", False)
    yield from _tunnel(virtual.tunnel, virtual.forwarding, None)
    family = family_of(virtual)
    for number, real in enumerate(reals):  # tens of thousands of them, and hardly ever a word to say
        method = real.forwarding or virtual.forwarding
        if real.tunnel is not None:
            yield from _tunnel(real.tunnel, method, number)
        if method != "TUN" and (6 if ":" in real.address else 4) != family:
            text = (
                f"{real.address} is IPv{10 - family} and the virtual server IPv{family}; only TUN forwards "
            )
            yield Finding("address", f"{text}between them", True, number)
        if real.lower_threshold > real.upper_threshold:
            upper = real.upper_threshold or "0, which is no limit"
            text = f"{real.lower_threshold} is above the upper one, {upper}; the kernel refuses that"
            yield Finding("lower_threshold", text, True, number)


def _method(virtual: VirtualServer, real: RealServer) -> str:
    return real.forwarding or virtual.forwarding


def _tunnel(tunnel: Tunnel | None, method: str, real: int | None) -> Iterator[Finding]:
    if tunnel is None:
        return
    if method != "TUN":
        yield Finding(
            "tunnel", f"has no effect here: the method is {method}, and only TUN has tunnels", False, real
        )
    if problem := tunnel_problem(tunnel):
        yield Finding("tunnel", problem, True, real)


def _scheduling(virtual: VirtualServer) -> Iterator[Finding]:
    flags, scheduler = virtual.scheduler_flags, virtual.scheduler
    if flags and scheduler not in FLAGGED:
        yield Finding(
            "scheduler_flags",
            f"has no effect here: the scheduler {scheduler} heeds no flags, only {' and '.join(FLAGGED)} do",
            False,
        )
    elif "flag-3" in flags:
        yield Finding(
            "scheduler_flags", f"flag-3 has no effect here: {scheduler} heeds flag-1 and flag-2", False
        )
    if virtual.one_packet and not virtual.mark and virtual.protocol != "UDP":
        yield Finding(
            "one_packet",
            f"only UDP is scheduled packet by packet, and this is {virtual.protocol}; remove one",
            True,
        )


def _persistence(virtual: VirtualServer) -> Iterator[Finding]:
    if virtual.persistence_engine == "sip" and not virtual.mark and virtual.protocol != "UDP":
        # a packet that the engine cannot read is dropped (ip_vs_pe_sip.c, ip_vs_sip_fill_param)
        yield Finding(
            "persistence_engine",
            f"sip reads UDP alone, and the kernel would drop all of {virtual.protocol}; remove it, or choose "
            "UDP",
            True,
        )
    prefix, family = virtual.persistence_prefix, family_of(virtual)
    if prefix is not None and family == 4 and prefix > 32:
        yield Finding("persistence_prefix", f"{prefix} is beyond the 32 bits of an IPv4 address", True)
    if virtual.persistence_timeout is None:
        for field, said in (
            ("persistence_engine", bool(virtual.persistence_engine)),
            ("persistence_prefix", prefix is not None),
        ):
            if said:
                yield Finding(field, "has no effect without persistence_timeout; add it", False)


def _quorum(virtual: VirtualServer, weight: int) -> Iterator[Finding]:
    # without programs and a sorry server nothing follows from a quorum
    if virtual.hysteresis and virtual.hysteresis >= virtual.quorum:
        yield Finding(
            "hysteresis",
            f"{virtual.hysteresis} is not below the quorum of {virtual.quorum}: it would be lost with the "
            "last real server alone; choose a smaller one",
            True,
        )
    if not weight:
        return  # whoever says so means it: checks may add weight, and maintenance has none
    if virtual.quorum > weight:
        yield Finding(
            "quorum",
            f"{virtual.quorum} is above the weight of the whole pool, {weight}: it can never be reached",
            False,
        )
    elif virtual.quorum + virtual.hysteresis > weight:
        yield Finding(
            "hysteresis",
            f"quorum and hysteresis, {virtual.quorum + virtual.hysteresis}, are above the weight of the "
            f"whole pool, {weight}: a quorum that is lost never comes back",
            False,
        )


def _sorry_server(virtual: VirtualServer, reals: Sequence[RealServer]) -> Iterator[Finding]:
    sorry = virtual.sorry_server
    if sorry is None:
        return
    if any((real.address, real.port) == (sorry.address, sorry.port) for real in reals):
        yield Finding(
            "sorry_server",
            f"{sorry.address} port {sorry.port} is a real server of the pool, too; name another",
            True,
        )
    if sorry.tunnel is not None and (problem := tunnel_problem(sorry.tunnel)):
        yield Finding("sorry_server", problem, True)
    family = 6 if ":" in sorry.address else 4
    if family != family_of(virtual) and sorry.forwarding != "TUN":
        yield Finding(
            "sorry_server",
            f"{sorry.address} is IPv{family} and the virtual server IPv{family_of(virtual)}; only TUN "
            "forwards between them",
            True,
        )


def family_of(virtual: VirtualServer) -> int:
    """Give the family of the packets: 4 or 6."""
    if virtual.mark:
        return virtual.family
    return 6 if ":" in virtual.address else 4
