"""What IPVS has beside its table, ours beside ipvsadm(8)'s: sync daemons, timeouts, counters, facts."""

from __future__ import annotations

import contextlib
import errno
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ipvs_programmer.counters import PoolStatistics, Rates, Statistics
from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.kernel import Kernel, RequestError
from ipvs_programmer.namespace import Daemon, DaemonState, Timeouts
from ipvs_programmer.plan import AddDestination, AddService
from ipvs_programmer.table import Counts, DestinationKey, Forwarding, Key, MarkKey
from tests.support import ipvsadm
from tests.support.ipvs_kernel import SYNC_INTERFACE, add_sync_interface, both, kernel_of, real_kernel
from tests.support.waiting import eventually
from tests.unit.ipvs_programmer.tables import destination, key, service

MASTER, BACKUP = DaemonState
TCP, DNS, V6 = key(), key(port=53, protocol=17), key("fd00::1")


@pytest.fixture(params=both)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    for each in kernel_of(request.param):
        if isinstance(each, IpvsKernel):
            add_sync_interface()
        yield each


# ---- sync daemons


def daemon(state: DaemonState = MASTER, interface: str = SYNC_INTERFACE, **more: int | str) -> Daemon:
    return Daemon(state=state, interface=interface, **more)  # type: ignore[arg-type]  # each its own type


@pytest.mark.parametrize("state", DaemonState)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sync_id": 255},
        {"sync_maxlen": 1400},
        {"sync_maxlen": 1},
        {"sync_maxlen": 65535},
        {"group": "239.1.2.3"},
        {"group": "ff02::81"},
        {"group": "ff02::81", "sync_maxlen": 65535, "port": 9000, "ttl": 255, "sync_id": 7},
        {"port": 1},
        {"port": 65000, "ttl": 3},
    ],
    ids=str,
)
def test_a_sync_daemon_runs_as_it_was_asked_for(
    kernel: Kernel, state: DaemonState, more: dict[str, int | str]
) -> None:
    asked = daemon(state, **more)
    assert kernel.daemons() == ()
    kernel.start_daemon(asked)
    (running,) = kernel.daemons()
    assert running == asked.completed()
    assert asked.is_met_by(running)
    if isinstance(kernel, IpvsKernel):
        assert ipvsadm.daemons() == (running,)
        assert running.port in udp_ports()
    kernel.stop_daemon(state)
    assert kernel.daemons() == ()


def udp_ports() -> set[int]:
    """Give the ports, this end's and the other's, of every UDP socket of the namespace (proc(5))."""
    found = set()
    for name in ("udp", "udp6"):
        for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]:
            found |= {int(end.rpartition(":")[2], 16) for end in line.split()[1:3]}
    return found


def test_both_daemons_run_at_once(kernel: Kernel) -> None:
    wanted = (daemon(MASTER, sync_id=3), daemon(BACKUP, sync_id=4))
    for each in wanted:
        kernel.start_daemon(each)
    assert kernel.daemons() == tuple(each.completed() for each in wanted)
    if isinstance(kernel, IpvsKernel):
        assert ipvsadm.daemons() == kernel.daemons()
    kernel.stop_daemon(MASTER)
    assert kernel.daemons() == (wanted[1].completed(),)


def refused(number: int) -> contextlib.AbstractContextManager[pytest.ExceptionInfo[RequestError]]:
    return pytest.raises(RequestError, check=lambda error: error.number == number)


def test_what_a_daemon_cannot_be(kernel: Kernel) -> None:
    with refused(errno.ESRCH):
        kernel.stop_daemon(MASTER)
    with refused(errno.ENODEV):
        kernel.start_daemon(daemon(interface="none-such"))
    with refused(errno.EINVAL):
        kernel.start_daemon(daemon(group="10.9.0.1"))
    with refused(errno.EINVAL):
        kernel.start_daemon(daemon(group="fd00::1"))
    kernel.start_daemon(daemon())
    with refused(errno.EEXIST) as error:
        kernel.start_daemon(daemon(sync_id=9))
    assert str(error.value).startswith(f"start sync daemon master on {SYNC_INTERFACE} id 9: ")
    assert kernel.daemons() == (daemon().completed(),)


def test_daemons_and_destinations_of_the_other_family_exclude_each_other(kernel: Kernel) -> None:
    mixed = AddDestination(TCP, destination("fd00:9::21", forwarding=Forwarding.TUN))
    assert kernel.apply([AddService(service()), mixed]) == ()
    with refused(errno.EINVAL):
        kernel.start_daemon(daemon())
    kernel.flush()
    kernel.start_daemon(daemon())
    assert [each.number for each in kernel.apply([AddService(service()), mixed])] == [errno.EINVAL]


# ---- timeouts and facts


def test_timeouts_are_set_but_those_that_are_0(kernel: Kernel) -> None:
    assert kernel.timeouts() == Timeouts(tcp=900, tcp_fin=120, udp=300)
    for given, expected in (
        (Timeouts(tcp=100, tcp_fin=20, udp=30), Timeouts(tcp=100, tcp_fin=20, udp=30)),
        (Timeouts(udp=60), Timeouts(tcp=100, tcp_fin=20, udp=60)),
        (Timeouts(tcp=86400), Timeouts(tcp=86400, tcp_fin=20, udp=60)),
        (Timeouts(), Timeouts(tcp=86400, tcp_fin=20, udp=60)),
    ):
        kernel.set_timeouts(given)
        assert kernel.timeouts() == expected
        if isinstance(kernel, IpvsKernel):
            assert ipvsadm.timeouts() == expected


def test_a_timeout_that_is_too_long_changes_nothing(kernel: Kernel) -> None:
    before = kernel.timeouts()
    with refused(errno.EINVAL):
        kernel.set_timeouts(Timeouts(tcp=2**31, udp=5))
    assert kernel.timeouts() == before


