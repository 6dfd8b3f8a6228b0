"""Capabilities: read from the kernel, and given up for a child."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.support.waiting import eventually
from vipbus.runtime.privileges import Capability, before_exec, effective, missing

ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)
NET_ADMIN = 1 << Capability.NET_ADMIN
NET_RAW = 1 << Capability.NET_RAW

MAKE = """\
import os, signal, subprocess
from vipbus.runtime.privileges import Capability, before_exec
make = before_exec(
    [Capability.NET_ADMIN], parent=os.getpid(), signal_mask=(), on_parent_death=signal.SIGTERM
)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
"""
SHOW = MAKE + 'subprocess.run(["/bin/cat", "/proc/self/status"], preexec_fn=make)'
SLEEP = (
    MAKE
    + """\
child = subprocess.Popen(["/bin/sleep", "60"], preexec_fn=make)
print(child.pid, flush=True)
signal.pause()
"""
)


def status_of_a_child(*wrap: str) -> dict[str, str]:
    text = subprocess.run(
        [*wrap, sys.executable, "-c", SHOW], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_effective_reads_the_mask() -> None:
    assert effective("Name:\tx\nCapEff:\t0000000000003000\n") == {12, 13}
    assert effective("Name:\tx\n") == frozenset()
    assert effective() == effective()


def test_missing_keeps_the_order_asked_for() -> None:
    needed = (Capability.NET_ADMIN, Capability.NET_RAW)
    assert missing(needed, frozenset({12, 13, 1})) == ()
    assert missing(needed, frozenset({13})) == (Capability.NET_ADMIN,)
    assert [str(one) for one in missing(needed, frozenset())] == ["CAP_NET_ADMIN", "CAP_NET_RAW"]


@ROOT
def test_a_child_of_root_holds_what_is_kept_and_can_gain_no_more() -> None:
    status = status_of_a_child()
    for which in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[which], 16) == NET_ADMIN
    assert int(status["CapInh"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert int(status["SigBlk"], 16) == 0


@ROOT
def test_inheritable_capabilities_do_not_come_back() -> None:
    status = status_of_a_child("setpriv", "--inh-caps", "+net_admin,+net_raw,+sys_admin")
    assert int(status["CapEff"], 16) == NET_ADMIN
    assert int(status["CapInh"], 16) == NET_ADMIN


@ROOT
def test_another_user_passes_on_only_what_is_kept() -> None:
    wanted = "+net_admin,+net_raw,+dac_read_search"
    status = status_of_a_child(
        "setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", wanted, "--ambient-caps", wanted
    )
    assert status["Uid"].split()[0] == "65534"
    assert int(status["CapEff"], 16) == NET_ADMIN
    assert int(status["CapAmb"], 16) == NET_ADMIN


@ROOT
def test_a_container_without_setpcap_goes_on_with_what_it_has() -> None:
    status = status_of_a_child("setpriv", "--bounding-set", "-setpcap")
    assert int(status["CapEff"], 16) & (NET_ADMIN | NET_RAW) == NET_ADMIN | NET_RAW
    assert status["NoNewPrivs"] == "1"


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    make = before_exec([], parent=1, signal_mask=(), on_parent_death=signal.SIGTERM)
    child = subprocess.Popen(["/bin/true"], preexec_fn=make)  # noqa: PLW1509  # only system calls inside
    assert child.wait(10) == 1


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

        def gone() -> bool:
            try:
                with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  # a process that may be gone
                    return stat.read().rpartition(") ")[2][0] == "Z"
            except FileNotFoundError:
                return True

        eventually(gone, "the child ends")
