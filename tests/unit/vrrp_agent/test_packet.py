"""Advertisements: what is written is read again, by us and by scapy; nothing else is, and nothing raises."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrrp_agent.packet import Advertisement, Drop, Expected, checksum, decode, encode

octets = st.integers(1, 254)
addresses = st.builds(lambda *parts: ".".join(map(str, parts)), octets, octets, octets, octets)


def advertisement(version: int = 3, **changes: object) -> Advertisement:
    fields: dict[str, object] = {
        "version": version,
        "virtual_router_id": 51,
        "priority": 100,
        "interval": 1.0,
        "addresses": ("10.9.0.100",),
        "source": "10.9.0.1",
    }
    return Advertisement(**{**fields, **changes})  # type: ignore[arg-type]  # the tests name real fields


def expected(sent: Advertisement) -> dict[int, Expected]:
    return {sent.virtual_router_id: Expected(version=sent.version, interval=sent.interval)}


def ip(payload: bytes, *, source: str = "10.9.0.1", destination: str = "224.0.0.18", ttl: int = 255) -> bytes:
    """Put an IP header before a payload, as a raw socket delivers it."""
    numbers = [bytes(map(int, each.split("."))) for each in (source, destination)]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0xC0, 20 + len(payload), 1, 0, ttl, 112, 0, *numbers) + payload


def with_checksum(message: bytes) -> bytes:
    """Correct a version 2 message's checksum after a change."""
    unsummed = message[:6] + b"\0\0" + message[8:]
    return unsummed[:6] + struct.pack("!H", checksum(unsummed)) + unsummed[8:]


advertisements = st.one_of(
    st.builds(
        Advertisement,
        version=st.just(2),
        virtual_router_id=st.integers(1, 255),
        priority=st.integers(0, 255),
        interval=st.integers(1, 255).map(float),
        addresses=st.lists(addresses, min_size=1, max_size=255).map(tuple),
        source=addresses,
    ),
    st.builds(
        Advertisement,
        version=st.just(3),
        virtual_router_id=st.integers(1, 255),
        priority=st.integers(0, 255),
        interval=st.integers(1, 4095).map(lambda hundredths: hundredths / 100),
        addresses=st.lists(addresses, min_size=1, max_size=255).map(tuple),
        source=addresses,
    ),
)


@given(advertisements)
def test_what_is_written_is_read_again(sent: Advertisement) -> None:
    assert decode(ip(encode(sent), source=sent.source), expected(sent)) == sent


@settings(deadline=None)  # the first example imports scapy
@given(advertisements)
def test_scapy_reads_the_same(sent: Advertisement) -> None:
    from scapy.layers.inet import IP  # noqa: PLC0415  # slow to import
    from scapy.layers.vrrp import VRRP, VRRPv3  # noqa: PLC0415

    packet = IP(ip(encode(sent), source=sent.source))
    layer = packet[VRRP if sent.version == 2 else VRRPv3]
    assert (layer.version, layer.vrid, layer.priority) == (
        sent.version,
        sent.virtual_router_id,
        sent.priority,
    )
    assert layer.ipcount == len(sent.addresses)
    assert tuple(layer.addrlist) == sent.addresses
    if sent.version == 2:
        assert (layer.adv, layer.authtype) == (sent.interval, 0)
        return
    assert layer.adv == round(sent.interval * 100)
    # without a checksum scapy computes its own, pseudo-header included
    written = layer.chksum
    del layer.chksum
    assert IP(bytes(packet))[VRRPv3].chksum == written


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("value", range(256))
def test_no_byte_can_change_unseen(version: int, value: int) -> None:
    sent = advertisement(version, addresses=("10.9.0.100", "10.9.0.101"))
    packet = ip(encode(sent))
    for at in range(20, len(packet)):
        changed = packet[:at] + bytes([value]) + packet[at + 1 :]
        found = decode(changed, expected(sent))
        assert (found == sent) == (changed == packet)
        assert changed == packet or isinstance(found, Drop)


@given(st.binary(max_size=200), st.integers(0, 255))
def test_noise_is_dropped_with_a_reason(noise: bytes, identifier: int) -> None:
    known = {identifier: Expected(version=3, interval=1.0)}
    assert isinstance(decode(noise, known), Drop | Advertisement)
    assert isinstance(decode(ip(noise), known), Drop | Advertisement)


@pytest.mark.parametrize("version", [2, 3])
def test_a_truncated_packet_is_dropped_at_every_length(version: int) -> None:
    sent = advertisement(version)
    packet = ip(encode(sent))
    for length in range(len(packet)):
        assert decode(packet[:length], expected(sent)) is Drop.LENGTH
    assert decode(packet + b"\0", expected(sent)) is Drop.LENGTH


V2 = encode(advertisement(2))
V3 = encode(advertisement(3))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ip(b""), Drop.LENGTH),
        (b"\x46" + ip(V2)[1:28], Drop.LENGTH),
        (b"\x44" + ip(V2)[1:], Drop.LENGTH),
        (ip(V2, ttl=254), Drop.TTL),
        (ip(b"\x41" + V2[1:]), Drop.VERSION),
        (ip(b"\x22" + V2[1:]), Drop.TYPE),
        (ip(V2[:1] + b"\x34" + V2[2:]), Drop.VRID),
        (ip(V3), Drop.VERSION),
        (ip(with_checksum(V2[:3] + b"\0" + V2[4:])), Drop.COUNT),
        (ip(with_checksum(V2[:3] + b"\x02" + V2[4:])), Drop.LENGTH),
        (ip(V2[:6] + b"\0\0" + V2[8:]), Drop.CHECKSUM),
        (ip(V2, destination="10.9.0.2"), Drop.DESTINATION),
        (ip(with_checksum(V2[:4] + b"\x01" + V2[5:])), Drop.AUTHENTICATION),
        (ip(with_checksum(V2[:5] + b"\x02" + V2[6:])), Drop.INTERVAL),
    ],
)
def test_each_fault_has_its_reason(packet: bytes, reason: Drop) -> None:
    assert decode(packet, expected(advertisement(2))) is reason


def test_version_3_sums_the_addresses_of_the_ip_header_too() -> None:
    known = expected(advertisement(3))
    assert decode(ip(V3), known) == advertisement(3)
    assert decode(ip(V3, source="10.9.0.2"), known) is Drop.CHECKSUM


def test_version_3_learns_an_interval_but_not_zero() -> None:
    known = expected(advertisement(3))
    other = advertisement(3, interval=0.25)
    assert decode(ip(encode(other)), known) == other
    assert decode(ip(encode(advertisement(3, interval=0.0))), known) is Drop.INTERVAL


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(bytes(8)) == 0xFFFF
    assert checksum(b"\xff\xff") == 0
