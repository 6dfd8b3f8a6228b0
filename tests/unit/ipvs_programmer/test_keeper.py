"""A belief that turns out wrong is never kept: the table is read afresh and what is missing planned again."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    Operation,
)
from ipvs_programmer.table import Checksum, Forwarding, Tunnel, TunnelKind
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from vipbus.telemetry.trace import record

FIRST, SECOND = destination("10.9.0.21", upper=9, lower=3), destination("10.9.0.22")
GUE = Tunnel(TunnelKind.GUE, 6080, Checksum.CSUM)
WANTED = table(pool(service(), FIRST, SECOND))


def kept(kernel: FakeKernel) -> Keeper:
    keeper = Keeper(kernel)
    keeper.want(WANTED.keys(), WANTED)
    keeper.read(WANTED.keys())
    return keeper


@pytest.mark.parametrize(
    "number",
    [errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.EBUSY, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN],
    ids=errno.errorcode.get,
)
def test_an_errno_that_says_so_leads_to_a_fresh_read(number: int) -> None:
    kernel = FakeKernel()
    keeper = kept(kernel)
    kernel.refuse[str(AddDestination(key(), FIRST))] = number
    reads = kernel.reads
    keeper.write(WANTED.keys(), record("test"))
    assert kernel.reads > reads
    assert kernel.read() == keeper.believed == WANTED
    assert keeper.errors == {}


def test_lost_answers_lead_to_a_fresh_read() -> None:
    kernel = FakeKernel()
    keeper = kept(kernel)
    kernel.lose_replies_after = 2  # the service and one destination are there, and nobody was told
    keeper.write(WANTED.keys(), record("test"))
    assert kernel.read() == keeper.believed == WANTED
    assert kernel.batches[1] == (AddDestination(key(), SECOND),)


@pytest.mark.parametrize(
    "behind",
    [
        [DeleteService(key())],
        [DeleteDestination(key(), FIRST.key)],
        [DeleteDestination(key(), FIRST.key), DeleteDestination(key(), SECOND.key)],
        [DeleteService(key()), AddService(service(scheduler="wrr")), AddDestination(key(), FIRST)],
    ],
    ids=["service gone", "destination gone", "all destinations gone", "made again otherwise"],
)
def test_what_another_writer_did_meanwhile_is_found_by_the_refusal(behind: list[Operation]) -> None:
    kernel = FakeKernel()
    keeper = kept(kernel)
    keeper.write(WANTED.keys(), record("test"))
    assert kernel.apply(behind) == ()
    changed = table(pool(service(), destination("10.9.0.21", weight=7), destination("10.9.0.22", weight=8)))
    keeper.want(changed.keys(), changed)
    keeper.write(changed.keys(), record("test"))
    keeper.read(changed.keys())
    keeper.write(changed.keys(), record("test"))
    assert kernel.read() == keeper.believed == changed


@pytest.mark.parametrize(
    "edit",
    [
        lambda: destination("10.9.0.21", upper=10, lower=3),
        lambda: destination("10.9.0.21", upper=9, lower=4),
        lambda: destination("10.9.0.21", upper=9, lower=3, forwarding=Forwarding.TUN),
        lambda: destination("10.9.0.21", upper=9, lower=3, forwarding=Forwarding.TUN, tunnel=GUE),
    ],
    ids=["upper threshold", "lower threshold", "method", "tunnel"],
)
def test_every_setting_of_a_destination_is_one_edit(edit: Callable[[], object]) -> None:
    kernel = FakeKernel()
    keeper = kept(kernel)
    keeper.write(WANTED.keys(), record("test"))
    changed = edit()
    wanted = table(pool(service(), changed, SECOND))  # type: ignore[arg-type]  # a destination
    keeper.want(wanted.keys(), wanted)
    done = keeper.write(wanted.keys(), record("test"))
    assert done.operations == (EditDestination(key(), changed),)  # type: ignore[arg-type]  # likewise
    assert kernel.read() == wanted
