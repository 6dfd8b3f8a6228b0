"""Advertisements on the wire: written and read again, damaged in every way, and seen by scapy."""

from __future__ import annotations

import socket

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.vrrp_agent.packets import (
    ADDRESSES,
    KINDS,
    SOURCE,
    config,
    destination_of,
    expected,
    ipv4,
    message,
    packet,
    summed_anew,
)
from vipbus.contracts.vrrp import UnicastPeer
from vrrp_agent.checksum import checksum
from vrrp_agent.datagram import Datagram, from_ipv4
from vrrp_agent.directory import Directory
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected
from vrrp_agent.packet import Advertisement, decode, encode

every_kind = pytest.mark.parametrize("kind", KINDS)


def take(datagram: Datagram, instance: Expected, now: float = 1.0) -> Advertisement | Drop:
    """Receive as `vrrp_agent.wire` does: find out who is meant, then decode."""
    directory = Directory()
    directory.put("vi_1", instance)
    found = directory.find(datagram)
    return found if isinstance(found, Drop) else decode(datagram, found[1], now)


def sent(instance: Expected, priority: int = 100) -> Advertisement:
    """What `message` says."""
    return Advertisement(
        version=instance.version,
        family=instance.family,
        virtual_router_id=51,
        priority=priority,
        interval=instance.interval,
        addresses=ADDRESSES[instance.family],
        source=SOURCE[instance.family],
    )


# ---- as a property: whatever an instance may be, what it writes is read again


ipv4_addresses = st.binary(min_size=4, max_size=4).map(socket.inet_ntoa)
ipv6_addresses = st.binary(min_size=16, max_size=16).map(lambda raw: socket.inet_ntop(socket.AF_INET6, raw))
unicast_sources = ipv4_addresses.filter(lambda each: not 224 <= int(each.split(".")[0]) < 240)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Expected, Advertisement, str]:
    """An instance, an advertisement for it, and where that goes."""
    family = draw(st.sampled_from((4, 6)))
    version = draw(st.sampled_from((2, 3))) if family == 4 else 3
    addresses = ipv6_addresses if family == 6 else ipv4_addresses
    source = draw(addresses if family == 6 else unicast_sources)
    unicast = draw(st.booleans())
    interval = draw(st.integers(1, 255).map(float) if version == 2 else st.integers(1, 4095).map(_hundredths))
    instance = expected(
        family=family,
        version=version,
        virtual_router_id=draw(st.integers(1, 255)),
        advert_int=interval,
        checksum_as_v2=draw(st.booleans()),
        auth_pass="password" if version == 2 and draw(st.booleans()) else None,
        unicast_peers=(UnicastPeer(address=source),) if unicast else (),
    )
    said = Advertisement(
        version=version,
        family=family,
        virtual_router_id=instance.virtual_router_id,
        priority=draw(st.integers(0, 255)),
        interval=interval,
        addresses=tuple(draw(st.lists(addresses, min_size=1, max_size=255))),
        source=source,
    )
    return instance, said, destination_of(instance)


def _hundredths(number: int) -> float:
    return number / 100


@given(conversations())
def test_what_is_written_is_read_again(conversation: tuple[Expected, Advertisement, str]) -> None:
    instance, said, to = conversation
    payload = encode(said, instance, to)
    assert take(packet(instance, payload, source=said.source, destination=to), instance) == said


@settings(deadline=None)  # the first example imports scapy
@given(conversations())
def test_scapy_reads_the_same(conversation: tuple[Expected, Advertisement, str]) -> None:
    from scapy.layers.inet import IP  # noqa: PLC0415  # slow to import
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415
    from scapy.layers.vrrp import VRRP, VRRPv3  # noqa: PLC0415

    instance, said, to = conversation
    payload = encode(said, instance, to)
    below, kind = (IPv6, VRRPv3) if said.family == 6 else (IP, VRRP if said.version == 2 else VRRPv3)
    header = {"nh": 112, "hlim": 255} if said.family == 6 else {"proto": 112, "ttl": 255}
    seen = below(bytes(below(src=said.source, dst=to, **header) / payload))
    layer = seen[kind]
    assert (layer.version, layer.type, layer.vrid) == (said.version, 1, said.virtual_router_id)
    assert (layer.priority, layer.ipcount) == (said.priority, len(said.addresses))
    assert tuple(layer.addrlist) == said.addresses
    if said.version == 2:
        assert (layer.adv, layer.authtype) == (said.interval, 1 if instance.password else 0)
        data = layer.auth1.to_bytes(4, "big") + layer.auth2.to_bytes(4, "big")
        assert data == (b"hunter2\0" if instance.password else bytes(8))
    else:
        assert layer.adv == round(said.interval * 100)
    if said.version == 3 and said.family == 4 and not instance.pseudo_header:
        assert checksum(payload) == 0
        return
    # without a checksum scapy computes its own, the pseudo-header of version 3 included
    written = layer.chksum
    del layer.chksum
    assert below(bytes(seen))[kind].chksum == written


