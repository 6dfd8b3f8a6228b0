"""Messages as no kernel sends them: each is read, or is a `MalformedError`, and never anything else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import codec
from ipvs_programmer import constants as c
from ipvs_programmer.counters import Rates, Statistics
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.octets import MalformedError, attribute
from ipvs_programmer.table import Checksum, Forwarding, Service, Tunnel, TunnelKind
from tests.unit.ipvs_programmer.tables import destination, key, service, with_destination, with_service

READERS: list[Callable[[memoryview], object]] = [
    codec.unpack_service,
    codec.unpack_key,
    lambda view: codec.unpack_destination(view, socket.AF_INET),
    lambda view: codec.unpack_destination_key(view, socket.AF_INET6),
    lambda view: codec.unpack_counts(view, socket.AF_INET),
    codec.unpack_service_statistics,
    lambda view: codec.unpack_destination_statistics(view, socket.AF_INET),
    codec.unpack_daemon,
    codec.unpack_daemon_state,
    codec.unpack_info,
    codec.unpack_timeouts,
]


@given(st.binary(max_size=200))
def test_noise_is_one_named_error(noise: bytes) -> None:
    for wrapped in (
        noise,
        attribute(c.IPVS_CMD_ATTR_SERVICE, noise),
        attribute(c.IPVS_CMD_ATTR_DEST, noise),
        attribute(c.IPVS_CMD_ATTR_DAEMON, noise),
    ):
        for reader in READERS[:-1]:
            with pytest.raises(MalformedError):
                reader(memoryview(wrapped))


@given(st.binary(max_size=64))
def test_a_request_of_noise_is_one_named_error(noise: bytes) -> None:
    for number in range(20):
        with pytest.raises(MalformedError):
            codec.unpack_operation(bytes([number]) + noise)


def whole_answers() -> list[bytes]:
    """Give a sound message of each kind, as the kernel sends them."""
    statistics = Statistics(connections=5, bytes_in=2**40, rates=Rates(packets_in=3))
    both = [
        codec.pack_statistics(kind, statistics, wide=wide)
        for kind, wide in ((c.IPVS_SVC_ATTR_STATS, False), (c.IPVS_SVC_ATTR_STATS64, True))
    ]
    tunnelled = destination(forwarding=Forwarding.TUN, tunnel=Tunnel(TunnelKind.GUE, 6080, Checksum.CSUM))
    return [
        bytes(with_service(*both)),
        bytes(
            with_destination(
                codec.pack_destination(tunnelled)[4:],
                codec.pack_statistics(c.IPVS_DEST_ATTR_STATS, statistics, wide=False),
                codec.pack_statistics(c.IPVS_DEST_ATTR_STATS64, statistics, wide=True),
            )
        ),
        codec.pack_daemon(
            Daemon(
                state=DaemonState.BACKUP, interface="eth0", sync_maxlen=1400, group="ff02::7", port=1, ttl=2
            )
        ),
        codec.pack_timeouts(Timeouts(tcp=1, tcp_fin=2, udp=3)),
        codec.pack_info(KernelInfo(version="1.2.1", connection_table_size=4096)),
    ]


WHOLE = whole_answers()


@given(st.sampled_from(WHOLE), st.data())
def test_a_damaged_message_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = memoryview(damaged)[: data.draw(st.integers(0, len(damaged)))]
    for reader in READERS:
        with contextlib.suppress(MalformedError):
            reader(cut)


def nests(whole: bytes) -> list[tuple[int, bytes, int]]:
    """Give each attribute of a message's nest as (type, value, length)."""
    found, offset = [], 4
    while offset < len(whole):
        length = int.from_bytes(whole[offset : offset + 2], "little")
        kind = int.from_bytes(whole[offset + 2 : offset + 4], "little")
        found.append((kind, whole[offset + 4 : offset + length], length))
        offset += (length + 3) & ~3
    return found


@given(st.sampled_from(WHOLE[:3]), st.data())
def test_an_attribute_of_another_length_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    """Too short, too long, empty: each of a message's attributes in turn; all lengths are true ones."""
    inner = nests(whole)
    chosen = data.draw(st.integers(0, len(inner) - 1))
    octets = data.draw(st.binary(max_size=300))
    outer = int.from_bytes(whole[2:4], "little")
    changed = attribute(
        outer,
        b"".join(
            attribute(kind, octets if place == chosen else value)
            for place, (kind, value, _) in enumerate(inner)
        ),
    )
    for reader in READERS:
        with contextlib.suppress(MalformedError):
            reader(memoryview(changed))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 8])
def test_a_number_of_another_length_is_refused(size: int) -> None:
    packed = codec.pack_service(service())[4:]
    wrong = attribute(c.IPVS_CMD_ATTR_SERVICE, packed + attribute(c.IPVS_SVC_ATTR_TIMEOUT, bytes(size)))
    with pytest.raises(MalformedError, match=f"has {size} bytes"):
        codec.unpack_service(memoryview(wrong))


def test_a_name_that_is_no_text_is_refused() -> None:
    packed = codec.pack_service(service())[4:]
    wrong = attribute(c.IPVS_CMD_ATTR_SERVICE, packed + attribute(c.IPVS_SVC_ATTR_SCHED_NAME, b"\xff\0"))
    with pytest.raises(MalformedError, match="ASCII"):
        codec.unpack_service(memoryview(wrong))


@pytest.mark.parametrize("given_service", [service(), service(key("fd00::1"))], ids=str)
@pytest.mark.parametrize("family", [0, 1, 17, 65535])
def test_another_family_is_refused(given_service: Service, family: int) -> None:
    packed = codec.pack_service(given_service)[4:]
    more = attribute(c.IPVS_SVC_ATTR_AF, family.to_bytes(2, "little"))
    with pytest.raises(MalformedError, match=f"address family {family}"):
        codec.unpack_service(memoryview(attribute(c.IPVS_CMD_ATTR_SERVICE, packed + more)))
