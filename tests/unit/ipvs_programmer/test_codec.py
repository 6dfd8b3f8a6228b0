"""Packing and unpacking in pairs: what is packed is read back, whatever it is."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import codec
from ipvs_programmer import constants as c
from ipvs_programmer.counters import DestinationStatistics, Rates, Statistics
from ipvs_programmer.genetlink import body, command
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.octets import MalformedError, attribute
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import (
    Checksum,
    Counts,
    Forwarding,
    Key,
    Tunnel,
    TunnelKind,
)
from tests.unit.ipvs_programmer.tables import (
    addresses_v4,
    addresses_v6,
    destination,
    destination_keys,
    destinations,
    key,
    names,
    ports,
    service,
    service_keys_and_marks,
    services,
    with_destination,
    with_service,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)

operations = st.one_of(
    st.builds(AddService, services()),
    st.builds(EditService, services()),
    st.builds(DeleteService, service_keys_and_marks),
    st.builds(AddDestination, service_keys_and_marks, destinations()),
    st.builds(EditDestination, service_keys_and_marks, destinations()),
    st.builds(DeleteDestination, service_keys_and_marks, destination_keys()),
)
daemons = st.builds(
    Daemon,
    state=st.sampled_from(DaemonState),
    interface=names,
    sync_id=st.integers(0, 255),
    sync_maxlen=st.integers(0, 65535),
    group=st.just("") | addresses_v4 | addresses_v6,
    port=ports,
    ttl=st.integers(0, 255),
)
timeouts = st.builds(Timeouts, tcp=u32, tcp_fin=u32, udp=u32)


def counters(number: st.SearchStrategy[int], octets: st.SearchStrategy[int]) -> st.SearchStrategy[Statistics]:
    rates = st.builds(
        Rates, connections=number, packets_in=number, packets_out=number, bytes_in=octets, bytes_out=octets
    )
    return st.builds(
        Statistics,
        connections=number,
        packets_in=number,
        packets_out=number,
        bytes_in=u64,
        bytes_out=u64,
        rates=rates,
    )


# ---- what is packed is read back


@given(operations)
def test_an_operation_survives_the_round_trip(given_operation: Operation) -> None:
    packed = codec.pack_operation(given_operation)
    assert len(packed) % 4 == 0
    assert codec.unpack_operation(packed) == given_operation


@given(service_keys_and_marks)
def test_what_names_a_service_survives_the_round_trip(given_key: Key) -> None:
    for packed in (
        codec.service_request(given_key),
        codec.destinations_request(given_key),
        codec.zero_request(given_key),
    ):
        assert codec.unpack_key(body(packed)) == given_key


@given(daemons)
def test_a_daemon_survives_the_round_trip(given_daemon: Daemon) -> None:
    packed = codec.start_daemon_request(given_daemon)
    assert len(packed) % 4 == 0
    assert codec.unpack_daemon(body(packed)) == given_daemon


@pytest.mark.parametrize("state", DaemonState)
def test_which_daemon_to_stop_survives_the_round_trip(state: DaemonState) -> None:
    assert codec.unpack_daemon_state(body(codec.stop_daemon_request(state))) == state


@given(timeouts)
def test_timeouts_survive_the_round_trip(given_timeouts: Timeouts) -> None:
    assert codec.unpack_timeouts(body(codec.set_timeouts_request(given_timeouts))) == given_timeouts


@given(st.tuples(*[st.integers(0, 255)] * 3), u32)
def test_what_the_kernel_says_of_itself_survives_the_round_trip(
    version: tuple[int, int, int], size: int
) -> None:
    info = KernelInfo(version=".".join(map(str, version)), connection_table_size=size)
    answer = command(c.IPVS_CMD_SET_INFO, c.IPVS_GENL_VERSION, codec.pack_info(info))
    assert codec.unpack_info(body(answer)) == info


def test_requests_without_a_subject_are_a_command_alone() -> None:
    for packed, number in (
        (codec.services_request(), c.IPVS_CMD_GET_SERVICE),
        (codec.daemons_request(), c.IPVS_CMD_GET_DAEMON),
        (codec.timeouts_request(), c.IPVS_CMD_GET_CONFIG),
        (codec.info_request(), c.IPVS_CMD_GET_INFO),
        (codec.zero_request(), c.IPVS_CMD_ZERO),
        (codec.flush_request(), c.IPVS_CMD_FLUSH),
    ):
        assert packed == bytes([number, c.IPVS_GENL_VERSION, 0, 0])


# ---- statistics, in the form of new kernels, of old ones, and of both


def check_statistics(statistics: Statistics, forms: list[tuple[int, int, bool]]) -> None:
    of_service = [codec.pack_statistics(kind, statistics, wide=wide) for kind, _, wide in forms]
    of_destination = [codec.pack_statistics(kind, statistics, wide=wide) for _, kind, wide in forms]
    assert codec.unpack_service_statistics(with_service(*of_service)) == (key(), statistics)
    assert codec.unpack_destination_statistics(with_destination(*of_destination), socket.AF_INET) == (
        destination().key,
        DestinationStatistics(Counts(active=1, inactive=2, persistent=3), statistics),
    )


NARROW = (c.IPVS_SVC_ATTR_STATS, c.IPVS_DEST_ATTR_STATS, False)
WIDE = (c.IPVS_SVC_ATTR_STATS64, c.IPVS_DEST_ATTR_STATS64, True)


@given(counters(u64, u64))
def test_new_kernels_count_with_64_bits(statistics: Statistics) -> None:
    check_statistics(statistics, [NARROW, WIDE])
    check_statistics(statistics, [WIDE])


@given(counters(u32, u32))
def test_old_kernels_count_with_32_bits_but_for_the_bytes(statistics: Statistics) -> None:
    check_statistics(statistics, [NARROW])


def test_a_message_without_statistics_is_malformed() -> None:
    with pytest.raises(MalformedError, match="no statistics"):
        codec.unpack_service_statistics(with_service())
    with pytest.raises(MalformedError, match="no statistics"):
        codec.unpack_destination_statistics(with_destination(), socket.AF_INET)


# ---- what kernels and other programs do


def test_the_kernels_own_flag_is_not_a_setting() -> None:
    packed = bytearray(codec.pack_service(service(scheduler="wrr")))
    place = packed.index((8 + 4).to_bytes(2, "little") + c.IPVS_SVC_ATTR_FLAGS.to_bytes(2, "little"))
    packed[place + 4] |= c.IP_VS_SVC_F_HASHED
    assert codec.unpack_service(memoryview(packed)) == service(scheduler="wrr")


def test_an_old_kernel_does_not_name_a_destinations_family() -> None:
    packed = codec.pack_destination(destination())
    without = attribute(c.IPVS_CMD_ATTR_DEST, packed[4:32] + packed[40:])
    assert codec.unpack_destination(memoryview(without), socket.AF_INET) == destination()
    assert codec.unpack_destination_key(memoryview(without), socket.AF_INET) == destination().key


def test_a_plain_tunnel_is_read_as_none_and_cannot_be_written_otherwise() -> None:
    packed = codec.pack_destination(destination(forwarding=Forwarding.TUN))
    zeros = (
        attribute(c.IPVS_DEST_ATTR_TUN_TYPE, bytes(1))
        + attribute(c.IPVS_DEST_ATTR_TUN_PORT, bytes(2))
        + attribute(c.IPVS_DEST_ATTR_TUN_FLAGS, bytes(2))
    )
    as_kernel = attribute(c.IPVS_CMD_ATTR_DEST, packed[4:] + zeros)
    assert codec.unpack_destination(memoryview(as_kernel), socket.AF_INET).tunnel is None
    with pytest.raises(ValueError, match="None"):
        Tunnel()


def test_a_tunnels_port_stands_in_the_networks_order() -> None:
    packed = codec.pack_destination(
        destination(forwarding=Forwarding.TUN, tunnel=Tunnel(TunnelKind.GUE, 6080, Checksum.REMCSUM))
    )
    assert attribute(c.IPVS_DEST_ATTR_TUN_PORT, b"\x17\xc0") in packed


def test_what_a_newer_kernel_has_is_kept_as_it_is() -> None:
    unknown = destination(forwarding=Forwarding(5), tunnel=Tunnel(TunnelKind(9), 1, Checksum(3)))
    found = codec.unpack_destination(memoryview(codec.pack_destination(unknown)), socket.AF_INET)
    assert found == unknown
    assert (found.forwarding.name, str(found.tunnel)) == ("Forwarding-5", "tunnelkind-9 port 1 checksum-3")


def test_a_daemon_of_an_old_kernel() -> None:
    inner = (
        attribute(c.IPVS_DAEMON_ATTR_STATE, b"\1\0\0\0")
        + attribute(c.IPVS_DAEMON_ATTR_MCAST_IFN, b"eth0\0")
        + attribute(c.IPVS_DAEMON_ATTR_SYNC_ID, b"\7\0\0\0")
    )
    assert codec.unpack_daemon(memoryview(attribute(c.IPVS_CMD_ATTR_DAEMON, inner))) == Daemon(
        state=DaemonState.MASTER, interface="eth0", sync_id=7
    )


def test_what_has_no_timeouts_has_none() -> None:
    assert codec.unpack_timeouts(memoryview(b"")) == Timeouts()
