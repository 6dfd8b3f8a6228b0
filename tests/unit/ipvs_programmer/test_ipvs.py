"""The port over netlink, against a kernel that is a script: interrupted, out of room, refusing, hostile."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import codec, genetlink
from ipvs_programmer import constants as c
from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.kernel import KernelError, NoIpvsError, NotPermittedError, RequestError, UnsureError
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.octets import Message, attribute
from ipvs_programmer.plan import AddService
from ipvs_programmer.table import Destination
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, table
from tests.unit.ipvs_programmer.test_netlink import FAMILY, acknowledgement, end, message, scripted

Reply = Callable[[Message], list[bytes | OSError]]
"""What a kernel answers to one request of IPVS."""


def kernel_that(reply: Reply) -> tuple[IpvsKernel, list[int]]:
    """Give the port to a kernel, and the list of the sockets' lives: one entry for each that was opened."""
    opened: list[int] = []

    def answer(requests: list[Message]) -> list[bytes | OSError]:
        replies: list[bytes | OSError] = []
        for each in requests:
            if each.type == c.GENL_ID_CTRL:
                data = genetlink.command(1, 1, attribute(c.CTRL_ATTR_FAMILY_ID, FAMILY.to_bytes(2, "little")))
                replies += [message(c.GENL_ID_CTRL, each.sequence, data), acknowledgement(each.sequence)]
            else:
                replies += reply(each)
        return replies

    def connect() -> object:
        opened.append(len(opened))
        return scripted(answer)[0]

    return IpvsKernel(connect), opened  # type: ignore[arg-type]  # a NetlinkSocket on a script


def service_message(sequence: int, flags: int = 0) -> bytes:
    packed = genetlink.command(c.IPVS_CMD_NEW_SERVICE, 1, codec.pack_service(service()))
    return message(FAMILY, sequence, packed, flags)


def destination_message(sequence: int, of: Destination, flags: int = 0) -> bytes:
    packed = genetlink.command(c.IPVS_CMD_NEW_DEST, 1, codec.pack_destination(of))
    return message(FAMILY, sequence, packed, flags)


FIRST, SECOND = destination("10.9.0.21"), destination("10.9.0.22")


@pytest.mark.parametrize("interrupted", [c.IPVS_CMD_GET_SERVICE, c.IPVS_CMD_GET_DEST])
def test_an_interrupted_dump_is_repeated_whole(interrupted: int) -> None:
    """A part of the table is never taken for the table."""
    asked: list[int] = []

    def reply(request: Message) -> list[bytes | OSError]:
        number, sequence = request.payload[0], request.sequence
        again = number == interrupted and number not in asked
        asked.append(number)
        if again:
            return [end(sequence, flags=c.NLM_F_DUMP_INTR)]
        if number == c.IPVS_CMD_GET_SERVICE:
            return [service_message(sequence), end(sequence)]
        return [destination_message(sequence, each) for each in (FIRST, SECOND)] + [end(sequence)]

    kernel, opened = kernel_that(reply)
    assert kernel.read() == table(pool(service(), FIRST, SECOND))
    assert asked.count(interrupted) == 2
    assert opened == [0]


def test_a_table_that_changes_all_the_time_is_not_read_in_part() -> None:
    def reply(request: Message) -> list[bytes | OSError]:
        return [service_message(request.sequence, c.NLM_F_DUMP_INTR), end(request.sequence)]

    kernel, _ = kernel_that(reply)
    with pytest.raises(UnsureError, match="interrupted"):
        kernel.read()


CALLS: dict[str, Callable[[IpvsKernel], object]] = {
    "read": lambda kernel: kernel.read(),
    "read some": lambda kernel: kernel.read([key()]),
    "counts": lambda kernel: kernel.counts([key()]),
    "apply": lambda kernel: kernel.apply([AddService(service())]),
    "flush": lambda kernel: kernel.flush(),
    "statistics": lambda kernel: kernel.statistics(),
    "statistics of some": lambda kernel: kernel.statistics([key()]),
    "zero": lambda kernel: kernel.zero(),
    "daemons": lambda kernel: kernel.daemons(),
    "start": lambda kernel: kernel.start_daemon(Daemon(state=DaemonState.MASTER, interface="eth0")),
    "stop": lambda kernel: kernel.stop_daemon(DaemonState.BACKUP),
    "timeouts": lambda kernel: kernel.timeouts(),
    "set timeouts": lambda kernel: kernel.set_timeouts(Timeouts(tcp=1)),
    "info": lambda kernel: kernel.info(),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
TELLING = [CALLS[name] for name in ("flush", "zero", "start", "stop", "set timeouts")]


@calls
def test_after_lost_answers_nothing_is_believed_and_a_new_socket_is_made(
    call: Callable[[IpvsKernel], object],
) -> None:
    def reply(_: Message) -> list[bytes | OSError]:
        return [OSError(errno.ENOBUFS, "no buffer space")]

    kernel, opened = kernel_that(reply)
    for expected in ([0], [0, 1]):
        with pytest.raises(UnsureError, match="ENOBUFS"):
            call(kernel)
        assert opened == expected


@calls
def test_who_may_not_is_told_so(call: Callable[[IpvsKernel], object]) -> None:
    kernel, _ = kernel_that(lambda request: [acknowledgement(request.sequence, errno.EPERM)])
    with pytest.raises(NotPermittedError):
        call(kernel)


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EBUSY, errno.ENODEV, errno.EINVAL, errno.ESRCH])
def test_a_refusal_has_its_number_and_the_kernels_words(number: int) -> None:
    kernel, opened = kernel_that(
        lambda request: [acknowledgement(request.sequence, number, "the kernel's own words")]
    )
    for call in TELLING:
        with pytest.raises(RequestError, match="the kernel's own words") as refused:
            call(kernel)
        assert refused.value.number == number
    assert opened == [0]  # the conversation is whole: the same socket goes on


def test_a_family_that_went_away_is_no_ipvs() -> None:
    kernel, _ = kernel_that(lambda request: [acknowledgement(request.sequence, errno.ENOENT)])
    with pytest.raises(NoIpvsError):
        kernel.timeouts()


def test_a_question_without_an_answer() -> None:
    kernel, _ = kernel_that(lambda request: [acknowledgement(request.sequence)])
    for call in (CALLS["info"], CALLS["timeouts"]):
        with pytest.raises(UnsureError, match="without an answer"):
            call(kernel)


def test_facts_are_read() -> None:
    info = KernelInfo(version="1.2.1", connection_table_size=4096)

    def reply(request: Message) -> list[bytes | OSError]:
        answer = genetlink.command(c.IPVS_CMD_SET_INFO, 1, codec.pack_info(info))
        return [message(FAMILY, request.sequence, answer), acknowledgement(request.sequence)]

    kernel, _ = kernel_that(reply)
    assert kernel.info() == info


@given(st.lists(st.binary(max_size=120), max_size=3), st.sampled_from([1, 2, 3]))
def test_whatever_a_kernel_answers_ends_in_the_ports_own_error(noise: list[bytes], nest: int) -> None:
    def reply(request: Message) -> list[bytes | OSError]:
        sequence = request.sequence
        parts: list[bytes | OSError] = [
            message(FAMILY, sequence, genetlink.command(1, 1, attribute(nest, each))) for each in noise
        ]
        parts += [message(FAMILY, sequence, each) for each in noise]
        return [*parts, end(sequence), acknowledgement(sequence)]

    for call in CALLS.values():
        kernel, _ = kernel_that(reply)
        with contextlib.suppress(KernelError):
            call(kernel)
