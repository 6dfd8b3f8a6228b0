"""What the processes of a router are given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctl import children
from ctl.children import RunSettings, config_service, services
from vipbus.runtime.privileges import Capability, before_exec

_ALL_OF_IT = """
import socket
with socket.socket() as made:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
for family, protocol in ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6)):
    socket.socket(family, socket.SOCK_RAW, protocol).close()
"""


def _prober() -> tuple[Capability, ...]:
    settings = RunSettings(
        file=Path("/f"),
        router=None,
        state_dir=Path("/s"),
        bus=None,
        log="line",
        standby="clear",
        bus_port=4222,
        docker=None,
        metrics=None,
    )
    (found,) = (each.capabilities for each in services(settings, "r") if each.name == "health-prober")
    return found


def test_who_reads_the_file_is_told_what_its_conditions_are_about() -> None:
    settings = RunSettings(
        file=Path("/f"),
        router=None,
        config_id="-odd",
        state_dir=Path("/s"),
        bus=None,
        log="line",
        standby="clear",
        bus_port=4222,
        metrics=None,
    )
    assert "--config-id=-odd" in config_service(settings, "r").command
    assert not any(
        "--config-id" in word for word in config_service(replace(settings, config_id=None), "r").command
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are dropped from root's")
def test_what_the_prober_is_given_is_enough_for_every_kind_of_socket() -> None:
    def tries(keep: tuple[Capability, ...]) -> int:
        become = before_exec(keep, parent=os.getpid(), signal_mask=(), on_parent_death=signal.SIGKILL)
        return subprocess.run(
            [sys.executable, "-c", _ALL_OF_IT], check=False, preexec_fn=become, stderr=subprocess.DEVNULL
        ).returncode

    given = _prober()
    assert tries(given) == 0
    assert tries(tuple(each for each in given if each != Capability.NET_RAW)) != 0


@pytest.mark.parametrize(
    ("release", "takes"),
    [
        ("6.1.0-18-amd64", ()),
        ("5.17.0", ()),
        ("10.0", ()),
        ("5.16.20", (Capability.NET_ADMIN,)),
        ("5.10.0-28-amd64", (Capability.NET_ADMIN,)),
        ("strange", (Capability.NET_ADMIN,)),
    ],
)
def test_marks_take_more_on_old_kernels(release: str, takes: tuple[Capability, ...]) -> None:
    assert children._for_marks(release) == takes
