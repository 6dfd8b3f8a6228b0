"""The units under a real systemd: they start, say how they are, are watched over, and stop in order."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctl import install
from ctl.install import UNITS, Wish
from tests.support.proxy import haproxy
from tests.support.systemd import Machine, require_systemd
from tests.support.waiting import eventually

CONF = """vrrp_instance VI_1 {
    interface lan
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        10.9.0.100/24
    }
}
virtual_server 10.9.0.100 80 {
    protocol TCP
    lb_algo rr
    lb_kind NAT
    real_server 10.9.0.11 80 {
        TCP_CHECK {
        }
    }
}
"""
TOML = """[[vrrp_instance]]
name = "VI_1"
interface = "lan"
virtual_router_id = 51
virtual_ipaddress = ["10.9.0.100/24"]
tracks = [{ kind = "proxy", name = "web", weight = -60 }]

[[proxy]]
name = "web"
bind = ["10.9.0.100:80"]
pool = "app"
monitor = "/alive"

[[proxy.route]]
path_regex = ["^/(a|b)+/[0-9]+$"]
deny = 410

[[pool]]
name = "app"
real_server = [{ address = "10.9.0.11:8080" }]
"""
SERVICES = [name for name in install.SPLIT if name.endswith(".service")]
EXPOSED_AT_MOST = {
    "vipbus-config-service.service": 2.5,
    "vipbus-haproxy-programmer.service": 3.5,
    "vipbus-health-prober.service": 3.5,
    "vipbus-ipvs-programmer.service": 4.0,
    "vipbus-vrrp-agent.service": 4.5,
    "vipbus.service": 4.5,
}
"""systemd-analyze(1), security: below 5 is what it calls medium; a service without any of this has 9.6."""


@pytest.fixture(scope="module", autouse=True)
def there() -> None:
    require_systemd()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path) as machine:
        machine.write("/etc/keepalived/keepalived.conf", CONF)
        yield machine


def test_systemd_finds_nothing_wrong_with_any_unit(tmp_path: Path) -> None:
    for split in (False, True):
        assert install.main(Wish(split=split), root=tmp_path, force=False, dry_run=False) == 0
    units = sorted((tmp_path / UNITS).iterdir())
    assert len(units) == len(install.ONE) + len(install.SPLIT)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "vipbus" in line]
    assert said == []


@pytest.mark.parametrize("name", EXPOSED_AT_MOST)
def test_what_a_unit_exposes_is_little(tmp_path: Path, name: str) -> None:
    for split in (False, True):
        install.main(Wish(split=split), root=tmp_path, force=False, dry_run=False)
    bound = EXPOSED_AT_MOST[name]
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={bound * 10:.0f}",
            tmp_path / UNITS / name,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-600:] + done.stderr


def test_one_unit_a_service(machine: Machine) -> None:
    machine.vipbus("install", "--split", "--bus", "nats://127.0.0.1:4222", "--router", "lb-a")
    machine.write(
        "/etc/systemd/system/vipbus-health-prober.service.d/quick.conf", "[Service]\nWatchdogSec=2\n"
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "bus.service", "vipbus.target", *SERVICES)
    assert {name: machine.shows(name, "ActiveState") for name in SERVICES} == dict.fromkeys(
        SERVICES, "active"
    )
    for name in (
        "vipbus-config-service.service",
        "vipbus-health-prober.service",
        "vipbus-vrrp-agent.service",
    ):
        eventually(
            lambda name=name: machine.shows(name, "StatusText") == "ready", f"{name} is ready", within=60
        )
    assert "10.9.0.100" in machine.run("ip", "-o", "address", "show", "lan").stdout

    # the doctor finds the router by what it was installed with
    seen = machine.vipbus("doctor", "--bus", "nats://127.0.0.1:4222", "--router", "lb-a", check=False).stdout
    assert "VI_1: interface lan is up" in seen
    assert "only lb-a is on this bus" in seen

    # a process that stands still is found out
    prober = int(machine.shows("vipbus-health-prober.service", "MainPID"))
    machine.run("kill", f"-{signal.SIGSTOP.value}", str(prober))
    eventually(
        lambda: machine.shows("vipbus-health-prober.service", "NRestarts") == "1",
        "it is started again",
        within=30,
    )
    eventually(
        lambda: machine.shows("vipbus-health-prober.service", "StatusText") == "ready", "ready", within=30
    )

    machine.run("systemctl", "stop", "vipbus.target")  # it waits for the target alone
    for name in SERVICES:
        eventually(
            lambda name=name: machine.shows(name, "ActiveState") == "inactive", f"{name} ends", within=30
        )
    assert {name: machine.shows(name, "Result") for name in SERVICES} == dict.fromkeys(SERVICES, "success")
    assert "10.9.0.100" not in machine.run("ip", "-o", "address", "show", "lan").stdout


def test_one_unit_for_all(machine: Machine) -> None:
    machine.vipbus("install")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "vipbus.service")
    assert machine.shows("vipbus.service", "ActiveState") == "active"
    eventually(
        lambda: "10.9.0.100" in machine.run("ip", "-o", "address", "show", "lan").stdout,
        "the address",
        within=60,
    )
    machine.write("/etc/keepalived/keepalived.conf", CONF.replace("10.9.0.100", "10.9.0.101"))
    machine.run("systemctl", "reload", "vipbus.service")
    eventually(
        lambda: "10.9.0.101" in machine.run("ip", "-o", "address", "show", "lan").stdout,
        "the other",
        within=60,
    )
    machine.run("systemctl", "stop", "vipbus.service")
    assert machine.shows("vipbus.service", "Result") == "success"
    assert "10.9.0.10" not in machine.run("ip", "-o", "address", "show", "lan").stdout.replace(
        "10.9.0.11/", ""
    )


_ASK = """
import http.client, sys
connection = http.client.HTTPConnection("10.9.0.100", 80, timeout=5)
connection.request("GET", sys.argv[1])
print(connection.getresponse().status)
"""


def asks(machine: Machine, path: str) -> str:
    """Ask the proxy; the status, or nothing."""
    return machine.run("python3", "-c", _ASK, path, check=False).stdout.strip()


def haproxy_runs(machine: Machine) -> set[str]:
    """Find HAProxy's processes by their ids there."""
    return set(machine.run("pidof", "haproxy", check=False).stdout.split())


