"""Instances and packets to test with: one of every kind, and IP headers as raw sockets deliver them."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from vipbus.contracts import VirtualAddress, VrrpInstance
from vipbus.contracts.vrrp import Hmac, HmacKey, UnicastPeer
from vrrp_agent.checksum import checksum
from vrrp_agent.datagram import Datagram, from_ipv4
from vrrp_agent.expected import Expected, pack
from vrrp_agent.packet import compose, seal

SECRETS = {
    "password": "hunter2",
    "one": "hex:" + bytes(range(32)).hex(),
    "two": "the second key of this instance, as text",
}
HMAC = Hmac(keys=(HmacKey(id=1, secret="one"), HmacKey(id=2, secret="two")), active_key=1)
SOURCE = {4: "10.9.0.1", 6: "fe80::1"}
ADDRESSES = {4: ("10.9.0.100", "10.9.0.101"), 6: ("fe80::100", "fd00::100")}


def config(*, family: int = 4, **changes: Any) -> VrrpInstance:
    """Make an instance; keywords replace its settings."""
    base = VrrpInstance(
        router="a",
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        family=6 if family == 6 else 4,
        version=3 if family == 6 else 2,
        virtual_ipaddress=tuple(
            VirtualAddress(address=each, prefix=64 if family == 6 else 24, dev="eth0")
            for each in ADDRESSES[family]
        ),
    )
    return msgspec.structs.replace(base, **changes)


def expected(**settings: Any) -> Expected:
    """Make what an instance expects; nothing is wrong with it."""
    made = Expected.of(config(**settings), SECRETS)
    assert made.problem == ""
    return made


KINDS: dict[str, Expected] = {
    "v2": expected(),
    "v2-pass": expected(auth_pass="password"),
    "v2-hmac": expected(hmac=HMAC),
    "v2-unicast": expected(unicast_peers=(UnicastPeer(address="10.9.0.1"),)),
    "v3": expected(version=3),
    "v3-as-v2": expected(version=3, checksum_as_v2=True),
    "v3-hmac": expected(version=3, hmac=HMAC),
    "v3-unicast": expected(version=3, unicast_peers=(UnicastPeer(address="10.9.0.1"),)),
    "v3-group": expected(version=3, multicast_group="239.1.2.3"),
    "v3-ipv6": expected(family=6),
    "v3-ipv6-hmac": expected(family=6, hmac=HMAC),
    "v3-ipv6-unicast": expected(family=6, unicast_peers=(UnicastPeer(address="fe80::1"),)),
}
"""An instance of every kind that differs on the wire."""


def destination_of(instance: Expected) -> str:
    """Where the other router of an instance sends to: the group, or this router."""
    return instance.group or ("fe80::2" if instance.family == 6 else "10.9.0.2")


def message(
    instance: Expected, priority: int = 100, *, sequence: int = 1 << 32, destination: str = ""
) -> bytes:
    """Write what the other router of an instance sends."""
    source = pack(SOURCE[instance.family])
    unsummed = compose(instance, priority)
    trailer = instance.keyring.sign(source, unsummed, sequence) if instance.keyring is not None else b""
    return seal(unsummed, instance, source, pack(destination or destination_of(instance)), trailer)


def ipv4(
    payload: bytes, *, source: str = "10.9.0.1", destination: str = "224.0.0.18", ttl: int = 255
) -> bytes:
    """Put an IP header before a payload, as a raw socket delivers it."""
    numbers = (pack(source), pack(destination))
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0xC0, 20 + len(payload), 1, 0, ttl, 112, 0, *numbers) + payload


def packet(instance: Expected, payload: bytes | None = None, **header: Any) -> Datagram:
    """Receive a payload as the instance would; keywords replace what the IP header says."""
    payload = message(instance) if payload is None else payload
    source = header.get("source", SOURCE[instance.family])
    destination = header.get("destination", destination_of(instance))
    ttl = header.get("ttl", 255)
    if instance.family == 6:
        return Datagram(pack(source), pack(destination), ttl, payload)
    heard = from_ipv4(ipv4(payload, source=source, destination=destination, ttl=ttl))
    assert heard is not None
    return heard


def summed_anew(payload: bytes) -> bytes:
    """Correct the checksum of a version 2 message after a change."""
    unsummed = payload[:6] + b"\0\0" + payload[8:]
    return unsummed[:6] + struct.pack("!H", checksum(unsummed)) + unsummed[8:]