# ---- damage


@every_kind
def test_no_byte_can_change_unseen(kind: str) -> None:
    instance = KINDS[kind]
    payload = message(instance)
    assert take(packet(instance, payload), instance) == sent(instance)
    for at in range(len(payload)):
        for value in set(range(256)) - {payload[at]}:
            changed = payload[:at] + bytes([value]) + payload[at + 1 :]
            assert isinstance(take(packet(instance, changed), instance), Drop), (at, value)


@every_kind
def test_a_packet_is_dropped_at_every_length_but_its_own(kind: str) -> None:
    instance = KINDS[kind]
    payload = message(instance)
    for length in range(len(payload)):
        reason = take(packet(instance, payload[:length]), instance)
        # without its whole trailer, but with all that comes before, it is one that was never signed
        whole = instance.keyring is not None and length == len(payload) - 28
        assert reason is (Drop.UNSIGNED if whole else Drop.LENGTH), length
    for more in (b"\0", bytes(8), bytes(28)):
        assert isinstance(take(packet(instance, payload + more), instance), Drop)


@given(st.binary(max_size=200), st.sampled_from(sorted(KINDS)), st.integers(0, 255))
def test_noise_is_dropped_with_a_reason(noise: bytes, kind: str, ttl: int) -> None:
    instance = KINDS[kind]
    heard = from_ipv4(noise)
    assert heard is None or isinstance(take(heard, instance), Drop)
    assert isinstance(take(packet(instance, noise, ttl=ttl), instance), Drop)
    # the same with a beginning that is looked at further
    plausible = bytes((instance.version << 4 | 1, 51)) + noise
    assert isinstance(take(packet(instance, plausible, ttl=ttl), instance), Drop)


@given(st.binary(max_size=80))
def test_an_ip_header_is_whole_or_there_is_no_datagram(noise: bytes) -> None:
    heard = from_ipv4(noise)
    length = (noise[0] & 0x0F) * 4 if noise else 0
    assert (heard is not None) == (20 <= length <= len(noise))
    assert heard is None or heard.message == noise[length:]


def test_options_before_a_message_are_skipped() -> None:
    whole = ipv4(message(KINDS["v2"]))
    assert from_ipv4(b"\x46" + whole[1:20] + bytes(4) + whole[20:]) == from_ipv4(whole)


# ---- every fault has its reason


V2, V3, PASS = message(KINDS["v2"]), message(KINDS["v3"]), message(KINDS["v2-pass"])