def test_one_unit_for_all_runs_haproxy_with_regular_expressions(machine: Machine) -> None:
    haproxy()
    machine.write("/etc/vipbus/vipbus.toml", TOML)
    machine.vipbus("install", "--file", "/etc/vipbus/vipbus.toml")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "vipbus.service")
    eventually(lambda: asks(machine, "/ab/1") == "410", "the route is there", within=60)
    assert asks(machine, "/alive") == "200"
    machine.run("systemctl", "stop", "vipbus.service")
    assert machine.shows("vipbus.service", "Result") == "success"
    assert haproxy_runs(machine) == set()


def test_a_unit_for_haproxy_whose_programmer_may_die(machine: Machine) -> None:
    haproxy()
    machine.write("/etc/vipbus/vipbus.toml", TOML)
    machine.vipbus(
        *("install", "--split", "--bus", "nats://127.0.0.1:4222", "--router", "lb-a"),
        *("--file", "/etc/vipbus/vipbus.toml"),
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "bus.service", "vipbus.target", *SERVICES)
    eventually(lambda: asks(machine, "/ab/1") == "410", "the route is there", within=60)
    unit = "vipbus-haproxy-programmer.service"
    eventually(lambda: machine.shows(unit, "StatusText") == "ready", "it is ready", within=30)
    there = haproxy_runs(machine)
    machine.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit)
    eventually(lambda: machine.shows(unit, "NRestarts") == "1", "it is started again", within=30)
    eventually(lambda: machine.shows(unit, "StatusText") == "ready", "it is ready", within=30)
    assert haproxy_runs(machine) == there, "HAProxy went on"
    machine.run("systemctl", "stop", unit)
    eventually(lambda: not haproxy_runs(machine), "HAProxy ends, for it has no connection", within=30)
    assert machine.shows(unit, "Result") == "success"
    machine.run("systemctl", "stop", "vipbus.target", *SERVICES)


def test_a_bad_file_is_a_failed_unit_that_is_not_started_again(machine: Machine) -> None:
    machine.vipbus("install")
    machine.write("/etc/keepalived/keepalived.conf", "vrrp_instance VI_1 {\n")
    machine.write(
        "/etc/systemd/system/vipbus.service.d/err.conf", "[Service]\nStandardError=append:/run/said\n"
    )
    machine.run("systemctl", "daemon-reload")
    assert machine.run("systemctl", "start", "vipbus.service", check=False).returncode != 0
    assert machine.shows("vipbus.service", "ActiveState") == "failed"
    assert machine.shows("vipbus.service", "NRestarts") == "0"
    assert "/etc/keepalived/keepalived.conf:1" in machine.run("cat", "/run/said").stdout
