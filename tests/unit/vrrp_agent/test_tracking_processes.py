"""Which processes count, when their number means up, and what the kernel's datagrams may hold."""

from __future__ import annotations

import os
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import TrackProcess
from vrrp_agent.tracking import procevents, proctable
from vrrp_agent.tracking.processes import Counted, cause, counted, due, enough, matches
from vrrp_agent.tracking.procevents import Process


def process(name: str = "haproxy", **changes: Any) -> TrackProcess:
    return TrackProcess(router="r", name="p", process=name, **changes)


@pytest.mark.parametrize(
    ("tracked", "name", "command", "match"),
    [
        # by the kernel's name alone
        (process(), "haproxy", "", True),
        (process(), "haproxy", "/usr/sbin/haproxy -f x", True),
        (process(), "haprox", "haproxy", False),
        (process(), "haproxy2", "haproxy", False),
        (process("/usr/sbin/haproxy"), "haproxy", "", True),
        (process("averyveryverylongname"), "averyveryverylo", "", True),
        (process("averyveryverylongname"), "averyveryverylongname", "", False),
        (process("\u00e9" * 10), "\u00e9" * 7 + "\udcc3", "", True),  # cut in the middle of a letter
        # by the whole command
        (process(full_command=True), "x", "/usr/sbin/haproxy -f x", True),
        (process(full_command=True), "haproxy", "", False),
        (process("averyveryverylongname", full_command=True), "x", "averyveryverylongname", True),
        (process("averyveryverylongname", full_command=True), "x", "averyveryverylo", False),
        (process("/usr/sbin/haproxy", full_command=True), "x", "/usr/sbin/haproxy", True),
        (process("/usr/sbin/haproxy", full_command=True), "x", "haproxy", False),
        (process("/usr/sbin/haproxy", full_command=True), "x", "/opt/haproxy", False),
        # and its arguments, all of them
        (process(arguments=("-f", "a")), "x", "haproxy -f a", True),
        (process(arguments=("-f", "a")), "x", "haproxy -f a -d", False),
        (process(arguments=("-f", "a")), "x", "haproxy -f", False),
        (process(arguments=()), "x", "haproxy", True),
        (process(arguments=()), "x", "haproxy -d", False),
        # partial: the first ones
        (process(arguments=("-f", "a"), argument_match="partial"), "x", "haproxy -f a -d", True),
        (process(arguments=("-f", "a"), argument_match="partial"), "x", "haproxy -f a", True),
        (process(arguments=("-f", "a"), argument_match="partial"), "x", "haproxy -f ab", False),
        (process(arguments=("-f", "a"), argument_match="partial"), "x", "haproxy -f", False),
        (process(arguments=(), argument_match="partial"), "x", "haproxy -d", True),
        # initial: and the last may be longer
        (process(arguments=("-f", "a"), argument_match="initial"), "x", "haproxy -f ab", True),
        (process(arguments=("-f", "a"), argument_match="initial"), "x", "haproxy -f ab -d", True),
        (process(arguments=("-f", "a"), argument_match="initial"), "x", "haproxy -fx a", False),
        (process(arguments=("-f", "a"), argument_match="initial"), "x", "haproxy -f b", False),
        (process(arguments=(), argument_match="initial"), "x", "haproxy", True),
    ],
)
def test_matching(tracked: TrackProcess, name: str, command: str, match: bool) -> None:
    assert matches(tracked, name, tuple(command.split())) is match


@pytest.mark.parametrize(
    ("quorum", "most", "good"),
    [
        (1, None, "-++++"),
        (3, None, "---++"),
        (1, 1, "-+---"),
        (2, 3, "--++-"),
        (1, 0, "+----"),
    ],
)
def test_quorum(quorum: int, most: int | None, good: str) -> None:
    tracked = process(quorum=quorum, quorum_max=most)
    assert "".join("+" if enough(tracked, count) else "-" for count in range(5)) == good


def run(tracked: TrackProcess, counts: list[tuple[float, int]], at: float) -> bool:
    state: Counted | None = None
    for when, count in counts:
        if state is not None:
            state = due(state, when)
        state = counted(tracked, state, count, when)
    assert state is not None
    return due(state, at).up


@pytest.mark.parametrize(
    ("counts", "at", "up"),
    [
        ([(0, 0)], 0, False),  # the first count has no delay
        ([(0, 1)], 0, True),
        ([(0, 0), (5, 1)], 5.9, False),
        ([(0, 0), (5, 1)], 6.0, True),
        ([(0, 1), (5, 0)], 6.9, True),
        ([(0, 1), (5, 0)], 7.0, False),
        ([(0, 1), (5, 0), (6.5, 1)], 9, True),  # restarted in time
        ([(0, 1), (5, 0), (6.5, 0)], 7.0, False),
        # two are too many: a fork's delay, though it goes down
        ([(0, 1), (5, 2)], 5.9, True),
        ([(0, 1), (5, 2)], 6.0, False),
        ([(0, 2), (5, 1)], 6.9, False),
        ([(0, 2), (5, 1)], 7.0, True),
    ],
)
def test_delays(counts: list[tuple[float, int]], at: float, up: bool) -> None:
    assert run(process(quorum_max=1, fork_delay=1.0, terminate_delay=2.0), counts, at) is up


def test_the_cause_says_how_many_run_and_should() -> None:
    assert cause(process(quorum=2), 1) == "1 run, wanted at least 2"
    assert cause(process(quorum_max=0), 1) == "1 run, wanted 0 to 0"


# ---- the kernel's datagrams


def datagram(what: int, *numbers: int, index: int = 1, cut: int = 0, length: int | None = None) -> bytes:
    body = struct.pack("=IIQ", what, 0, 1) + struct.pack(f"={len(numbers)}I", *numbers)
    message = struct.pack("=IIIIHH", index, 1, 0, 0, len(body) if length is None else length, 0) + body
    whole = struct.pack("=IHHII", 16 + len(message), 3, 0, 0, 0) + message
    return whole[: len(whole) - cut]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (datagram(0x1, 10, 10, 11, 11), [Process("fork", 11, 10)]),
        (datagram(0x1, 12, 10, 11, 11), [Process("fork", 11, 10)]),
        (datagram(0x1, 10, 10, 11, 10), []),  # a thread
        (datagram(0x2, 12, 10), [Process("exec", 10)]),
        (datagram(0x200, 10, 10), [Process("comm", 10)]),
        (datagram(0x200, 12, 10), []),
        (datagram(0x80000000, 10, 10, 0, 17), [Process("exit", 10)]),
        (datagram(0x80000000, 12, 10, 0, 17), []),
        (datagram(0x4, 10, 10), []),
        (datagram(0x2, 12, 10, index=2), []),
        (datagram(0x2, 12, 10, cut=1), []),
        (datagram(0x2, 12, 10, length=3), []),
        (datagram(0x2), []),
        (datagram(0x1, 10, 10, 11), []),
        (b"", []),
    ],
)
def test_decoding(data: bytes, events: list[Process]) -> None:
    assert list(procevents.decode(data)) == events


@given(st.binary(max_size=120))
def test_noise_is_passed_over(data: bytes) -> None:
    assert len(list(procevents.decode(data))) <= 1


def test_proc_is_read() -> None:
    assert os.getpid() in proctable.pids()
    assert proctable.name(os.getpid())
    assert list(proctable.command(os.getpid())) == sys.orig_argv
    assert proctable.name(2**22 + 1) is None
    assert proctable.command(2**22 + 1) == ()
