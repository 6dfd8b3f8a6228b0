"""Others' changes to nf_tables, and a host without nft."""

from __future__ import annotations

import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import eventually
from vipbus.runtime.poller import Poller
from vrrp_agent.filters import TABLE
from vrrp_agent.firewall import Firewall, removed
from vrrp_agent.worker import Worker


def message(kind: int, name: str) -> bytes:
    value = name.encode() + b"\0"
    body = bytes(4) + struct.pack("=HH", 4 + len(value), 1) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


@pytest.mark.parametrize(
    ("data", "gone"),
    [
        (message(0xA02, TABLE), True),
        (message(0xA00, TABLE) + message(0xA02, TABLE), True),
        (message(0xA00, TABLE), False),
        (message(0xA02, "filter"), False),
    ],
)
def test_the_loss_of_a_table_is_read(data: bytes, gone: bool) -> None:
    assert removed(data) == gone


@given(st.binary(max_size=100), st.integers(0, 60), st.integers(0, 255))
def test_noise_is_no_loss(noise: bytes, at: int, value: int) -> None:
    assert not removed(noise)
    whole = message(0xA02, TABLE)
    removed(whole[:at] + bytes([value]) + whole[at + 1 :])


def test_a_host_without_nft_has_one_clear_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    woken = threading.Event()
    worker = Worker(wake=woken.set)
    firewall = Firewall(worker, Poller())
    firewall.want(frozenset({("eth0", "10.9.0.100")}))
    assert woken.wait(10)
    assert firewall.problem == "no_accept does not hold: nft is not installed; install nftables"
    assert worker.finish(10)


def test_a_job_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    worker = Worker()
    worker.submit(lambda: done.append(1 // 0))
    worker.submit(lambda: done.append(2))
    eventually(lambda: done == [2], "the second is done")
    assert worker.finish(10)
    assert "a background job failed" in caplog.text
    worker.submit(lambda: done.append(3))
    assert worker.finish(10)
    assert done == [2, 3]
