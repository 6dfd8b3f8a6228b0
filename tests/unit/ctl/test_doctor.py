"""What the doctor says: a table of what is found, and what it makes of it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctl.doctor.arp_probe import Answers, answering, arp, probe
from ctl.doctor.bus import BusState, bus
from ctl.doctor.clock import clock
from ctl.doctor.election import election
from ctl.doctor.finding import Finding
from ctl.doctor.host import Host, Interface, read, setting
from ctl.doctor.kernel import kernel, privileges
from ctl.doctor.network import interfaces, real_server, sysctls
from ctl.doctor.render import render
from tests.unit.ctl.documents import instance, revision
from tests.unit.ctl.test_vrrp_show import ACTIVE, BACKUP
from vipbus.contracts import UnicastPeer, VirtualMac, VrrpReport
from vipbus.runtime.privileges import Capability
from vipbus.runtime.revision import Revision

replace = msgspec.structs.replace
HOST = Host(
    release="6.1.0",
    loaded=frozenset({"ip_vs", "ip_vs_wrr", "macvlan"}),
    available=frozenset({"ip_vs_wlc"}),
    ipvs=True,
    capabilities=frozenset({Capability.NET_ADMIN, Capability.NET_RAW}),
    interfaces=(
        Interface(name="eth0", up=True, multicast=True),
        Interface(name="eth1", up=False, multicast=True),
        Interface(name="lo", up=True, multicast=False),
    ),
    addresses=frozenset({"10.9.0.1", "192.0.2.1"}),
    rivals=(),
    synchronised=True,
)


def levels(findings: Iterable[Finding]) -> list[str]:
    return [each.level for each in findings]


def only(findings: Iterable[Finding]) -> Finding:
    (found,) = (each for each in findings if each.level != "ok")
    return found


def with_instance(**changes: Any) -> Revision:
    whole = revision("router-a")
    one = replace(instance("router-a"), **changes)
    return replace(whole, vrrp=replace(whole.vrrp, instances=(one,)))


def with_server(**changes: Any) -> Revision:
    whole = revision("router-a")
    return replace(whole, virtual_servers=tuple(replace(each, **changes) for each in whole.virtual_servers))


def test_a_host_that_is_all_right() -> None:
    whole = revision("router-a")
    assert set(levels(privileges(HOST))) == {"ok"}
    assert set(levels(kernel(HOST, whole))) == {"ok"}
    assert set(levels(interfaces(HOST, whole))) == {"ok"}
    assert set(levels(sysctls(HOST, whole, {"net.ipv4.vs.conn_reuse_mode": "1"}.get))) == {"ok"}


def test_what_is_missing_is_named_with_its_remedy() -> None:
    found = only(privileges(replace(HOST, capabilities=frozenset())))
    assert "CAP_NET_ADMIN and CAP_NET_RAW missing" in found.what
    found = only(privileges(replace(HOST, rivals=(77,))))
    assert "keepalived runs on this host too (process 77)" in found.what
    assert found.remedy == "systemctl disable --now keepalived"


@pytest.mark.parametrize(
    ("host", "level", "remedy"),
    [
        (replace(HOST, available=None), "unknown", "modprobe ip_vs_wlc"),
        (HOST, "advice", "echo ip_vs_wlc > /etc/modules-load.d/vipbus.conf && modprobe ip_vs_wlc"),
        (replace(HOST, available=frozenset({"ext4"})), "problem", "boot a kernel that has it"),
    ],
)
def test_a_scheduler_that_is_not_loaded(host: Host, level: str, remedy: str) -> None:
    found = only(kernel(host, with_server(scheduler="wlc")))
    assert found.level == level
    assert "the scheduler wlc" in found.what
    assert found.remedy.startswith(remedy)


def test_a_kernel_without_ipvs() -> None:
    found = only(kernel(replace(HOST, ipvs=False, loaded=frozenset(), available=frozenset()), None))
    assert found.level == "problem"
    assert "kernel 6.1.0 has no module ip_vs" in found.what


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"interface": "eth7"}, "VI_1: interface eth7 is not there"),
        ({"interface": "eth1"}, "VI_1: interface eth1 is down"),
        ({"interface": "lo"}, "VI_1: interface lo has no multicast"),
    ],
)
def test_an_interface_that_cannot_serve(changes: dict[str, Any], says: str) -> None:
    assert only(interfaces(HOST, with_instance(**changes))).what.startswith(says)


def test_unicast_needs_no_multicast() -> None:
    peers = (UnicastPeer(address="192.0.2.2"),)
    assert levels(interfaces(HOST, with_instance(interface="lo", unicast_peers=peers))) == ["ok"]


def test_forwarding_by_nat_needs_the_kernels_forwarding() -> None:
    found = only(sysctls(HOST, with_server(forwarding="NAT"), {"net.ipv4.ip_forward": "0"}.get))
    assert found.level == "problem"
    assert found.remedy == "sysctl -w net.ipv4.ip_forward=1"


def test_strict_filtering_under_a_virtual_mac() -> None:
    mac = VirtualMac(name="vrrp.51")
    strict = {"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.eth0.rp_filter": "0"}
    assert (
        "rp_filter is strict on eth0" in only(sysctls(HOST, with_instance(virtual_mac=mac), strict.get)).what
    )
    loose = strict | {"net.ipv4.conf.eth0.rp_filter": "2"}
    assert set(levels(sysctls(HOST, with_instance(virtual_mac=mac), loose.get))) == {"ok"}


def test_a_real_server_of_direct_routing() -> None:
    good = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
    assert set(levels(real_server("10.9.0.1", HOST, good.get))) == {"ok"}
    found = [each for each in real_server("10.9.0.9", HOST, {}.get) if each.level == "problem"]
    assert [each.remedy for each in found] == [
        "ip address add 10.9.0.9/32 dev lo",
        "sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "sysctl -w net.ipv4.conf.all.arp_announce=2",
    ]
    each = {f"net.ipv4.conf.eth{n}.arp_{name}": "2" for n in (0, 1) for name in ("ignore", "announce")}
    assert set(levels(real_server("10.9.0.1", HOST, each.get))) == {"ok"}
    assert levels(real_server("2001:db8::1", HOST, {}.get)) == ["problem"]


def report(router: str, *instances: Any) -> VrrpReport:
    return VrrpReport(router=router, instances=instances)


def test_routers_that_hear_each_other() -> None:
    hears = replace(BACKUP, active_router="192.0.2.1", received=40)
    assert levels(election([report("a", ACTIVE), report("b", hears)])) == ["ok"]


@pytest.mark.parametrize(
    ("reports", "level", "says"),
    [
        ([report("a", ACTIVE)], "unknown", "only a is on this bus"),
        ([report("a", ACTIVE), report("b", ACTIVE)], "problem", "a and b are active at once"),
        (
            [report("a", ACTIVE), report("b", replace(BACKUP, received=0, active_router=None))],
            "problem",
            "b has heard nothing of a",
        ),
        (
            [report("a", ACTIVE), report("b", replace(BACKUP, virtual_router_id=52))],
            "problem",
            "a has 51 and version 3, b has 52 and version 3",
        ),
        (
            [report("a", ACTIVE), report("b", replace(BACKUP, role="fault", faults=("eth0 is down",)))],
            "problem",
            "b is in fault: eth0 is down",
        ),
    ],
)
def test_routers_that_do_not(reports: list[VrrpReport], level: str, says: str) -> None:
    found = only(election(reports))
    assert found.level == level
    assert says in found.what
    assert found.remedy


def test_an_instance_that_nobody_has() -> None:
    waits = replace(BACKUP, active_router=None)
    assert "no router is active" in only(election([report("a", waits), report("b", waits)])).what


@pytest.mark.parametrize(
    ("synchronised", "ahead", "expected"),
    [
        (True, 0.0004, ["ok", "ok"]),
        (True, None, ["ok"]),
        (False, 0.0, ["ok", "advice"]),
        (None, -0.2, ["ok", "unknown"]),
        (True, -3.0, ["problem", "ok"]),
        (True, 3.0, ["problem", "ok"]),
    ],
)
def test_the_clock(synchronised: bool | None, ahead: float | None, expected: list[str]) -> None:
    assert levels(clock(synchronised=synchronised, ahead=ahead)) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (BusState(url="nats://127.0.0.1:4222", seconds=0.001), ["ok"]),
        (BusState(url="nats://[::1]:4222", seconds=0.001), ["ok"]),
        (BusState(url="nats://localhost", seconds=0.2), ["advice"]),
        (BusState(url="nats://10.0.0.1", seconds=0.001), ["ok", "advice"]),
        (BusState(url="nats://me:pass@10.0.0.1", seconds=0.001), ["ok"]),
        (BusState(url="tls://bus.example", seconds=0.001), ["ok"]),
        (BusState(url="nats://localhost", problem="away"), ["problem"]),
        (BusState(url="nats://localhost", seconds=0.001, used=90, room=100), ["ok", "problem"]),
    ],
)
def test_the_bus(state: BusState, expected: list[str]) -> None:
    assert levels(bus(state)) == expected


def test_a_secret_of_the_bus_is_not_told() -> None:
    told = list(bus(BusState(url="nats://me:hush@10.0.0.1", problem="away")))
    assert "hush" not in msgspec.json.encode(told).decode()


def reply(sender: bytes, address: bytes, what: int = 2) -> bytes:
    head = b"\xff" * 6 + sender + b"\x08\x06"
    return head + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, what, sender, address, bytes(6), bytes(4))


def test_an_answer_by_arp_is_known_from_everything_else() -> None:
    mac, address = b"\x02\0\0\0\0\x07", bytes((10, 9, 0, 1))
    assert answering(reply(mac, address), "10.9.0.1") == "02:00:00:00:00:07"
    assert answering(reply(mac, address), "10.9.0.2") is None
    assert answering(reply(mac, address, what=1), "10.9.0.1") is None
    assert answering(probe("10.9.0.1", mac), "10.9.0.1") is None
    for length in range(len(reply(mac, address))):
        assert answering(reply(mac, address)[:length], "10.9.0.1") is None


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ({"here": True}, "ok"),
        ({"here": True, "macs": ("02:00:00:00:00:07",)}, "problem"),
        ({"here": False}, "ok"),
        ({"here": False, "macs": ("02:00:00:00:00:07",)}, "ok"),
        ({"here": False, "macs": ("02:00:00:00:00:07", "02:00:00:00:00:08")}, "problem"),
        ({"here": True, "trouble": "Operation not permitted"}, "unknown"),
    ],
)
def test_who_answers_for_an_address(answers: dict[str, Any], level: str) -> None:
    assert levels(arp([Answers(address="10.9.0.1", interface="eth0", **answers)])) == [level]


def test_the_page_fits_and_says_what_to_do() -> None:
    findings = [
        Finding(area="kernel", level="ok", what="IPVS is there"),
        Finding(area="kernel", level="problem", what="x " * 200, remedy="y " * 100),
        Finding(area="bus", level="advice", what="slow", remedy="faster"),
    ]
    text = render(findings)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert text.endswith("3 things looked at: 1 problem and 1 piece of advice\n")
    assert "\033" not in text
    assert "\033[31mPROBLEM\033[0m" in render(findings, colour=True)


def test_a_host_is_read_from_its_files(tmp_path: Path) -> None:
    release = os.uname().release
    files = {
        "proc/modules": "ip_vs_rr 16384 2 - Live 0x0\nmacvlan 1 0 - Live 0x0\n",
        f"lib/modules/{release}/modules.builtin": "kernel/net/netfilter/nf-conntrack.ko\n",
        f"lib/modules/{release}/modules.dep": "kernel/net/netfilter/ipvs/ip_vs_wlc.ko.xz: kernel/x.ko\n",
        "proc/net/ip_vs": "",
        "proc/self/status": "CapEff:\t0000000000003000\n",
        "proc/net/fib_trie": "  |-- 10.9.0.1\n   /32 host LOCAL\n  |-- 10.9.0.255\n   /32 link BROADCAST\n",
        "proc/net/if_inet6": "fd000000000000000000000000000001 02 40 00 80 eth0\n",
        "proc/88/comm": "keepalived\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    host = read(tmp_path)
    assert host.loaded == {"ip_vs_rr", "macvlan", "nf_conntrack"}
    assert host.available == {"ip_vs_wlc"}
    assert host.ipvs
    assert host.capabilities == {Capability.NET_ADMIN, Capability.NET_RAW}
    assert host.addresses == {"10.9.0.1", "fd00::1"}
    assert host.rivals == (88,)


def test_an_empty_host_is_no_error(tmp_path: Path) -> None:
    host = read(tmp_path)
    assert host.available is None
    assert not host.addresses
    assert setting("net.ipv4.no.such", tmp_path) is None


def test_this_host_can_be_read() -> None:
    (lo,) = (each for each in read().interfaces if each.name == "lo")
    assert lo.up
    assert not lo.multicast
    assert setting("net.ipv4.ip_forward") in ("0", "1")