@pytest.mark.parametrize(
    ("kind", "payload", "header", "reason"),
    [
        ("v2", b"", {}, Drop.LENGTH),
        ("v2", V2[:7], {}, Drop.LENGTH),
        ("v2", V2[:1] + b"\x34" + V2[2:], {}, Drop.VRID),
        ("v2", V2, {"ttl": 254}, Drop.TTL),
        ("v3-ipv6", message(KINDS["v3-ipv6"]), {"ttl": 1}, Drop.TTL),
        ("v2", b"\x41" + V2[1:], {}, Drop.VERSION),
        ("v2", V3, {}, Drop.VERSION),
        ("v3", V2, {}, Drop.VERSION),
        ("v2", summed_anew(V2[:3] + b"\x03" + V2[4:]), {}, Drop.LENGTH),
        ("v2", PASS, {}, Drop.AUTHENTICATION),
        ("v2-pass", V2, {}, Drop.AUTHENTICATION),
        ("v2", summed_anew(V2[:4] + b"\x02" + V2[5:]), {}, Drop.AUTHENTICATION),
        ("v2-pass", summed_anew(PASS[:-8] + b"hunter3\0"), {}, Drop.PASSWORD),
        ("v2", summed_anew(V2[:5] + b"\x02" + V2[6:]), {}, Drop.INTERVAL),
        ("v2", summed_anew(b"\x22" + V2[1:]), {}, Drop.TYPE),
        ("v2", summed_anew(V2[:3] + b"\0" + V2[4:8] + bytes(8)), {}, Drop.COUNT),
        ("v3", message(expected(version=3, advert_int=0.0)), {}, Drop.INTERVAL),
        ("v2", V2[:6] + b"\0\0" + V2[8:], {}, Drop.CHECKSUM),
        ("v3", V3, {"source": "10.9.0.3"}, Drop.CHECKSUM),
        ("v3", message(KINDS["v3-as-v2"]), {}, Drop.PSEUDO_HEADER),
        ("v3-as-v2", V3, {}, Drop.PSEUDO_HEADER),
        ("v3-ipv6", message(KINDS["v3-ipv6"]), {"source": "fe80::3"}, Drop.CHECKSUM),
        ("v2", V2, {"destination": "239.1.2.3"}, Drop.DESTINATION),
        ("v3-group", message(KINDS["v3-group"], destination="224.0.0.18"), {"destination": "224.0.0.18"},
         Drop.DESTINATION),
        ("v2", V2, {"destination": "10.9.0.2", "ttl": 3}, Drop.UNICAST),
        ("v2-unicast", V2, {"destination": "224.0.0.18"}, Drop.MULTICAST),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(
    kind: str, payload: bytes, header: dict[str, object], reason: Drop
) -> None:
    assert take(packet(KINDS[kind], payload, **header), KINDS[kind]) is reason


@pytest.mark.parametrize("reason", Drop)
def test_each_reason_has_words(reason: Drop) -> None:
    assert reason.words
    assert reason.words == reason.words.strip(".")


# ---- what differs and is all right


@pytest.mark.parametrize(
    ("peers", "only_peers", "source", "ttl", "reason"),
    [
        ([UnicastPeer(address="10.9.0.1")], False, "10.9.0.1", 3, None),
        ([UnicastPeer(address="10.9.0.1")], False, "10.9.0.7", 3, None),
        ([UnicastPeer(address="10.9.0.1")], True, "10.9.0.7", 3, Drop.PEER),
        ([UnicastPeer(address="10.9.0.1")], True, "10.9.0.1", 3, None),
        ([UnicastPeer(address="10.9.0.1", min_ttl=64)], False, "10.9.0.1", 63, Drop.TTL),
        ([UnicastPeer(address="10.9.0.1", min_ttl=64)], False, "10.9.0.1", 64, None),
        ([UnicastPeer(address="10.9.0.1", max_ttl=64)], False, "10.9.0.1", 65, Drop.TTL),
        ([UnicastPeer(address="10.9.0.1", max_ttl=64)], False, "10.9.0.1", 64, None),
        # a limit for one peer is no limit for nobody's (keepalived.conf(5): it turns check_unicast_src on)
        ([UnicastPeer(address="10.9.0.1", min_ttl=255)], False, "10.9.0.7", 255, Drop.PEER),
        ([UnicastPeer(address="10.9.0.7"), UnicastPeer(address="10.9.0.1", min_ttl=9)], False, "10.9.0.7", 1,
         None),
    ],
)  # fmt: skip
def test_who_is_heard_by_unicast(
    peers: list[UnicastPeer], only_peers: bool, source: str, ttl: int, reason: Drop | None
) -> None:
    instance = expected(unicast_peers=tuple(peers), check_unicast_source=only_peers)
    found = take(packet(instance, V2, source=source, ttl=ttl), instance)
    if reason is None:
        assert isinstance(found, Advertisement)
        assert found.source == source
    else:
        assert found is reason


def test_version_3_learns_an_interval() -> None:
    other = message(expected(version=3, advert_int=0.25))
    found = take(packet(KINDS["v3"], other), KINDS["v3"])
    assert found == msgspec.structs.replace(sent(KINDS["v3"]), interval=0.25)


def test_an_election_without_addresses_has_advertisements_without_any() -> None:
    instance = expected(version=3, virtual_ipaddress=())
    found = take(packet(instance), instance)
    assert isinstance(found, Advertisement)
    assert found.addresses == ()


def test_other_addresses_than_ours_are_the_caller_s_to_judge() -> None:
    found = take(packet(KINDS["v3"], message(expected(version=3, virtual_ipaddress=()))), KINDS["v3"])
    assert found is Drop.COUNT
    less = expected(version=3, virtual_ipaddress=config().virtual_ipaddress[:1])
    found = take(packet(less, V3), less)
    assert isinstance(found, Advertisement)
    assert found.addresses == ADDRESSES[4]


def test_whatever_stands_behind_addresses_without_authentication_is_ignored() -> None:
    assert take(packet(KINDS["v2"], summed_anew(V2[:-8] + b"leftover")), KINDS["v2"]) == sent(KINDS["v2"])


def test_a_password_is_cut_and_filled() -> None:
    long = Expected.of(config(auth_pass="password"), {"password": "correct horse battery staple"})
    assert long.password == b"correct "
    assert KINDS["v2-pass"].password == b"hunter2\0"


@pytest.mark.parametrize("payload", [b"\0\x01\xf2\x03\xf4\xf5\xf6\xf7"])
def test_the_checksum_of_rfc_1071(payload: bytes) -> None:
    assert checksum(payload) == 0xFFFF - 0xDDF2
    assert checksum(bytes(8)) == 0xFFFF
    assert checksum(b"\xff\xff") == 0
