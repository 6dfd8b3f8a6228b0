"""Checks by ICMP echo against the kernel, with datagram sockets, with raw ones and with neither."""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from health_prober.kinds.ping import without_header
from tests.support.leaks import leave_nothing
from tests.support.net_wire import Wire
from tests.support.waiting import eventually
from tests.support.web_attempts import Tried
from vipbus.contracts import PingCheck

SHORT = 0.3
"""Seconds for attempts that must run out of time."""
SLACK = 5.0
"""Seconds that a busy machine may take longer."""
TIMED_OUT = f"down timed out after {SHORT:g} s (waiting for the echo reply)"
STEPS = ["sent an echo request", "an echo reply came"]
NOBODY = "1 0"
"""net.ipv4.ping_group_range as it is in a new namespace: raw sockets are all there is."""
EVERYBODY = "0 2147483647"


def check(address: str, **more: object) -> PingCheck:
    return PingCheck(address=address, port=0, **{"timeout": 5.0, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture(params=[EVERYBODY, NOBODY], ids=["datagram", "raw"])
def wire(network: Wire, request: pytest.FixtureRequest) -> Wire:
    """Give the network, with each kind of socket."""
    network.allow_ping(request.param)
    return network


@pytest.mark.parametrize("address", [Wire.ROUTER, Wire.ROUTER_6, "127.0.0.1", "::1", Wire.SECOND])
def test_a_host_that_answers(wire: Wire, address: str) -> None:
    with wire.here.entered():
        tried = Tried(check(address))
    assert (tried.said, tried.steps) == ("ok", STEPS)


@pytest.mark.parametrize("address", [Wire.DROPPED, Wire.DROPPED_6])
def test_a_host_that_is_silent(wire: Wire, address: str) -> None:
    with wire.here.entered():
        tried = Tried(check(address, timeout=SHORT))
    assert (tried.said, tried.steps) == (TIMED_OUT, STEPS[:1])
    assert SHORT <= tried.took < SHORT + SLACK


@pytest.mark.parametrize(("target", "cause"), Wire.CAUSES)
def test_an_icmp_error(wire: Wire, target: str, cause: str) -> None:
    with wire.here.entered():
        tried = Tried(check(target))
    assert tried.said == f"down {cause}"
    assert tried.took < 5.0


# ---- without the right to do it


class _Capabilities(ctypes.Structure):
    """capget(2), version 3: two sets of 32."""

    _fields_ = [(name, ctypes.c_uint32 * 1) for name in ("effective", "permitted", "inheritable")]


_CAP_NET_RAW = 13
_VERSION_3 = 0x20080522


@contextmanager
def without_raw_sockets() -> Iterator[None]:
    """Lay CAP_NET_RAW of this thread aside for the length of a block."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (_Capabilities * 2)()
    assert libc.capget(header, sets) == 0
    sets[0].effective[0] &= ~(1 << _CAP_NET_RAW)
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0].effective[0] |= 1 << _CAP_NET_RAW
        assert libc.capset(header, sets) == 0


@pytest.mark.parametrize("address", [Wire.ROUTER, Wire.ROUTER_6])
def test_not_permitted(network: Wire, address: str) -> None:
    with network.here.entered(), without_raw_sockets():
        network.allow_ping(NOBODY)
        tried = Tried(check(address))
        assert tried.said == (
            "here ICMP: not permitted; set the sysctl net.ipv4.ping_group_range (it is IPv6's too) so that "
            "the prober's group is in it, or give the prober CAP_NET_RAW"
        )
        assert tried.steps == []
        network.allow_ping(EVERYBODY)
        assert Tried(check(address)).said == "ok"


# ---- hosts whose kernel leaves the answer to a program


@contextmanager
def answering(wire: Wire, answers: Callable[[bytes], list[bytes]]) -> Iterator[None]:
    """Answer what is asked of the router over IPv4 with ICMP messages; their checksums are made here."""
    wire.router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all")
    with wire.router.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    server.settimeout(0.05)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            try:
                packet, client = server.recvfrom(2048)
            except TimeoutError:
                continue
            message = without_header(packet)
            if message[0] == 8:
                for each in answers(message):
                    server.sendto(summed(each), client)
                    if ending.is_set():
                        break

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield
    finally:
        ending.set()
        serving.join(10)
        server.close()
        wire.router.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all")


def summed(message: bytes) -> bytes:
    """RFC 1071, written as the RFC has it, not as the check does."""
    if len(message) < 4:
        return message
    padded = message[:2] + b"\0\0" + message[4:] + b"\0" * (len(message) % 2)
    total = 0
    for (word,) in struct.iter_unpack("!H", padded):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]


def reply(asked: bytes) -> bytes:
    return b"\0" + asked[1:]


def changed(at: int) -> Callable[[bytes], list[bytes]]:
    def answers(asked: bytes) -> list[bytes]:
        good = reply(asked)
        return [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]]

    return answers


PROGRAMS: list[tuple[Callable[[bytes], list[bytes]], str]] = [
    (lambda asked: [reply(asked)], "ok"),
    (lambda asked: [reply(asked)] * 3, "ok"),
    (changed(1), TIMED_OUT),  # the code
    (changed(4), TIMED_OUT),  # the identifier: another process's
    (changed(7), TIMED_OUT),  # the sequence number
    (changed(8), TIMED_OUT),  # what came with it
    (changed(23), TIMED_OUT),
    (lambda asked: [reply(asked)[:-1]], TIMED_OUT),
    (lambda asked: [reply(asked) + b"x"], TIMED_OUT),
    (lambda asked: [reply(asked)[:8]], TIMED_OUT),
    (lambda _: [b"\0\0\0\0"], TIMED_OUT),
    (lambda asked: [asked], TIMED_OUT),
    (lambda asked: [*changed(7)(asked), *changed(20)(asked), reply(asked)], "ok"),
    # an error that quotes another's request is none of ours
    (lambda asked: [unreachable(changed(7)(b"\x08" + asked[1:])[0])], TIMED_OUT),
    (lambda asked: [unreachable(b"\x08" + asked[1:])], "down host unreachable"),
]


def unreachable(quoted: bytes) -> bytes:
    """An ICMP error about a packet from ``here`` to the router (RFC 792)."""
    addresses = socket.inet_aton("10.97.0.1") + socket.inet_aton(Wire.ROUTER)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(quoted), 0, 0, 64, 1, 0) + addresses
    return b"\x03\x01\0\0\0\0\0\0" + header + summed(b"\x08" + quoted[1:])


@pytest.mark.parametrize(("answers", "outcome"), PROGRAMS)
def test_what_a_program_answers(wire: Wire, answers: Callable[[bytes], list[bytes]], outcome: str) -> None:
    with answering(wire, answers), wire.here.entered():
        tried = Tried(check(wire.ROUTER, timeout=SHORT if outcome == TIMED_OUT else 5.0))
    assert tried.said == outcome
    assert tried.took < SHORT + SLACK


def test_a_flood_ends_in_time(wire: Wire) -> None:
    with answering(wire, lambda asked: changed(20)(asked) * 1_000_000), wire.here.entered():
        tried = Tried(check(wire.ROUTER, timeout=SHORT))
    assert tried.said == TIMED_OUT
    assert SHORT <= tried.took < SHORT + SLACK


def test_others_that_ping_the_same_host(wire: Wire, tmp_path: Path) -> None:
    """Only they are answered."""
    with answering(wire, lambda asked: [reply(asked)] if len(asked) > 24 else []), wire.here.entered():
        others = wire.here.spawn(("ping", "-i0.01", "-c1000", wire.ROUTER), log := tmp_path / "log")
        try:
            eventually(lambda: "icmp_seq=9 " in log.read_text(), "others are answered")
            assert Tried(check(wire.ROUTER, timeout=SHORT)).said == TIMED_OUT
        finally:
            others.terminate()
            others.wait(10)


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_leave_nothing_behind(wire: Wire, rounds: int) -> None:
    checks = [
        *[check(wire.ROUTER, timeout=60.0)] * 3,
        *[check(wire.ROUTER_6, timeout=60.0)] * 3,
        check("10.97.1.3", timeout=60.0),
        check("fd97:1::3", timeout=60.0),
        check(wire.DROPPED, timeout=0.002),
        check("10.98.0.1"),
    ]
    with wire.here.entered():
        outcomes = leave_nothing(checks, rounds, at_once=5)
    assert outcomes == {
        "ok": rounds * 6 / 10,
        "network unreachable (said by 10.97.0.2)": rounds / 10,
        "host unreachable (said by fd97::2)": rounds / 10,
        "timed out after 0.002 s (waiting for the echo reply)": rounds / 10,
        "network is unreachable": rounds / 10,
    }
