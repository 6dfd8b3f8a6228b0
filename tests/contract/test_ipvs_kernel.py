"""The port to the kernel's table: the same tests on the fake and on a real kernel."""

from __future__ import annotations

import contextlib
import errno
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from ipvs_programmer.kernel import Kernel
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
    plan,
)
from ipvs_programmer.table import Counts, DestinationKey, Forwarding, Key, MarkKey, Pool
from tests.support.ipvs_kernel import both, kernel_of, real_kernel
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table


@pytest.fixture(params=both)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    yield from kernel_of(request.param)


def done(kernel: Kernel, *operations: Operation) -> None:
    assert kernel.apply(operations) == ()


def refused(kernel: Kernel, *operations: Operation) -> list[int]:
    """Apply and give each operation's errno, 0 for done."""
    failures = {id(failure.operation): failure.number for failure in kernel.apply(operations)}
    return [failures.get(id(operation), 0) for operation in operations]


KEYS = [
    key(),
    key(protocol=17),
    key(protocol=132),
    key("fd00::1"),
    key("fd00::1", protocol=17),
    MarkKey(2, 7),
    MarkKey(10, 7),
]


@pytest.mark.parametrize("of", KEYS, ids=str)
@pytest.mark.parametrize("forwarding", [Forwarding.NAT, Forwarding.DR, Forwarding.TUN])
def test_what_is_written_is_read(kernel: Kernel, of: Key, forwarding: Forwarding) -> None:
    real = "fd00::21" if of.family == 10 else "10.9.0.21"
    wanted = table(
        pool(
            service(of, "wrr", 300),
            destination(real, forwarding=forwarding, weight=7, upper=100, lower=50),
            destination(real, 8080, forwarding=forwarding, weight=0),
        )
    )
    done(kernel, *plan(wanted, {}, ()))
    assert kernel.read() == wanted
    assert kernel.read([of]) == wanted


@pytest.mark.parametrize(
    "scheduler", ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq"]
)
def test_every_scheduler(kernel: Kernel, scheduler: str) -> None:
    done(kernel, AddService(service(scheduler=scheduler)))
    assert kernel.read() == table(pool(service(scheduler=scheduler)))


def test_an_empty_table_is_empty(kernel: Kernel) -> None:
    assert kernel.read() == {}
    assert kernel.read([key()]) == {}
    assert kernel.apply([]) == ()


def test_only_what_was_asked_for_is_read(kernel: Kernel) -> None:
    done(kernel, *(AddService(service(key(port=port))) for port in (80, 81, 82)))
    assert set(kernel.read([key(port=81), key(port=99)])) == {key(port=81)}


def test_edits_keep_what_they_do_not_name(kernel: Kernel) -> None:
    done(kernel, AddService(service()), AddDestination(key(), destination(weight=1)))
    done(kernel, EditService(service(scheduler="wrr", persistence=60)))
    assert kernel.read() == table(pool(service(scheduler="wrr", persistence=60), destination(weight=1)))
    done(kernel, EditService(service(scheduler="wlc")))
    assert kernel.read() == table(pool(service(scheduler="wlc"), destination(weight=1)))


def test_a_destination_changes_weight_thresholds_and_forwarding_in_place(kernel: Kernel) -> None:
    done(kernel, AddService(service()), AddDestination(key(), destination(weight=1)))
    for changed in (
        destination(weight=5),
        destination(weight=0),
        destination(weight=3, upper=10, lower=5),
        destination(weight=3, forwarding=Forwarding.DR),
        destination(weight=3, forwarding=Forwarding.TUN),
        destination(weight=3, forwarding=Forwarding.NAT),
    ):
        done(kernel, EditDestination(key(), changed))
        assert kernel.read() == table(pool(service(), changed))


def test_a_deleted_service_takes_its_destinations_along(kernel: Kernel) -> None:
    done(kernel, AddService(service()), AddDestination(key(), destination()))
    done(kernel, DeleteService(key()))
    assert kernel.read() == {}
    done(kernel, AddService(service()))
    assert kernel.read() == table(pool(service()))


def test_a_destination_comes_back_with_the_settings_it_is_given(kernel: Kernel) -> None:
    # the kernel keeps a deleted destination for a while and takes it up again
    done(kernel, AddService(service()), AddDestination(key(), destination(weight=1, upper=9)))
    done(kernel, DeleteDestination(key(), destination().key))
    done(kernel, AddDestination(key(), destination(weight=4, forwarding=Forwarding.DR)))
    assert kernel.read() == table(pool(service(), destination(weight=4, forwarding=Forwarding.DR)))


