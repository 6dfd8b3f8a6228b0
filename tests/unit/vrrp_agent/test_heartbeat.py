"""What survives kill -9: read again by the next life, worthless after a boot, never in its way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vipbus.contracts import VrrpInstance
from vrrp_agent import heartbeat
from vrrp_agent.heartbeat import Beat, Heartbeat, InUseError, virtual_router


def config(name: str = "VI_1", interface: str = "eth0") -> VrrpInstance:
    return VrrpInstance(router="a", name=name, interface=interface, virtual_router_id=51)


def note(directory: Path, *, advertised: float = 12.5) -> None:
    """Live a life and be killed."""
    program = f"""
import os, pathlib, signal
from vipbus.contracts import VrrpInstance
from vrrp_agent.heartbeat import Heartbeat, virtual_router
config = VrrpInstance(router="a", name="VI_1", interface="eth0", virtual_router_id=51)
beats = Heartbeat(pathlib.Path({str(directory)!r}))
slot = beats.slot(config)
slot.bind(virtual_router(config))
slot.role("active", 7, 1700000000.0)
slot.advertised({advertised})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9


def test_a_killed_life_is_read_by_the_next(tmp_path: Path) -> None:
    note(tmp_path)
    assert Heartbeat(tmp_path).slot(config()).read() == Beat(
        epoch=7,
        role="active",
        advertised=12.5,
        since=1700000000.0,
        virtual_router=virtual_router(config()),
    )


def test_after_a_boot_the_epoch_goes_on_and_the_clock_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(tmp_path)
    boot = tmp_path / "boot_id"
    boot.write_text("00112233-4455-6677-8899-aabbccddeeff\n")
    monkeypatch.setattr(heartbeat, "_BOOT_ID", boot)
    beat = Heartbeat(tmp_path).slot(config()).read()
    assert (beat.epoch, beat.advertised) == (7, 0.0)


def test_another_virtual_router_forgets_the_last_advertisement(tmp_path: Path) -> None:
    note(tmp_path)
    slot = Heartbeat(tmp_path).slot(config())
    slot.bind(virtual_router(config(interface="eth1")))
    assert (slot.read().epoch, slot.read().advertised) == (7, 0.0)


def test_instances_have_slots_of_their_own_and_give_them_back(tmp_path: Path) -> None:
    beats = Heartbeat(tmp_path)
    one, two = beats.slot(config()), beats.slot(config("VI_2"))
    one.role("backup", 3, 1.0)
    assert two.read().epoch == 0
    beats.release(config())
    assert beats.slot(config()).read() == Beat(epoch=3)


def test_more_instances_than_slots_go_without(tmp_path: Path) -> None:
    beats = Heartbeat(tmp_path)
    slots = [beats.slot(config(f"VI_{number}")) for number in range(1100)]
    slots[-1].role("active", 5, 1.0)
    assert slots[-1].read().epoch == 5


@pytest.mark.parametrize("noise", [b"", b"x", b"\xff" * 100_000, b"vrrpbeat" + b"\xff" * 60_000])
def test_noise_is_no_life(tmp_path: Path, noise: bytes) -> None:
    (tmp_path / heartbeat.FILE_NAME).write_bytes(noise)
    slot = Heartbeat(tmp_path).slot(config())
    assert slot.read().advertised == 0.0


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    first = Heartbeat(tmp_path)
    with pytest.raises(InUseError, match="another vrrp-agent runs on"):
        Heartbeat(tmp_path)
    assert first.slot(config()).read().epoch == 0


def test_a_directory_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Heartbeat(tmp_path / "missing")


def test_epochs_go_on_when_an_instance_is_removed_and_comes_back(tmp_path: Path) -> None:
    beats = Heartbeat(tmp_path)
    beats.slot(config()).role("active", 11, 1700000000.0)
    beats.release(config())
    again = beats.slot(config()).read()
    assert (again.epoch, again.role) == (11, "stopped")
