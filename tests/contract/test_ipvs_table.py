"""Every kind of service and destination, written by us, as ``ipvsadm -Sn`` saves it and as we read it back.

For each scheduler one table: each address family, protocol and mark, with each kind of persistence and each
flag, and in each of those services a destination of each forwarding method, tunnel and threshold. The fake
holds the same tables; ipvsadm is asked about the real kernel alone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import msgspec
import pytest

from ipvs_programmer import constants as c
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.netlink import NetlinkSocket
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    EditDestination,
    EditService,
    Operation,
    plan,
)
from ipvs_programmer.table import (
    Checksum,
    Destination,
    Forwarding,
    Key,
    MarkKey,
    Pool,
    Service,
    ServiceKey,
    Tunnel,
    TunnelKind,
    full_mask,
)
from tests.support import ipvsadm
from tests.support.ipvs_kernel import both, kernel_of, real_kernel
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from vipbus.telemetry.trace import record

SCHEDULERS = [
    *("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"),
]
GUEST_LACKS = {"twos"}

KEYS = ["tcp4", "udp4", "sctp4", "tcp6", "udp6", "sctp6", "mark4", "mark6"]
PERSISTENCE: list[tuple[int, int | None, str]] = [
    # seconds, bits of the mask, engine
    (0, None, ""),
    (300, None, ""),
    (86400, 24, ""),
    (60, None, "sip"),
]
ONE_PACKET = c.IP_VS_SVC_F_ONEPACKET
FLAG_1, FLAG_2, FLAG_3 = c.IP_VS_SVC_F_SCHED1, c.IP_VS_SVC_F_SCHED2, c.IP_VS_SVC_F_SCHED3
FLAGS = [0, ONE_PACKET, FLAG_1, FLAG_2, FLAG_1 | FLAG_2, FLAG_3]

TUNNELS = [
    None,
    Tunnel(TunnelKind.GUE, 6080),
    Tunnel(TunnelKind.GUE, 65535, Checksum.CSUM),
    Tunnel(TunnelKind.GUE, 1, Checksum.REMCSUM),
    Tunnel(TunnelKind.GRE),
    Tunnel(TunnelKind.GRE, 0, Checksum.CSUM),
]
METHODS = [
    (Forwarding.NAT, None),
    (Forwarding.DR, None),
    *((Forwarding.TUN, tunnel) for tunnel in TUNNELS),
]
WEIGHTS = [1, 0, 65535, 2**31 - 1]
THRESHOLDS = [(0, 0), (100, 50), (7, 0), (2**32 - 1, 2**32 - 1)]


@pytest.fixture(params=both)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    yield from kernel_of(request.param)


@pytest.fixture
def real() -> Iterator[Kernel]:
    yield from real_kernel()


def key_of(kind: str, number: int) -> Key:
    if kind.startswith("mark"):
        return MarkKey(2 if kind.endswith("4") else 10, 100 + number)
    protocol = {"tcp": 6, "udp": 17, "sctp": 132}[kind[:-1]]
    return ServiceKey(protocol, "10.9.0.1" if kind.endswith("4") else "fd00::1", 1000 + number)


def services_of(scheduler: str) -> Iterator[Service]:
    """Each kind of key with each persistence, and with each flag."""
    settings = [(each, 0) for each in PERSISTENCE] + [(PERSISTENCE[0], flags) for flags in FLAGS[1:]]
    settings.append((PERSISTENCE[1], FLAG_1 | FLAG_2))
    if scheduler in ("sh", "mh"):
        # they have two flags, and ipvsadm no name for a third
        settings = [each for each in settings if not each[1] & FLAG_3]
    for kind in KEYS:
        for number, ((seconds, bits, engine), flags) in enumerate(settings):
            of = key_of(kind, number)
            mask = full_mask(of.family)
            if bits is not None:
                mask = 0xFFFFFFFF << bits & 0xFFFFFFFF if of.family == 2 else 64 + bits
            yield Service(
                key=of,
                scheduler=scheduler,
                flags=flags | (c.IP_VS_SVC_F_PERSISTENT if seconds else 0),
                timeout=seconds,
                netmask=mask,
                engine=engine,
            )


def destinations_of(of: Key, turn: int) -> Iterator[Destination]:
    """Each method and tunnel, with weights and thresholds that go round from service to service."""
    port = of.port if isinstance(of, ServiceKey) else 0
    for number, (forwarding, tunnel) in enumerate(METHODS):
        upper, lower = THRESHOLDS[(number + turn) % len(THRESHOLDS)]
        yield destination(
            f"10.9.1.{number}" if of.family == 2 else f"fd00::1:{number}",
            # NAT alone may change the port (ipvsadm refuses what the kernel would ignore)
            8080 if forwarding == Forwarding.NAT else port,
            forwarding=forwarding,
            weight=WEIGHTS[(number + turn // 4) % len(WEIGHTS)],
            upper=upper,
            lower=lower,
            tunnel=tunnel,
        )


def table_of(scheduler: str) -> dict[Key, Pool]:
    return table(
        *(pool(each, *destinations_of(each.key, turn)) for turn, each in enumerate(services_of(scheduler)))
    )


def check(kernel: Kernel, wanted: dict[Key, Pool]) -> None:
    """Compare the table service by service, so that a difference names itself."""
    found = kernel.read()
    assert found.keys() == wanted.keys()
    for of, expected in wanted.items():
        assert found[of] == expected
    assert kernel.read(list(wanted)[:5]) == {of: wanted[of] for of in list(wanted)[:5]}
    if not isinstance(kernel, IpvsKernel):
        return
    witness = ipvsadm.saved_table()
    assert witness.keys() == wanted.keys()
    for of, expected in wanted.items():
        assert witness[of] == expected


def skip_what_this_kernel_lacks(kernel: Kernel, scheduler: str) -> None:
    """Name a scheduler that is not there; in the guest it is known which those are."""
    failures = kernel.apply([AddService(service(scheduler=scheduler))])
    if failures:
        assert [str(each) for each in failures] == [
            f"the kernel has no scheduler {scheduler}: modprobe ip_vs_{scheduler}"
        ]
        assert scheduler in GUEST_LACKS or os.environ.get("VIPBUS_LAB_GUEST") != "1"
        pytest.skip(str(failures[0]))
    kernel.flush()
    assert kernel.read() == {}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_table_of_every_kind(kernel: Kernel, scheduler: str) -> None:
    skip_what_this_kernel_lacks(kernel, scheduler)
    wanted = table_of(scheduler)
    assert kernel.apply(plan(wanted, {}, ())) == ()
    check(kernel, wanted)

    # each service takes the settings of the next of its kind, each destination those of the next
    turned: dict[Key, Pool] = {}
    for kind in KEYS:
        pools = [wanted[each] for each in wanted if each in {key_of(kind, number) for number in range(20)}]
        for here, there in zip(pools, pools[1:] + pools[:1], strict=True):
            of = here.service.key
            settings = list(here.destinations.values())
            turned[of] = pool(
                msgspec.structs.replace(there.service, key=of),
                *(
                    msgspec.structs.replace(after, key=before.key)
                    for before, after in zip(settings, settings[1:] + settings[:1], strict=True)
                ),
            )
    operations = plan(turned, wanted, ())
    assert {type(each) for each in operations} == {EditService, EditDestination}
    assert kernel.apply(operations) == ()
    check(kernel, turned)

    # half of it goes, destinations here and services there
    left = {
        of: pool(each.service, *list(each.destinations.values())[::2])
        for place, (of, each) in enumerate(turned.items())
        if place % 2
    }
    assert kernel.apply(plan(left, turned, turned.keys())) == ()
    check(kernel, left)


def test_a_tunnel_may_lead_to_the_other_family(kernel: Kernel) -> None:
    wanted = table(
        *(
            pool(
                service(key(here, port=port)),
                destination(there, port, forwarding=Forwarding.TUN, tunnel=tunnel),
            )
            for (here, there), (port, tunnel) in product(
                [("10.9.0.1", "fd00::1:1"), ("fd00::1", "10.9.1.1")], enumerate(TUNNELS, 80)
            )
        )
    )
    assert kernel.apply(plan(wanted, {}, ())) == ()
    check(kernel, wanted)


def test_gue_needs_a_port(kernel: Kernel) -> None:
    wrong = destination(forwarding=Forwarding.TUN, tunnel=Tunnel(TunnelKind.GUE, 0, Checksum.CSUM))
    failures = kernel.apply([AddService(service()), AddDestination(key(), wrong)])
    assert [each.number for each in failures] == [errno.EINVAL]


def test_an_engine_that_is_not_there_is_named(kernel: Kernel) -> None:
    wrong = msgspec.structs.replace(service(persistence=60), engine="none-such")
    failures = kernel.apply([AddService(wrong)])
    assert str(failures[0]) == (
        "the kernel has no scheduler rr or no persistence engine none-such: "
        "modprobe ip_vs_rr, modprobe ip_vs_pe_none-such"
    )
    assert not failures[0].belief_is_wrong


def test_an_engine_comes_and_goes_by_edits(kernel: Kernel) -> None:
    with_engine = msgspec.structs.replace(service(persistence=60), engine="sip")
    for given in (service(persistence=60), with_engine, service(persistence=60), service()):
        operation = EditService(given) if kernel.read() else AddService(given)
        assert kernel.apply([operation]) == ()
        check(kernel, table(pool(given)))


def test_a_flush_leaves_nothing(kernel: Kernel) -> None:
    kernel.flush()
    assert kernel.apply(plan(table_of("rr"), {}, ())) == ()
    kernel.flush()
    check(kernel, {})


# ---- a dump that another writer breaks


class DisturbedSocket(NetlinkSocket):
    """A socket that lets another writer in between two parts of its first long dump."""

    disturb: Callable[[], None] | None = None

    def _receive(self) -> memoryview:
        received = super()._receive()
        if self.disturb is not None and len(received) > 8192:
            kept = bytes(received)
            disturb, self.disturb = self.disturb, None
            disturb()
            return memoryview(kept)
        return received


@pytest.mark.ipvs
def test_what_a_broken_dump_left_out_is_found(real: Kernel) -> None:
    """IPVS goes on by counting and flags nothing: what is deleted before that place hides what comes after.

    Such a belief is wrong and the kernel says so by EEXIST; the table is then read again and is right.
    """
    wanted = table(pool(service(), *(destination(f"10.8.{n >> 8}.{n & 255}") for n in range(600))))
    assert real.apply(plan(wanted, {}, ())) == ()
    disturbed = DisturbedSocket(c.NETLINK_GENERIC)
    gone = [DeleteDestination(key(), of) for of in list(real.read()[key()].destinations)[:20]]
    disturbed.disturb = lambda: assert_done(real, gone)
    ours = IpvsKernel(lambda: disturbed)
    keeper = Keeper(ours)
    keeper.want(wanted.keys(), wanted)
    keeper.read(wanted.keys())
    assert disturbed.disturb is None
    keeper.write(wanted.keys(), record("test"))
    assert real.read() == keeper.believed == wanted
    ours.close()


def assert_done(kernel: Kernel, operations: Sequence[Operation]) -> None:
    assert kernel.apply(operations) == ()
