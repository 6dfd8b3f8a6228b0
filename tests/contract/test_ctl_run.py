"""A whole router: ``vipbus run`` with every real service in a network namespace of its own.

Where the kernel has no IPVS everything but the table works, and ``vipbus status`` says just that.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ctl.report import Report
from ctl.supervisor_file import process_runs, read
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 for a network namespace"
)

CONFIG = """\
global_defs {
    router_id router-a
}
vrrp_instance VI_1 {
    state BACKUP
    interface v0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {
        10.9.0.1/24 dev v0
    }
}
virtual_server 10.9.0.1 80 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 127.0.0.1 8080 {
        weight 1
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
"""
SERVER = """\
import socket
listener = socket.create_server(("127.0.0.1", 8080))
while True:
    listener.accept()[0].close()
"""
SERVICES = ("config-service", "vrrp-agent", "ipvs-programmer", "health-prober")


class Router:
    """One router in its namespace."""

    def __init__(self, directory: Path) -> None:
        self.namespace = f"vbt{secrets.token_hex(4)}"
        self.state_dir = directory / "state"
        self.file = directory / "lb.conf"
        self.file.write_text(CONFIG)
        self.log = directory / "log"
        self.processes: list[subprocess.Popen[bytes]] = []
        for command in (
            f"netns add {self.namespace}",
            f"-n {self.namespace} link set lo up",
            f"-n {self.namespace} link add v0 type veth peer name v1",
            f"-n {self.namespace} addr add 10.9.0.2/24 dev v0",
            f"-n {self.namespace} link set v0 up",
            f"-n {self.namespace} link set v1 up",
        ):
            subprocess.run(["ip", *command.split()], check=True)

    def popen(self, *command: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], stderr=log)
        self.processes.append(process)
        return process

    def vipbus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "ctl", *arguments, "--state-dir", str(self.state_dir))
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def status(self) -> Report:
        return msgspec.json.decode(self.vipbus("status", "--json").stdout, type=Report)

    def settled(self) -> bool:
        """All that can work here works."""
        report = self.status()
        others = [line for line in report.not_ready if "no IPVS" not in line]
        return bool(report.routers) and not others and self.role(report) == "active"

    @staticmethod
    def role(report: Report) -> str | None:
        return report.routers[0].instances[0].role

    def pids(self) -> dict[str, int]:
        state = read(self.state_dir)
        return {child.name: child.pid for child in state.children if child.pid} if state else {}

    def holds_address(self) -> bool:
        shown = subprocess.run(
            ["ip", "-n", self.namespace, "-o", "addr", "show", "v0"],
            capture_output=True,
            text=True,
            check=True,
        )
        return "10.9.0.1/24" in shown.stdout

    def close(self) -> None:
        try:
            for process in reversed(self.processes):
                if process.poll() is None:
                    process.terminate()
                    process.wait(30)
        finally:
            Namespace(self.namespace).close()


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    found = Router(tmp_path)
    found.popen(sys.executable, "-c", SERVER)
    yield found
    found.close()


def test_a_router_lives_is_hurt_and_leaves(router: Router) -> None:
    run = router.popen(
        sys.executable, "-m", "ctl", "run", "-f", str(router.file), "--state-dir", str(router.state_dir)
    )
    eventually(router.settled, "the router is active and all but IPVS is well", within=30, every=0.2)
    assert router.holds_address()

    # what is missing is said, and nothing else is
    told = router.vipbus("status")
    has_ipvs = Path("/proc/net/ip_vs").exists()
    assert told.returncode == (0 if has_ipvs else 3)
    report = router.status()
    assert [found.name for found in report.services] == [
        "config-service",
        "health-prober",
        "ipvs-programmer",
        "vrrp-agent",
    ]
    assert len(report.not_ready) == (0 if has_ipvs else 2)
    assert report.virtual_servers[0].real_servers[0].verdict == "up"

    # a change by command is held by everyone who works from it when it is done
    weighed = router.vipbus("server", "set-weight", "10.9.0.1:80", "127.0.0.1:8080", "2", "--wait", "--json")
    assert weighed.returncode == 0, weighed.stderr
    (held,) = json.loads(weighed.stdout)["holds"]
    assert [(each["service"], each["revision"]) for each in held["consumers"]] == [
        ("health-prober", 2),
        ("ipvs-programmer", 2),
        ("vrrp-agent", 2),
    ]

    # every one of them is killed, the bus too; each is back, and the address never goes
    for name in (*SERVICES, "nats-server"):
        killed = router.pids()[name]
        os.kill(killed, signal.SIGKILL)
        eventually(
            lambda n=name, k=killed: router.pids().get(n) not in (None, k),  # type: ignore[misc]  # bound
            f"{name} runs again",
        )
        eventually(router.settled, f"all is well after {name}", within=30, every=0.2)
        assert router.holds_address()
    state = read(router.state_dir)
    assert state is not None
    restarts = {process.name: process.restarts for process in state.children}
    assert restarts == dict.fromkeys((*SERVICES, "nats-server"), 1)
    events = router.vipbus("events", "--json", "event.service").stdout.splitlines()
    assert sorted(json.loads(line)["data"]["service"] for line in events) == sorted(SERVICES)

    # what the command said outlived them all; a change of the file is taken by SIGHUP, a wrong one refused
    report = router.status()
    assert (report.routers[0].revision, report.virtual_servers[0].real_servers[0].weight) == (2, 2)
    router.file.write_text(CONFIG.replace("weight 1", "weight 3"))
    os.kill(state.pid, signal.SIGHUP)
    eventually(lambda: router.status().routers[0].revision == 3, "revision 3 runs", within=15, every=0.2)
    router.file.write_text("nonsense {\n")
    refused = router.vipbus("config", "reload")
    assert refused.returncode == 2
    assert f"{router.file}:1:1: " in refused.stderr
    assert router.status().routers[0].revision == 3

    # it leaves: the address first, then everything else
    pids = router.pids()
    os.kill(state.pid, signal.SIGTERM)
    assert run.wait(30) == 0
    assert not router.holds_address()
    assert not any(process_runs(pid) for pid in pids.values())
    after = router.vipbus("status")
    assert (after.returncode, after.stderr) == (3, "")
    assert "Traceback" not in router.log.read_text()


def test_a_wrong_file_ends_it_with_its_line(router: Router) -> None:
    router.file.write_text("vrrp_instance VI_1 {\n    nonsense 1\n}\n")
    run = router.popen(
        sys.executable, "-m", "ctl", "run", "-f", str(router.file), "--state-dir", str(router.state_dir)
    )
    assert run.wait(20) == 2
    assert f"{router.file}:2:5: " in router.log.read_text()
    assert not any(
        (router.state_dir / name).exists() for name in ("supervisor.json", "vrrp-agent.state.json")
    )
