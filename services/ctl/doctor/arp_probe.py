"""Ask by ARP who answers for a virtual address: a real server of direct routing must not.

The question is RFC 5227's probe, with no address of the sender, so no neighbour learns anything from it.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator

import msgspec

from ctl.doctor.finding import Finding, ok, problem, unknown

_ETH_P_ARP = 0x0806
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6
_WAIT = 0.5
"""Seconds for answers on a local network."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered for an address."""

    address: str
    interface: str
    here: bool
    """True: it is an address of this host, so nobody else is to answer."""
    macs: tuple[str, ...] = ()
    trouble: str = ""
    """Why it could not be asked."""


def probe(address: str, mac: bytes) -> bytes:
    """Make the frame."""
    return _ETHERNET.pack(_BROADCAST, mac, _ETH_P_ARP) + _ARP.pack(
        1, 0x0800, 6, 4, _REQUEST, mac, bytes(4), bytes(6), socket.inet_aton(address)
    )


def answering(frame: bytes, address: str) -> str | None:
    """Give the MAC of who answers for an address in this frame; None: it is no such answer."""
    if len(frame) < _ETHERNET.size + _ARP.size:
        return None
    kind, protocol, length, size, what, mac, sender, _, _ = _ARP.unpack_from(frame, _ETHERNET.size)
    if (kind, protocol, length, size, what) != (1, 0x0800, 6, 4, _REPLY):
        return None
    return mac.hex(":") if sender == socket.inet_aton(address) else None


def ask(address: str, interface: str, *, here: bool) -> Answers:
    """Ask and wait; for IPv4."""
    macs: set[str] = set()
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as wire:
            wire.bind((interface, _ETH_P_ARP))
            own = bytes(wire.getsockname()[4])
            wire.send(probe(address, own))
            deadline = time.monotonic() + _WAIT
            while (left := deadline - time.monotonic()) > 0 and select.select([wire], [], [], left)[0]:
                mac = answering(wire.recv(2048), address)
                if mac is not None and mac != own.hex(":"):
                    macs.add(mac)
    except (OSError, ValueError) as error:
        return Answers(address=address, interface=interface, here=here, trouble=str(error))
    return Answers(address=address, interface=interface, here=here, macs=tuple(sorted(macs)))


def arp(found: Iterable[Answers]) -> Iterator[Finding]:
    """Judge who answered."""
    for each in found:
        where = f"{each.address} on {each.interface}"
        if each.trouble:
            yield unknown("arp", f"nobody could be asked about {where}: {each.trouble}", "run it as root")
            continue
        strangers = each.macs if each.here else each.macs[1:] and each.macs
        if strangers:
            yield problem(
                "arp",
                f"{where}: {' and '.join(strangers)} answer{'s' if len(strangers) == 1 else ''} for it"
                f"{', and it belongs to this router' if each.here else ''}",
                "on each real server with such a MAC: sysctl -w net.ipv4.conf.all.arp_ignore=1 "
                "net.ipv4.conf.all.arp_announce=2; then `vipbus doctor --real-server ADDRESS` there",
            )
        elif each.here:
            yield ok("arp", f"{where}: no other host answers for it")
        elif each.macs:
            yield ok("arp", f"{where}: one host answers for it, {each.macs[0]}")
        else:
            yield ok("arp", f"{where}: nobody answers for it")
