"""Gratuitous ARP and neighbour advertisements, beside an independent reader and writer; hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from vrrp_agent import neighbour_advertisement
from vrrp_agent.arp import announced, gratuitous

MAC = bytes.fromhex("020000000001")


def test_gratuitous_arp_as_scapy_reads_it() -> None:
    frame = gratuitous(bytes.fromhex("020000000001"), "10.9.0.100")
    read = Ether(frame)
    assert (read.dst, read.src) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    assert (read[ARP].op, read[ARP].psrc, read[ARP].pdst) == (1, "10.9.0.100", "10.9.0.100")
    assert announced(frame) == (bytes.fromhex("020000000001"), "10.9.0.100")
    # keepalived and arping -A announce by a reply
    reply = bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, psrc="10.9.0.7", pdst="10.9.0.7"))
    assert announced(reply) is not None
    request = bytes(Ether() / ARP(op=1, psrc="10.9.0.1", pdst="10.9.0.100"))
    assert announced(request) is None


@given(st.binary(max_size=80))
def test_noise_announces_nothing_and_never_raises(noise: bytes) -> None:
    assert announced(noise) is None or len(noise) >= 42


def test_a_gratuitous_arp_byte_by_byte() -> None:
    assert gratuitous(MAC, "10.9.0.100").hex(" ", 2) == (
        "ffff ffff ffff 0200 0000 0001 0806 "
        "0001 0800 0604 0001 0200 0000 0001 0a09 0064 0000 0000 0000 0a09 0064"
    )


def test_a_neighbour_advertisement_byte_by_byte() -> None:
    assert neighbour_advertisement.unsolicited(MAC, "fe80::1", router=True).hex(" ", 2) == (
        "3333 0000 0001 0200 0000 0001 86dd 6000 0000 0020 3aff fe80 0000 0000 0000 0000 0000 0000 0001 "
        "ff02 0000 0000 0000 0000 0000 0000 0001 8800 d79a a000 0000 fe80 0000 0000 0000 0000 0000 0000 0001 "
        "0201 0200 0000 0001"
    )


@pytest.mark.parametrize("router", [False, True])
def test_a_neighbour_advertisement_as_scapy_reads_it(router: bool) -> None:
    frame = neighbour_advertisement.unsolicited(MAC, "2001:db8::100", router=router)
    read = Ether(frame)
    assert (read.dst, read.src) == ("33:33:00:00:00:01", "02:00:00:00:00:01")
    assert (read[IPv6].src, read[IPv6].dst, read[IPv6].hlim) == ("2001:db8::100", "ff02::1", 255)
    advertisement = read[ICMPv6ND_NA]
    assert (int(router), 0, 1) == (advertisement.R, advertisement.S, advertisement.O)
    assert advertisement.tgt == "2001:db8::100"
    assert read[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    said = advertisement.cksum
    del advertisement.cksum
    assert Ether(bytes(read))[ICMPv6ND_NA].cksum == said
    assert neighbour_advertisement.announced(frame) == (MAC, "2001:db8::100")


def advertisement(*, hlim: int = 255, dst: str = "ff02::1", **fields: int) -> bytes:
    return bytes(
        Ether(src="02:00:00:00:00:07", dst="33:33:00:00:00:01")
        / IPv6(src="fe80::7", dst=dst, hlim=hlim)
        / ICMPv6ND_NA(**{"R": 0, "S": 0, "O": 1, **fields}, tgt="2001:db8::7")
        / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:07")
    )


def test_what_others_announce() -> None:
    hardware = bytes.fromhex("020000000007")
    assert neighbour_advertisement.announced(advertisement()) == (hardware, "2001:db8::7")
    for frame in (
        advertisement(hlim=254),
        advertisement(dst="fe80::1"),
        advertisement(S=1),
        advertisement(cksum=1),
        advertisement(code=1),
    ):
        assert neighbour_advertisement.announced(frame) is None


@given(st.binary(max_size=120))
def test_noise_is_no_advertisement(noise: bytes) -> None:
    assert neighbour_advertisement.announced(noise) is None


@given(st.integers(0, 85), st.integers(0, 255))
def test_a_damaged_advertisement_never_raises(at: int, value: int) -> None:
    frame = neighbour_advertisement.unsolicited(MAC, "2001:db8::100", router=False)
    damaged = frame[:at] + bytes([value]) + frame[at + 1 :]
    found = neighbour_advertisement.announced(damaged)
    # the checksum covers the addresses and the message; the Ethernet addresses are covered by nothing
    assert found is None or damaged[12:] == frame[12:] or at in range(14, 18)


@given(st.integers(0, 86))
def test_a_short_advertisement_never_raises(length: int) -> None:
    frame = neighbour_advertisement.unsolicited(MAC, "2001:db8::100", router=False)
    assert (neighbour_advertisement.announced(frame[:length]) is None) == (length < len(frame))