def test_what_is_wrong_is_refused_and_the_rest_is_done(kernel: Kernel) -> None:
    other = key(port=443)
    gone = DestinationKey("10.9.0.99", 80)
    assert refused(
        kernel,
        AddService(service()),
        AddService(service()),
        AddService(service(other, "none-such")),
        AddDestination(other, destination()),
        AddDestination(key(), destination()),
        AddDestination(key(), destination(weight=2)),
        EditDestination(key(), destination("10.9.0.99")),
        DeleteDestination(key(), gone),
        EditService(service(other)),
        DeleteService(other),
        DeleteDestination(other, gone),
        EditService(service(scheduler="none-such-2")),
        AddDestination(key(), destination("10.9.0.22", upper=1, lower=2)),
        AddDestination(key(), destination("10.9.0.23")),
    ) == [
        0,
        errno.EEXIST,
        errno.ENOENT,
        errno.ESRCH,
        0,
        errno.EEXIST,
        errno.ENOENT,
        errno.ENOENT,
        errno.ESRCH,
        errno.ESRCH,
        errno.ESRCH,
        errno.ENOENT,
        errno.ERANGE,
        0,
    ]
    assert kernel.read() == table(pool(service(), destination(), destination("10.9.0.23")))


def test_only_a_tunnel_may_lead_to_the_other_family(kernel: Kernel) -> None:
    done(kernel, AddService(service()))
    mixed = destination("fd00::21", forwarding=Forwarding.TUN)
    assert refused(kernel, AddDestination(key(), destination("fd00::22"))) == [errno.EINVAL]
    done(kernel, AddDestination(key(), mixed))
    assert kernel.read() == table(pool(service(), mixed))


def test_a_multicast_address_is_no_destination(kernel: Kernel) -> None:
    done(kernel, AddService(service()))
    assert refused(kernel, AddDestination(key(), destination("224.0.0.18"))) == [errno.EINVAL]


def test_an_ipv6_netmask_has_bounds(kernel: Kernel) -> None:
    of = key("fd00::1")
    wrong = service(of).__class__(key=of, scheduler="rr", netmask=129)
    assert refused(kernel, AddService(wrong)) == [errno.EINVAL]


def test_a_batch_of_failures_larger_than_any_buffer_is_told_apart(kernel: Kernel) -> None:
    """Thousands of refusals come back as thousands of answers, and none may be lost or mixed up."""
    done(kernel, AddService(service()))
    operations = [
        DeleteDestination(key(), DestinationKey(f"10.8.{number >> 8}.{number & 255}", 80))
        if number % 2
        else AddDestination(key(), destination(f"10.8.{number >> 8}.{number & 255}"))
        for number in range(6000)
    ]
    expected = [errno.ENOENT if number % 2 else 0 for number in range(6000)]
    assert refused(kernel, *operations) == expected
    assert len(kernel.read()[key()].destinations) == 3000


def test_a_large_table_is_written_and_read_whole(kernel: Kernel) -> None:
    wanted: dict[Key, Pool] = table(
        *(
            pool(
                service(key(f"10.9.1.{number}")),
                *(destination(f"10.9.{number}.{real}") for real in range(250)),
            )
            for number in range(20)
        )
    )
    operations = plan(wanted, {}, ())
    started = time.perf_counter()
    done(kernel, *operations)
    wrote = time.perf_counter()
    found = kernel.read()
    print(f"{len(operations)} operations: {wrote - started:.3f} s, read: {time.perf_counter() - wrote:.3f} s")
    assert found == wanted
    assert plan(wanted, found, ()) == ()


# ---- connections


def test_what_nobody_connects_to_counts_nothing(kernel: Kernel) -> None:
    done(kernel, AddService(service()), AddDestination(key(), destination()))
    done(kernel, AddService(service(key("fd00::1"))), AddDestination(key("fd00::1"), destination("fd00::21")))
    done(kernel, AddService(service(key(port=81))))
    absent = key(port=99)
    assert kernel.counts([key(), key("fd00::1"), key(port=81), absent]) == {
        key(): {destination().key: Counts(0, 0)},
        key("fd00::1"): {destination("fd00::21").key: Counts(0, 0)},
        key(port=81): {},
        absent: {},
    }
    assert kernel.counts([]) == {}


@pytest.mark.ipvs
def test_connections_to_the_living_are_active_and_to_the_dead_inactive() -> None:
    for kernel in real_kernel():
        # the living one is this host; the way to the dead one leads nowhere
        for command in (
            ("address", "add", "10.9.0.1/32", "dev", "lo"),
            ("address", "add", "10.9.0.21/32", "dev", "lo"),
            ("route", "add", "10.9.0.77/32", "dev", "lo"),
        ):
            subprocess.run(["ip", *command], check=True)
        living, dead = key(port=80), key(port=81)
        for of, address in ((living, "10.9.0.21"), (dead, "10.9.0.77")):
            done(
                kernel,
                AddService(service(of)),
                AddDestination(of, destination(address, of.port, forwarding=Forwarding.DR)),
            )
        with contextlib.ExitStack() as opened:
            server = opened.enter_context(socket.create_server(("0.0.0.0", 80)))
            for of in (living, dead):
                for _ in range(3):
                    client = opened.enter_context(socket.socket())
                    client.setblocking(False)
                    assert client.connect_ex((of.address, of.port)) in (0, errno.EINPROGRESS)
            for _ in range(3):
                opened.enter_context(server.accept()[0])
            found = kernel.counts([living, dead])
            assert list(found[living].values()) == [Counts(active=3, inactive=0)]
            assert list(found[dead].values()) == [Counts(active=0, inactive=3)]
