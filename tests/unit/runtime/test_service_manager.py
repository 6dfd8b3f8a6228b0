"""What a service tells systemd, heard on the other end of a real socket."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vipbus.runtime.service_manager import ServiceManager, Telling


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        yield manager


def _all(heard: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(heard.recv(4096).decode())
        except BlockingIOError:
            return found


def test_the_start_the_beats_the_state_and_the_end_are_told(heard: socket.socket) -> None:
    problems = ["the bus is away"]
    told = Telling(
        ServiceManager({"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "3000000"}), lambda: problems
    )
    assert told.every == 1.5
    told.look(100.0)
    assert _all(heard) == ["READY=1", "WATCHDOG=1", "STATUS=the bus is away"]
    told.look(101.4)
    assert _all(heard) == []
    told.look(101.5)
    assert _all(heard) == ["WATCHDOG=1"]
    problems.clear()
    told.look(103.0)
    assert _all(heard) == ["WATCHDOG=1", "STATUS=ready"]
    told.end()
    told.look(200.0)
    assert _all(heard) == ["STOPPING=1"]


def test_a_state_is_one_line_of_bounded_length(heard: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": heard.getsockname()})
    manager.status("one\nREADY=1\n" + "x" * 100_000)
    (line,) = _all(heard)
    assert line.startswith("STATUS=one READY=1 x")
    assert "\n" not in line
    assert len(line) < 600


def test_the_abstract_namespace_is_known() -> None:
    name = secrets.token_hex(4)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0vipbus-test-{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@vipbus-test-{name}"}).ready()
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "name", ["", "relative", "/no/such/socket", "/" + "x" * 300, "@" + "x" * 300, "/tmp"]
)
def test_nobody_who_listens_is_nobody_told(name: str) -> None:
    told = Telling(ServiceManager({"NOTIFY_SOCKET": name}), list)
    assert told.due is None
    told.look(1.0)
    told.end()


def test_a_manager_that_went_away_or_does_not_read_stops_nobody(heard: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "1000000"})
    for _ in range(10_000):
        manager.beat()
    heard.close()
    manager.beat()


@pytest.mark.parametrize(
    ("microseconds", "pid", "every"),
    [
        ("", "", None),
        ("1000000", "", 0.5),
        ("1000000", "ours", 0.5),
        ("1000000", "1", None),  # another process's
        ("0", "", None),
        ("-5", "", None),
        ("1e6", "", None),
        ("9" * 400, "", None),
        ("\u0661", "", None),
    ],
)
def test_the_watchdog_is_ours_alone(microseconds: str, pid: str, every: float | None) -> None:
    pid = str(os.getpid()) if pid == "ours" else pid
    assert ServiceManager({"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}).beat_every == every
