"""What a container may do, read from the engine and from the kernel."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.compose.stack import Stack

NET_ADMIN, NET_RAW = 12, 13
"""linux/capability.h"""
USER = 10001


@dataclass(frozen=True)
class May:
    """What a service's container may do."""

    uid: int = USER
    capabilities: tuple[int, ...] = ()


EXPECTED = {
    "nats": May(),
    "config-service": May(),
    "health-prober": May(),
    "client": May(),
    "real-server": May(),
    # the owner of the engine's socket
    "docker-proxy": May(uid=0),
    **{f"router-{name}": May() for name in "ab"},
    **{f"router-{name}-vrrp-agent": May(uid=0, capabilities=(NET_ADMIN, NET_RAW)) for name in "ab"},
    **{f"router-{name}-ipvs-programmer": May(uid=0, capabilities=(NET_ADMIN,)) for name in "ab"},
}

_FIRST_PROCESS = """
import json
lines = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/1/status") if ":\\t" in line)
mounts = [line.split() for line in open("/proc/1/mounts")]
print(json.dumps({
    "capabilities": {name: int(lines[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")},
    "uids": [int(uid) for uid in lines["Uid"].split()],
    "no_new_privileges": lines["NoNewPrivs"].strip(),
    "root": next(options.split(",") for _, where, _, options, *_ in mounts if where == "/"),
    # below /proc and /sys are the kernel's own and what the engine puts over them
    "writable": [where for _, where, _, options, *_ in mounts
                 if "rw" in options.split(",") and not where.startswith(("/proc", "/sys"))],
}))
"""


@pytest.mark.parametrize("service", EXPECTED)
def test_the_first_process_may_do_no_more_than_it_needs(stack: Stack, service: str) -> None:
    may = EXPECTED[service]
    found = json.loads(stack.python(service, _FIRST_PROCESS))
    mask = sum(1 << number for number in may.capabilities)
    held = found["capabilities"]
    assert held["CapBnd"] == mask
    assert held["CapEff"] == held["CapPrm"] == (mask if may.uid == 0 else 0)
    assert held["CapAmb"] == 0
    assert found["uids"] == [may.uid] * 4
    assert found["no_new_privileges"] == "1"


@pytest.mark.parametrize("service", EXPECTED)
def test_the_root_file_system_is_read_only(stack: Stack, service: str) -> None:
    found = json.loads(stack.python(service, _FIRST_PROCESS))
    assert "ro" in found["root"]
    state = {"nats": {"/tmp"}, "docker-proxy": {"/run/engine"}}.get(service, {"/var/lib/vipbus"})
    # /dev is the engine's own, without devices; the three files are how a container knows names
    engines = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    engines |= {"/dev", "/dev/shm", "/dev/pts", "/dev/mqueue"}
    assert set(found["writable"]) - engines <= state


def test_the_engine_was_asked_for_all_of_it(stack: Stack) -> None:
    assert set(EXPECTED) == set(stack.services())
    for service, may in EXPECTED.items():
        host = stack.containers(service)[0].attrs["HostConfig"]
        names = {NET_ADMIN: "NET_ADMIN", NET_RAW: "NET_RAW"}
        assert host["CapDrop"] == ["ALL"], service
        added = {name.removeprefix("CAP_") for name in host["CapAdd"] or ()}
        assert added == {names[number] for number in may.capabilities}, service
        assert host["ReadonlyRootfs"] is True, service
        assert host["Privileged"] is False, service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service


def test_the_bus_is_published_on_loopback_only(stack: Stack) -> None:
    ports = stack.container("nats").attrs["NetworkSettings"]["Ports"]
    assert {binding["HostIp"] for bindings in ports.values() for binding in bindings or ()} == {"127.0.0.1"}


@pytest.mark.parametrize("service", ["client", "real-server"])
def test_neither_clients_nor_real_servers_reach_the_bus(stack: Stack, service: str) -> None:
    networks = stack.container("nats").attrs["NetworkSettings"]["Networks"]
    (address,) = (network["IPAddress"] for network in networks.values())
    connect = (
        "import socket, sys\n"
        "s = socket.socket(); s.settimeout(1)\n"
        "try:\n    s.connect((sys.argv[1], 4222)); print('connected')\n"
        "except OSError as error:\n    print('refused')\n"
    )
    assert stack.python("config-service", connect, address) == "connected"
    assert stack.python(service, connect, address) == "refused"


@pytest.mark.parametrize(
    "service", ["config-service", "health-prober", "router-a-vrrp-agent", "router-a-ipvs-programmer"]
)
def test_nothing_of_opentelemetry_is_loaded_until_it_is_asked_for(stack: Stack, service: str) -> None:
    # protobuf's extension module comes with the exporter, and a shared object shows in the memory map
    assert "_upb" not in stack.python(service, "print(open('/proc/1/maps').read())")
