"""The authentication trailer: the draft's own packets, forgeries, time and order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vrrp_agent.packets import HMAC, config, destination_of, expected, message, packet
from vipbus.contracts import VirtualAddress
from vipbus.contracts.vrrp import Hmac, HmacKey
from vrrp_agent.authentication import ReplayWindow, Sequence, sequence_at
from vrrp_agent.datagram import Datagram
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected, pack
from vrrp_agent.packet import Advertisement, compose, decode, seal, signed

DRAFT_SECRETS = {"key": "hex:" + bytes(range(32)).hex()}
DRAFT_HMAC = Hmac(keys=(HmacKey(id=1, secret="key"),), active_key=1)
DRAFT_SEQUENCE = 0x6800000080000000


def _draft(family: int, address: str, **changes: object) -> Expected:
    return Expected.of(
        config(
            family=family,
            version=3,
            hmac=DRAFT_HMAC,
            virtual_ipaddress=(VirtualAddress(address=address, prefix=32, dev="eth0"),),
            **changes,
        ),
        DRAFT_SECRETS,
    )


DRAFT = [
    # the packets of draft-cassen-vrrp-auth-hmac's appendix, which keepalived tests itself with
    pytest.param(
        _draft(4, "192.0.2.100", checksum_as_v2=True),
        "198.51.100.10",
        "224.0.0.18",
        "3133c80100644402c00002640101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265",
        id="IPv4",
    ),
    pytest.param(
        _draft(6, "fe80::100"),
        "fe80::10",
        "fe80::20",
        "3133c8010064a2e9"
        "fe800000000000000000000000000100"
        "010100006800000080000000"
        "c8c56146ebfd66ee10ec4d8186461b78",
        id="IPv6",
    ),
]


@pytest.mark.parametrize(("instance", "source", "destination", "image"), DRAFT)
def test_the_draft_s_packets(instance: Expected, source: str, destination: str, image: str) -> None:
    assert instance.keyring is not None
    unsummed = compose(instance, 200)
    trailer = instance.keyring.sign(pack(source), unsummed, DRAFT_SEQUENCE)
    assert seal(unsummed, instance, pack(source), pack(destination), trailer).hex() == image
    assert instance.keyring.refuse(pack(source), bytes.fromhex(image), 0.0) is None


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (0, Drop.SIGNATURE),  # the priority, and so on through the message; its checksum is not signed
        (1, Drop.SIGNATURE),
        (2, Drop.SIGNATURE),
        (5, Drop.SIGNATURE),
        (6, None),
        (23, Drop.SIGNATURE),
        (24, Drop.TRAILER),
        (25, Drop.KEY),
        (26, Drop.TRAILER),
        (27, Drop.TRAILER),
        (28, Drop.SIGNATURE),
        (35, Drop.SIGNATURE),
        (36, Drop.SIGNATURE),
        (51, Drop.SIGNATURE),
    ],
)
def test_a_change_to_a_signed_packet(at: int, reason: Drop | None) -> None:
    instance, source, _, image = DRAFT[1].values
    changed = bytearray.fromhex(str(image))
    changed[at] ^= 1
    assert instance.keyring.refuse(pack(str(source)), bytes(changed), 0.0) is reason  # type: ignore[union-attr]


def test_a_signature_is_for_one_source_and_one_virtual_router() -> None:
    instance = expected(version=3, hmac=HMAC, checksum_as_v2=True)
    copied = packet(instance, source="10.9.0.7")
    assert decode(copied, instance) is Drop.SIGNATURE
    other = expected(version=3, hmac=HMAC, checksum_as_v2=True, virtual_router_id=52)
    payload = message(instance)
    moved = packet(other, payload[:1] + b"\x34" + payload[2:])
    assert decode(moved, other) is Drop.SIGNATURE


def _with_key(number: int, mode: str = "strict") -> Expected:
    return expected(version=3, hmac=msgspec.structs.replace(HMAC, active_key=number, mode=mode))


def test_keys_can_be_rotated() -> None:
    old, new = _with_key(1), _with_key(2)
    assert isinstance(decode(packet(old), new), Advertisement)
    assert isinstance(decode(packet(new), old), Advertisement)
    only_old = expected(version=3, hmac=Hmac(keys=HMAC.keys[:1], active_key=1))
    assert decode(packet(new), only_old) is Drop.KEY
    assert message(old)[-28:-26] == b"\x01\x01"
    assert message(new)[-28:-26] == b"\x01\x02"


def test_what_is_not_signed_is_taken_while_a_network_is_converted() -> None:
    plain, strict, permissive = expected(version=3), _with_key(1), _with_key(1, "permissive")
    assert decode(packet(plain), strict) is Drop.UNSIGNED
    assert isinstance(decode(packet(plain), permissive), Advertisement)
    assert isinstance(decode(packet(strict), permissive), Advertisement)
    # but what is signed has to be right
    forged = bytearray(message(strict))
    forged[-1] ^= 1
    assert decode(packet(strict, bytes(forged)), permissive) is Drop.SIGNATURE
    # and whoever knows no trailers drops them, as every other router does
    assert decode(packet(strict), plain) is Drop.LENGTH
    assert [signed(packet(each), permissive) for each in (plain, strict)] == [False, True]


@pytest.mark.parametrize(
    ("window", "off", "reason"),
    [
        (5.0, 0.0, None),
        (5.0, 4.9, None),
        (5.0, -4.9, None),
        (5.0, 5.1, Drop.STALE),
        (5.0, -5.1, Drop.STALE),
        (0.0, 1e8, None),
        (0.0, -1e8, None),
    ],
)
def test_a_clock_may_be_off_by_the_window(window: float, off: float, reason: Drop | None) -> None:
    now = 1_700_000_000.0
    instance = expected(version=3, hmac=msgspec.structs.replace(HMAC, time_window=window))
    found = decode(packet(instance, message(instance, sequence=sequence_at(now + off))), instance, now)
    assert found is reason if reason else isinstance(found, Advertisement)


def test_the_window_goes_on_when_32_bits_of_seconds_are_over() -> None:
    end = float(1 << 32)
    instance = expected(version=3, hmac=msgspec.structs.replace(HMAC, time_window=5.0))
    late = message(instance, sequence=sequence_at(end - 1))
    assert isinstance(decode(packet(instance, late), instance, end + 1), Advertisement)
    window = ReplayWindow()
    assert window.accept(b"a", sequence_at(end - 1), end, 5.0)
    assert window.accept(b"a", sequence_at(end + 1), end, 5.0)
    assert not window.accept(b"a", sequence_at(end - 1), end, 5.0)


def test_without_anti_replay_neither_time_nor_order_matters() -> None:
    instance = expected(version=3, hmac=msgspec.structs.replace(HMAC, time_window=5.0, anti_replay=False))
    assert instance.keyring is not None
    assert not instance.keyring.ordered
    assert isinstance(decode(packet(instance), instance, 1e9), Advertisement)


# ---- order


ACCEPTED = [
    # sequence numbers as they arrive from one source, and which count
    ([1, 2, 3], [True, True, True]),
    ([1, 1], [True, False]),
    ([5, 4, 6, 5, 6, 7], [True, False, True, False, False, True]),
    ([5, 500, 6], [True, True, False]),
    ([(1 << 64) - 1, 0, 1, (1 << 64) - 1], [True, True, True, False]),
]


@pytest.mark.parametrize(("sequences", "accepted"), ACCEPTED)
def test_a_sequence_number_counts_once_and_only_forwards(sequences: list[int], accepted: list[bool]) -> None:
    window = ReplayWindow()
    assert [window.accept(b"a", each, 0.0, 0.0) for each in sequences] == accepted


def test_every_sender_has_its_own_order() -> None:
    window = ReplayWindow()
    assert window.accept(b"a", 100, 0.0, 0.0)
    assert window.accept(b"b", 50, 0.0, 0.0)
    assert not window.accept(b"a", 99, 0.0, 0.0)


def test_senders_are_not_kept_without_end() -> None:
    window = ReplayWindow()
    for number in range(1000):
        assert window.accept(number.to_bytes(4, "big"), 1, 0.0, 0.0)
    assert len(window._highest) == 64
    assert not window.accept((999).to_bytes(4, "big"), 1, 0.0, 0.0)


def test_a_number_from_a_wrong_clock_locks_nobody_out() -> None:
    now, window = 1_700_000_000.0, ReplayWindow()
    ahead = sequence_at(now + 3600)
    assert window.accept(b"a", ahead, now + 3600, 5.0)
    assert window.accept(b"a", sequence_at(now), now, 5.0)
    assert not window.accept(b"a", sequence_at(now), now, 5.0)
    # without a window order is all there is
    assert window.accept(b"b", ahead, now, 0.0)
    assert not window.accept(b"b", sequence_at(now), now, 0.0)


@given(st.lists(st.floats(0, 2e9), min_size=1, max_size=50))
def test_a_sender_s_numbers_only_grow_whatever_its_clock_does(clock: list[float]) -> None:
    sequence, window = Sequence(), ReplayWindow()
    for now in clock:
        assert window.accept(b"a", sequence.next(now, 0.0), now, 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_with_a_window_a_sender_follows_its_clock_and_is_heard(steps: list[float]) -> None:
    sequence, window, now = Sequence(), ReplayWindow(), 1_700_000_000.0
    for step in steps:
        now = max(now + step, 0.0)
        number = sequence.next(now, 5.0)
        assert abs(number - sequence_at(now)) <= 5 << 32, "receivers would call it stale"
        if abs(step) > 11 or step >= 0:  # past both windows, or forwards
            assert window.accept(b"a", number, now, 5.0)


def test_a_sender_that_starts_again_is_heard() -> None:
    window = ReplayWindow()
    before, after = Sequence(), Sequence()
    for _ in range(100):  # in one moment of its clock
        assert window.accept(b"a", before.next(1000.0, 0.0), 1000.0, 0.0)
    assert window.accept(b"a", after.next(1000.1, 0.0), 1000.1, 0.0)


def test_the_same_signed_copy_goes_to_every_peer() -> None:
    instance = expected(version=3, hmac=HMAC)
    first, second = message(instance), message(instance, destination="10.9.0.3")
    assert first[-28:] == second[-28:]
    assert first[6:8] != second[6:8]
    assert isinstance(decode(packet(instance, second, destination="10.9.0.3"), instance), Drop)
    assert destination_of(instance) == "224.0.0.18"


@given(st.binary(min_size=28, max_size=100))
def test_noise_for_a_trailer_is_refused(noise: bytes) -> None:
    instance = _with_key(1)
    assert instance.keyring is not None
    assert isinstance(instance.keyring.refuse(b"\x0a\x09\0\x01", noise, 0.0), Drop)
    assert isinstance(decode(Datagram(bytes(4), bytes(4), 255, noise), instance), Drop)
