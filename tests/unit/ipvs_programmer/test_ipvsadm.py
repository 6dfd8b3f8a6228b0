"""Our messages beside those of ipvsadm(8), recorded with the kernel's answers in ``ipvsadm.txt``.

The octets themselves differ where they may: the kernel reads attributes in any order and passes over the flag
NLA_F_NESTED (NLA_TYPE_MASK). So attributes are compared, each octet of each value. Every attribute that we
send, ipvsadm sends with the same value. What ipvsadm sends beyond is nothing that the kernel looks at, and
stands in `BEYOND`. Of IPv4 addresses the first four octets are compared: what follows them means nothing.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from ipvs_programmer import codec
from ipvs_programmer import constants as c
from ipvs_programmer.counters import DestinationStatistics, PoolStatistics
from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.genetlink import body
from ipvs_programmer.namespace import KernelInfo, Timeouts
from ipvs_programmer.octets import attributes
from ipvs_programmer.plan import Operation
from ipvs_programmer.table import DestinationKey, Key, Pool
from tests.unit.ipvs_programmer.ipvsadm_cases import CASES, LIST, Act

Tree = dict[int, "bytes | Tree"]


class Exchange(NamedTuple):
    """What ipvsadm sent, and what the kernel sent back."""

    flags: int
    request: bytes
    answers: list[bytes]


class Recorded(NamedTuple):
    """A command line and its exchanges."""

    command: str
    exchanges: list[Exchange]


def recorded() -> list[Recorded]:
    found: list[Recorded] = []
    for line in Path(__file__).with_name("ipvsadm.txt").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "$":
            found.append(Recorded(rest.removeprefix("ipvsadm "), []))
        elif kind == ">":
            flags, _, octets = rest.partition(" ")
            found[-1].exchanges.append(Exchange(int(flags, 16), bytes.fromhex(octets), []))
        elif kind == "<":
            found[-1].exchanges[-1].answers.append(bytes.fromhex(rest))
    # the first command alone shows the question with which every command starts
    assert found[0].exchanges[0].request == codec.info_request()
    return found


RECORDED = recorded()
PAIRS = list(zip(RECORDED, CASES, strict=True))


def ours_of(said: Operation | bytes) -> bytes:
    return said if isinstance(said, bytes) else codec.pack_operation(said)


def theirs_of(each: Recorded) -> Exchange:
    return next(exchange for exchange in each.exchanges if exchange.request != codec.info_request())


NESTED = {c.IPVS_CMD_ATTR_SERVICE, c.IPVS_CMD_ATTR_DEST, c.IPVS_CMD_ATTR_DAEMON}


def tree(payload: bytes) -> Tree:
    """Take a message apart: values by attribute, what is nested within its own."""
    return {
        kind: {inner: bytes(value) for inner, value in attributes(value).items()}
        if kind in NESTED
        else bytes(value)
        for kind, value in attributes(body(payload)).items()
    }


def known(found: Tree) -> Tree:
    """Cut what means nothing: behind four octets, an IPv4 address is what stood in memory."""
    for nest, family, address in (
        (c.IPVS_CMD_ATTR_SERVICE, c.IPVS_SVC_ATTR_AF, c.IPVS_SVC_ATTR_ADDR),
        (c.IPVS_CMD_ATTR_DEST, c.IPVS_DEST_ATTR_ADDR_FAMILY, c.IPVS_DEST_ATTR_ADDR),
    ):
        inner = found.get(nest)
        if isinstance(inner, dict) and address in inner:
            value, version = inner[address], inner[family]
            assert isinstance(value, bytes)
            assert isinstance(version, bytes)
            if int.from_bytes(version, "little") == socket.AF_INET:
                inner[address] = value[:4]
    return found


SETTINGS = {
    (c.IPVS_CMD_ATTR_SERVICE, kind)
    for kind in (
        c.IPVS_SVC_ATTR_SCHED_NAME,
        c.IPVS_SVC_ATTR_FLAGS,
        c.IPVS_SVC_ATTR_TIMEOUT,
        c.IPVS_SVC_ATTR_NETMASK,
    )
}
"""Of a service that is only named: the kernel looks at its identity alone (ip_vs_genl_parse_service)."""
DESTINATION_SETTINGS = {
    (c.IPVS_CMD_ATTR_DEST, kind)
    for kind in (
        c.IPVS_DEST_ATTR_FWD_METHOD,
        c.IPVS_DEST_ATTR_WEIGHT,
        c.IPVS_DEST_ATTR_U_THRESH,
        c.IPVS_DEST_ATTR_L_THRESH,
    )
}
"""Of a destination that is only named, likewise."""
TUNNEL = {
    (c.IPVS_CMD_ATTR_DEST, kind)
    for kind in (c.IPVS_DEST_ATTR_TUN_TYPE, c.IPVS_DEST_ATTR_TUN_PORT, c.IPVS_DEST_ATTR_TUN_FLAGS)
}
"""Where it is plain: all of it is 0, which is what the kernel takes where it is not named."""
BEYOND = {
    c.IPVS_CMD_DEL_SERVICE: SETTINGS,
    c.IPVS_CMD_GET_SERVICE: SETTINGS,
    c.IPVS_CMD_ZERO: SETTINGS,
    c.IPVS_CMD_NEW_DEST: SETTINGS | TUNNEL,
    c.IPVS_CMD_SET_DEST: SETTINGS | TUNNEL,
    c.IPVS_CMD_DEL_DEST: SETTINGS | DESTINATION_SETTINGS | TUNNEL,
    c.IPVS_CMD_DEL_DAEMON: {
        (c.IPVS_CMD_ATTR_DAEMON, c.IPVS_DAEMON_ATTR_MCAST_IFN),
        (c.IPVS_CMD_ATTR_DAEMON, c.IPVS_DAEMON_ATTR_SYNC_ID),
    },
}
"""By command: what ipvsadm sends and we do not."""


def flat(found: Tree) -> dict[tuple[int, ...], bytes]:
    result: dict[tuple[int, ...], bytes] = {}
    for kind, value in found.items():
        if isinstance(value, dict):
            result |= {(kind, inner): octets for inner, octets in value.items() if isinstance(octets, bytes)}
        else:
            result[(kind,)] = value
    return result


@pytest.mark.parametrize(("each", "case"), PAIRS, ids=[each.command for each, _ in PAIRS])
def test_what_we_send_is_what_ipvsadm_sends(
    each: Recorded, case: tuple[str, Operation | bytes, Act | None]
) -> None:
    command, said, _ = case
    assert each.command == command
    theirs, ours = theirs_of(each).request, ours_of(said)
    assert ours[:2] == theirs[:2]  # struct genlmsghdr: the command and the family's version
    sent, wanted = flat(known(tree(theirs))), flat(known(tree(ours)))
    beyond = {path: value for path, value in sent.items() if path not in wanted}
    assert wanted == {path: value for path, value in sent.items() if path in wanted}
    assert set(beyond) <= BEYOND.get(theirs[0], set())
    assert not any(any(value) for path, value in beyond.items() if path in TUNNEL)


def test_a_list_is_asked_for_as_a_dump() -> None:
    """Ours without NLM_F_ACK: a dump ends with NLMSG_DONE anyway."""
    for each in RECORDED:
        for exchange in each.exchanges:
            dumps = exchange.request in (codec.services_request(), codec.daemons_request())
            dumps |= exchange.request[0] == c.IPVS_CMD_GET_DEST
            assert (exchange.flags & c.NLM_F_DUMP == c.NLM_F_DUMP) == dumps


def test_destinations_are_asked_for_as_ipvsadm_does() -> None:
    asked = 0
    for each in RECORDED:
        for exchange in each.exchanges:
            if exchange.request[0] == c.IPVS_CMD_GET_DEST:
                key = codec.unpack_key(body(exchange.request))
                assert flat(tree(codec.destinations_request(key))) == flat(tree(exchange.request))
                asked += 1
    assert asked > 10


@pytest.mark.parametrize(
    ("each", "said"),
    [(each, said) for each, (_, said, _) in PAIRS if not isinstance(said, bytes)],
    ids=[each.command for each, (_, said, _) in PAIRS if not isinstance(said, bytes)],
)
def test_what_ipvsadm_sends_we_read(each: Recorded, said: Operation) -> None:
    assert codec.unpack_operation(theirs_of(each).request) == said


# ---- what the kernel answered


def answers(command: str, place: int = 0) -> list[bytes]:
    """Give the kernel's answers to the last run of a command."""
    found = [each for each in RECORDED if each.command == command][-1]
    return found.exchanges[place].answers