def test_what_the_kernel_says_of_itself(kernel: Kernel) -> None:
    info = kernel.info()
    assert info.version.count(".") == 2
    assert info.connection_table_size >= 256
    if isinstance(kernel, IpvsKernel):
        assert ipvsadm.info() == info


# ---- counters


def test_what_nothing_came_to_has_counted_nothing(kernel: Kernel) -> None:
    mark = MarkKey(10, 7)
    assert kernel.statistics() == {}
    for of, real in ((TCP, "10.9.0.21"), (V6, "fd00::21"), (mark, "fd00::22")):
        assert kernel.apply([AddService(service(of)), AddDestination(of, destination(real))]) == ()
    found = kernel.statistics()
    assert found.keys() == {TCP, V6, mark}
    for pool in found.values():
        assert pool.service == Statistics()
        assert [each.statistics for each in pool.destinations.values()] == [Statistics()]
        assert [each.counts for each in pool.destinations.values()] == [Counts(0, 0, 0)]
    assert kernel.statistics([V6, key(port=99)]).keys() == {V6}
    kernel.zero()
    kernel.zero(TCP)
    with refused(errno.ESRCH):
        kernel.zero(key(port=99))


def test_the_fake_counts_what_it_is_told() -> None:
    fake = FakeKernel()
    assert fake.apply([AddService(service()), AddDestination(TCP, destination())]) == ()
    fake.statistics_of[TCP, destination().key] = Statistics(connections=3, bytes_in=2**40)
    assert fake.statistics()[TCP].service == Statistics(connections=3, bytes_in=2**40)
    fake.zero(TCP)
    assert fake.statistics()[TCP].service == Statistics()


def flat(found: dict[Key, PoolStatistics]) -> dict[tuple[Key, DestinationKey | None], Statistics]:
    result: dict[tuple[Key, DestinationKey | None], Statistics] = {}
    for of, pool in found.items():
        result[of, None] = pool.service
        result |= {(of, address): each.statistics for address, each in pool.destinations.items()}
    return result


def check_totals(kernel: Kernel) -> None:
    """Compare counters and connections with ipvsadm's, while nothing passes."""
    found = kernel.statistics()
    ours = {of: msgspec.structs.replace(each, rates=Rates()) for of, each in flat(found).items()}
    assert ours == ipvsadm.totals()
    connections = ipvsadm.counts()
    counted = kernel.counts(found)
    for of, pool in found.items():
        for address, each in pool.destinations.items():
            assert each.counts == connections[of, address] == counted[of][address]


def rates_match(kernel: Kernel) -> bool:
    """Compare rates with ipvsadm's; they move every two seconds, so ours are read before and after."""
    ours = {of: each.rates for of, each in flat(kernel.statistics()).items()}
    theirs = ipvsadm.rates()
    after = {of: each.rates for of, each in flat(kernel.statistics()).items()}
    return ours == theirs == after and ours[DNS, None].packets_in > 0


@pytest.fixture
def real() -> Iterator[Kernel]:
    yield from real_kernel()


@pytest.mark.ipvs
def test_what_passed_is_counted_as_ipvsadm_counts_it(real: Kernel) -> None:
    kernel = real
    # this host is client, router and real server
    for address in ("10.9.0.1/32", "10.9.0.21/32", "fd00::1/128", "fd00::21/128"):
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    keys: list[Key] = [TCP, DNS, V6]
    for of, server_address, persistence in (
        (TCP, "10.9.0.21", 60),
        (DNS, "10.9.0.21", None),
        (V6, "fd00::21", 300),
    ):
        given = AddDestination(of, destination(server_address, of.port, forwarding=Forwarding.DR))
        assert kernel.apply([AddService(service(of, persistence=persistence)), given]) == ()
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(
            socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
        )
        for address in ("10.9.0.1", "10.9.0.1", "fd00::1"):
            client = opened.enter_context(socket.create_connection((address, 80)))
            accepted = opened.enter_context(server.accept()[0])
            client.sendall(bytes(5000))
            assert len(accepted.recv(5000, socket.MSG_WAITALL)) == 5000
        listener = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        listener.bind(("0.0.0.0", 53))
        asker = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        def ask(times: int) -> None:
            for _ in range(times):
                asker.sendto(bytes(100), ("10.9.0.1", 53))
                listener.recv(200)

        def settled(times: int) -> None:
            """Wait for the estimator, which alone adds up what passed, every two seconds."""
            eventually(
                lambda: kernel.statistics()[DNS].service.packets_in == times,
                f"{times} datagrams are counted",
                within=30,
            )
            check_totals(kernel)

        ask(7)
        settled(7)
        found = kernel.statistics(keys)
        tcp, dns, v6 = (found[of] for of in keys)
        assert (tcp.service.connections, v6.service.connections, dns.service.connections) == (2, 1, 1)
        assert tcp.service.bytes_in > 10000
        assert (dns.service.packets_in, dns.service.bytes_in) == (7, 7 * 128)
        counts = [each.counts for pool in (tcp, v6) for each in pool.destinations.values()]
        assert counts == [Counts(active=2, inactive=0, persistent=1), Counts(1, 0, 1)]

        kernel.zero(TCP)
        after = kernel.statistics(keys)
        assert after[TCP].service.connections == 0
        assert [each.statistics.bytes_in for each in after[TCP].destinations.values()] == [0]
        assert after[DNS].service.packets_in == 7
        kernel.zero()
        settled(0)

        asked = 0

        def rates_match_while_asked() -> bool:
            nonlocal asked
            ask(50)
            asked += 50
            return rates_match(kernel)

        eventually(rates_match_while_asked, "the same rates between two rounds of the estimator", within=90)
        settled(asked)
