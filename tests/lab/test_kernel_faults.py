"""A plan of 200 on a real kernel that fails on the way: injected errors, and those that can be provoked."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ipvs_programmer import constants as c
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.kernel import Failure, UnsureError
from ipvs_programmer.netlink import NetlinkSocket
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
from ipvs_programmer.table import Counts, DestinationKey, Key, Pool
from tests.lab.namespace import Namespace
from tests.unit.ipvs_programmer.faulty import AFTER, COUNT, TROUBLES, Trouble, name
from tests.unit.ipvs_programmer.tables import destination, service
from tests.unit.ipvs_programmer.to_and_fro import ToAndFro
from tests.unit.ipvs_programmer.world import real_server, virtual_server

pytestmark = pytest.mark.ipvs
_STRIDE = 7


class LossySocket(socket.socket):
    """A netlink socket that loses what it is told to, once."""

    lose: str = ""

    def send(self, data: Any, flags: int = 0) -> int:
        if LossySocket.lose == "the send":
            LossySocket.lose = ""
            return len(data)
        return super().send(data, flags)

    def recvmsg_into(self, *arguments: Any) -> Any:
        if LossySocket.lose == "the answer":
            LossySocket.lose = ""
            raise BlockingIOError
        return super().recvmsg_into(*arguments)


class Meddled:
    """A real kernel in which someone else does something right before a batch, once."""

    def __init__(self, namespace: Namespace) -> None:
        self.meddle: Callable[[], None] | None = None
        self.sockets: list[socket.socket] = []
        self.refused: list[int] = []
        """The errnos of what was refused, oldest first."""
        self.unsure: list[str] = []
        self._namespace = namespace
        self._kernel = IpvsKernel(self._connect)

    def _make(self, *arguments: int) -> socket.socket:
        self.sockets.append(LossySocket(*arguments))
        return self.sockets[-1]

    def _connect(self) -> NetlinkSocket:
        with self._namespace.entered():
            return NetlinkSocket(c.NETLINK_GENERIC, self._make)

    def close(self) -> None:
        self._kernel.close()

    def read(self, keys: Collection[Key] | None = None) -> dict[Key, Pool]:
        return self._kernel.read(keys)

    def counts(self, keys: Collection[Key]) -> dict[Key, dict[DestinationKey, Counts]]:
        return self._kernel.counts(keys)

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        try:
            failures = self._kernel.apply(operations)
        except UnsureError as error:
            self.unsure.append(str(error))
            raise
        self.refused += [failure.number for failure in failures]
        return failures


@pytest.fixture(scope="module")
def meddled() -> Iterator[Meddled]:
    namespace = Namespace(f"faults{secrets.token_hex(4)}")
    namespace.open()
    kernel = Meddled(namespace)
    yield kernel
    kernel.close()
    namespace.close()


@pytest.fixture(scope="module")
def way(meddled: Meddled, tmp_path_factory: pytest.TempPathFactory) -> ToAndFro:
    return ToAndFro(meddled, Path(tmp_path_factory.mktemp("faults")))


@pytest.mark.parametrize("trouble", TROUBLES, ids=name)
def test_faults_on_the_way(way: ToAndFro, trouble: Trouble) -> None:
    for at in range(0, COUNT, _STRIDE):
        way.strike({at: trouble})
    way.strike({_STRIDE: trouble, _STRIDE + 1: trouble})


def contradict(operation: Operation) -> Operation | None:
    """Find what someone else would do for the kernel to refuse an operation."""
    match operation:
        case AddService():
            return AddService(service(operation.key, "wlc"))
        case AddDestination():
            return AddDestination(operation.key, destination(operation.destination.key.address, weight=9))
        case EditDestination():
            return DeleteDestination(operation.key, operation.destination.key)
        case DeleteDestination():
            return operation
        case EditService() | DeleteService():
            return DeleteService(operation.key)
    return None


CONTRADICTIONS: dict[str, tuple[type[Operation], set[int]]] = {
    "EEXIST of services": (AddService, {errno.EEXIST}),
    "EEXIST of destinations": (AddDestination, {errno.EEXIST}),
    "ENOENT of edits": (EditDestination, {errno.ENOENT}),
    "ENOENT of deletions": (DeleteDestination, {errno.ENOENT}),
    "ESRCH of whole pools": (EditService, {errno.ESRCH}),
    "ESRCH of what goes": (DeleteService, {errno.ESRCH}),
}


@pytest.mark.parametrize(("kind", "numbers"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_someone_else_was_there_before(
    way: ToAndFro, meddled: Meddled, kind: type[Operation], numbers: set[int]
) -> None:
    def meddle() -> None:
        found = [contradict(each) for each in way.operations() if isinstance(each, kind)]
        if kind is AddDestination:  # those of new services have nowhere to go yet
            found = [each for each in found if each is not None and each.key in way.before]
        for each in found:
            assert each is not None
            assert meddled.apply([each]) == ()

    meddled.refused.clear()
    meddled.meddle = meddle
    way.faulty.arm({})
    way.stepped.configure(*AFTER)
    way.assert_arrives(kind)
    assert set(meddled.refused) == numbers
    way.back()


def test_the_receive_buffer_is_too_small_for_the_refusals(way: ToAndFro, meddled: Meddled) -> None:
    def meddle() -> None:
        others = [each for each in way.operations() if isinstance(each, AddDestination | EditDestination)]
        for each in others:
            if each.key in way.before:
                meddled.apply([found for found in [contradict(each)] if found is not None])
        # half a page: the kernel's smallest
        meddled.sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    meddled.unsure.clear()
    meddled.meddle = meddle
    way.faulty.arm({})
    way.stepped.configure(*AFTER)
    way.assert_arrives("ENOBUFS")
    assert ["ENOBUFS" in each for each in meddled.unsure] == [True], meddled.unsure
    way.back()


@pytest.mark.parametrize("lost", ["the send", "the answer"])
def test_something_is_lost(way: ToAndFro, meddled: Meddled, lost: str) -> None:
    def meddle() -> None:
        LossySocket.lose = lost

    meddled.unsure.clear()
    meddled.meddle = meddle
    way.faulty.arm({})
    way.stepped.configure(*AFTER)
    way.assert_arrives(lost)
    assert ["did not answer" in each for each in meddled.unsure] == [True], meddled.unsure
    way.back()


def test_what_this_kernel_never_takes_is_said_and_the_rest_is_done(way: ToAndFro) -> None:
    strange = virtual_server("10.9.0.1", 7000, scheduler="none-such")
    plain = virtual_server("10.9.0.1", 7001)
    multicast = real_server("224.0.0.18", of=plain)
    way.faulty.arm({})
    way.stepped.configure(
        *AFTER,
        strange,
        real_server("10.9.1.1", of=strange),
        plain,
        real_server("10.9.1.1", of=plain),
        multicast,
    )
    assert way.stepped.settle(3) == 3
    found = way.faulty.read()
    assert {of: held for of, held in found.items() if of in way.after} == way.after
    assert way.stepped.document(strange).error == (
        "the kernel has no scheduler none-such: modprobe ip_vs_none-such"
    )
    assert not way.stepped.document(strange).programmed
    said = way.stepped.document(plain)
    assert said.error.startswith("add destination 224.0.0.18:80 to TCP 10.9.0.1:7001")
    assert [each.address for each in said.destinations] == ["10.9.1.1"]
    assert said.error in way.stepped.problems or "and 1 more" in way.stepped.problems
    way.back()
    assert plan(way.before, way.faulty.read(), ()) == ()