def told() -> tuple[FakeKernel, dict[str, FakeKernel]]:
    """Do to a fake all that ipvsadm was told to; give it as it stood at each question, too."""
    kernel, at = FakeKernel(), {}
    kernel.interfaces.add("lab0")
    for command, said, act in CASES:
        if act is not None:
            act(kernel)
        elif not isinstance(said, bytes):
            assert kernel.apply([said]) == (), command
        else:
            at[command] = FakeKernel()
            at[command].services = dict(kernel.services)
            at[command].destinations = {key: dict(pool) for key, pool in kernel.destinations.items()}
            at[command].running = dict(kernel.running)
            at[command].timeouts_now = kernel.timeouts_now
    return kernel, at


def test_the_table_that_the_kernel_listed_is_what_the_fake_holds() -> None:
    """Each service and destination as the kernel really sends it, after each edit that it really took."""
    _, at = told()
    listed = next(each for each in RECORDED if each.command == LIST)
    table: dict[Key, Pool] = {}
    statistics: dict[Key, PoolStatistics] = {}
    for exchange in listed.exchanges:
        for answer in exchange.answers:
            if exchange.request == codec.services_request():
                service = codec.unpack_service(body(answer))
                table[service.key] = Pool(service, {})
                key, counted = codec.unpack_service_statistics(body(answer))
                statistics[key] = PoolStatistics(counted, {})
            elif exchange.request[0] == c.IPVS_CMD_GET_DEST:
                key = codec.unpack_key(body(exchange.request))
                found = codec.unpack_destination(body(answer), key.family)
                pool = table[key].destinations
                assert isinstance(pool, dict)
                pool[found.key] = found
                of: dict[DestinationKey, DestinationStatistics] = dict(statistics[key].destinations)
                of |= [codec.unpack_destination_statistics(body(answer), key.family)]
                statistics[key] = PoolStatistics(statistics[key].service, of)
    assert table == at[LIST].read()
    assert statistics == at[LIST].statistics()
    assert sum(len(pool.destinations) for pool in table.values()) > 15


def test_the_kernels_other_answers() -> None:
    _, at = told()
    info = codec.unpack_info(body(RECORDED[0].exchanges[0].answers[0]))
    assert info == KernelInfo(version="1.2.1", connection_table_size=4096) == FakeKernel().info()
    timeouts = codec.unpack_timeouts(body(answers("-L --timeout")[0]))
    assert timeouts == Timeouts(tcp=100, tcp_fin=20, udp=60) == at["-L --timeout"].timeouts()
    daemons = [codec.unpack_daemon(body(answer)) for answer in answers("-L --daemon")]
    assert daemons == list(at["-L --daemon"].daemons())


def test_after_all_of_it_nothing_is_left() -> None:
    kernel, _ = told()
    assert kernel.read() == {}


def test_every_command_of_the_family_is_recorded() -> None:
    commands = {exchange.request[0] for each in RECORDED for exchange in each.exchanges}
    # IPVS_CMD_SET_INFO is the name of an answer alone
    assert commands == set(range(c.IPVS_CMD_NEW_SERVICE, c.IPVS_CMD_FLUSH + 1)) - {c.IPVS_CMD_SET_INFO}
