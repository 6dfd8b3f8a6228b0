"""File checks: what numbers say, and what else may stand in a file's place."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from health_prober.attempt import Passed, Steps
from health_prober.check import Event, Failed, Succeeded, Unproven
from health_prober.trying import tried
from tests.support.leaks import leave_nothing
from tests.support.vrrp import needs_root
from tests.support.waiting import eventually
from vipbus.contracts import FileCheck

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2


def check(path: Path, *, weight: int = 1, timeout: float = 5.0) -> FileCheck:
    return FileCheck(address="10.9.0.21", port=80, path=str(path), weight=weight, timeout=timeout)


def once(tested: FileCheck) -> Event:
    return asyncio.run(tried(tested, Steps()))


@pytest.mark.parametrize(
    ("content", "weight", "said"),
    [
        ("0\n", 1, 0),
        ("5\n", 1, 5),
        ("5\n", 3, 15),
        ("-3", 3, -9),
        (" 4 \n", -2, -8),
        ("0", -2, 0),
        ("2147483647", 2, 2**31 - 1),
        ("-2147483647", 1, -(2**31) + 1),
        ("-2147483647", 2, "-2147483647: times 2 it takes more than any weight"),
        ("2147483647", -2, "2147483647: times -2 it takes more than any weight"),
        ("0", 0, 0),
        ("1", 0, "1"),
        ("-1", 0, "-1"),
    ],
)
def test_what_a_number_says(tmp_path: Path, content: str, weight: int, said: int | str) -> None:
    path = tmp_path / "number"
    path.write_text(content)
    event = once(check(path, weight=weight))
    if isinstance(said, str):
        assert event == Failed(event.began, f"{path} holds {said}")
    else:
        passed = Passed(note=f"{path} holds {content.strip()}", weight_added=said)
        assert event == Succeeded(event.began, passed)


@pytest.mark.parametrize("weight", [0, 1, -2])
def test_an_absent_file_counts_as_nothing(tmp_path: Path, weight: int) -> None:
    event = once(check(tmp_path / "none", weight=weight))
    assert event == Succeeded(event.began, Passed(note=f"{tmp_path}/none does not exist"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"on\n",
        b"5x",
        b"5 6",
        b"0x10",
        b"1.5",
        b"2147483648",
        b"-2147483648",
        b"9" * 5000,
        b"5\0",
        b"\xff\xfe5",
        b" " * 5000 + b"5",
        os.urandom(4096) + b"x",
    ],
)
def test_noise_proves_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "number"
    path.write_bytes(content)
    event = once(check(path))
    assert isinstance(event, Unproven)
    assert event.trouble.startswith(f"{path} holds no number from -2147483647 to 2147483647: b")
    assert len(event.trouble) < len(str(path)) + 200
    assert event.trouble.isprintable()


def test_what_else_may_stand_there(tmp_path: Path) -> None:
    fifo, loop, link = (tmp_path / name for name in ("fifo", "loop", "link"))
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    link.symlink_to("/dev/zero")
    cases = {
        tmp_path: "is no file",
        fifo: "is no file",
        link: "is no file",
        Path("/dev/zero"): "is no file",
        Path("/dev/random"): "is no file",
        Path("/dev/tty"): "",
        loop: "cannot be read: Too many levels of symbolic links",
        tmp_path / "fifo" / "below": "cannot be read: Not a directory",
        tmp_path / ("x" * 300): "cannot be read: File name too long",
        Path("/proc/self/mem"): "cannot be read: Input/output error",
    }
    for path, words in cases.items():
        began = time.monotonic()
        event = once(check(path))
        assert isinstance(event, Unproven), path
        assert words in event.trouble
        assert time.monotonic() - began < 2


def test_a_path_is_absolute_and_holds_no_octet_of_0(tmp_path: Path) -> None:
    event = once(check(tmp_path / "a\0b"))  # the contract lets none in, so this is the second wall
    assert isinstance(event, Unproven)
    assert "cannot be read: " in event.trouble  # why: each Python says it in other words


def test_a_file_that_someone_has_a_lease_on_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("5\n")
    holder = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(holder, fcntl.F_SETSIG, signal.SIGURG)  # one that is ignored
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        # whoever waits for the holder does so for 45 s (fcntl(2), lease-break-time)
        event = once(check(path))
        assert isinstance(event, Unproven)
        assert event.trouble == f"{path} cannot be read: Resource temporarily unavailable"
    finally:
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(holder)


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A directory on a file system that never answers (a FUSE one that nobody serves)."""
    if not Path("/dev/fuse").exists():
        pytest.skip("no FUSE in this kernel")
    place = tmp_path / "hung"
    place.mkdir()
    with Path("/dev/fuse").open("r+b", buffering=0) as server:
        options = f"fd={server.fileno()},rootmode=40000,user_id=0,group_id=0"
        if _libc.mount(b"hung", str(place).encode(), b"fuse", 0, options.encode()) != 0:
            pytest.skip(f"no mount: {os.strerror(ctypes.get_errno())}")
        yield place, server
        _libc.umount2(str(place).encode(), _MNT_DETACH)


@needs_root
def test_a_file_system_that_hangs_holds_up_one_thread_and_nothing_else(
    hung: tuple[Path, BinaryIO], tmp_path: Path
) -> None:
    place, server = hung
    (tmp_path / "number").write_text("5\n")
    before = set(threading.enumerate())

    async def story() -> None:
        stuck = [check(place / "number", weight=weight, timeout=0.5) for weight in (1, 2)]
        for _ in range(3):
            *events, good = await asyncio.gather(
                *(tried(each, Steps()) for each in stuck), tried(check(tmp_path / "number"), Steps())
            )
            words = f"{place}/number cannot be read in time: look at its file system"
            assert [event.trouble for event in events if isinstance(event, Unproven)] == [words] * 2
            assert isinstance(good, Succeeded)
        assert len(new_threads(before)) == 1
        server.close()  # from here on it says that it is not connected

        async def over() -> Event:
            return await tried(stuck[0], Steps())

        event = await over()
        while "in time" in getattr(event, "trouble", ""):
            event = await over()
        assert isinstance(event, Unproven)
        assert event.trouble.endswith("Transport endpoint is not connected")

    asyncio.run(story())
    eventually(lambda: not new_threads(before), "its thread ends")


@pytest.mark.leaks
@pytest.mark.timeout(900)
def test_thousands_of_rounds_leave_nothing_behind(tmp_path: Path, rounds: int) -> None:
    path, noise = tmp_path / "number", tmp_path / "noise"
    replace(path, 0)
    noise.write_bytes(b"\xff\0noise")
    over = threading.Event()

    def replacing() -> None:
        number = 0
        while not over.wait(0.001):
            replace(path, number := number + 1)

    writer = threading.Thread(target=replacing)
    writer.start()
    try:
        checks = [*[check(path, timeout=60.0)] * 3, check(tmp_path / "none"), check(noise)]
        outcomes = leave_nothing(checks, rounds, blames_host=True)
    finally:
        over.set()
        writer.join()
    assert (outcomes["ok"], len(outcomes)) == (rounds * 4 / 5, 2)


def new_threads(before: set[threading.Thread]) -> set[threading.Thread]:
    """List the threads that began since; one of an earlier test may end at any time."""
    return set(threading.enumerate()) - before


def replace(path: Path, number: int) -> None:
    """Replace a file as a careful writer does."""
    new = path.with_suffix(".new")
    new.write_text(f"{number}\n")
    new.replace(path)
