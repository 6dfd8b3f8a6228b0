"""Whole agents on a network of their own, each from a configuration file: what goes beyond one address."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.vrrp import VIP, Network, Router, needs_root
from tests.support.waiting import eventually

pytestmark = needs_root

QUICK = "version 3\n advert_int 0.1"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


def conf(priority: int, *lines: str, before: str = "", vrid: int = 51, name: str = "VI_1") -> str:
    own = "\n ".join(lines)
    return f"""\
{before}
vrrp_instance {name} {{
 interface eth0
 virtual_router_id {vrid}
 priority {priority}
 {QUICK}
 {own}
 virtual_ipaddress {{
  {VIP}/24
 }}
}}
"""


def pair(network: Network, first: str, second: str) -> tuple[Router, Router]:
    """Start two routers; the first is active."""
    routers = network.router("a"), network.router("b")
    for router, text in zip(routers, (first, second), strict=True):
        router.namespace.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        router.save_text(text)
        router.start()
        eventually(routers[0].holds, "the first is active")
    network.held_by(routers[0], 6)
    return routers


def test_a_script_moves_the_priority_and_with_it_the_addresses(network: Network, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.touch()
    script = f"""\
global_defs {{
 script_user root
}}
vrrp_script here {{
 script "/usr/bin/test -e {good}"
 interval 0.1
 weight -60
}}"""
    first, second = pair(network, conf(150, "track_script {", "here", "}", before=script), conf(100))
    good.unlink()
    network.held_by(second, 5)
    assert "VI_1 is backup: 10.88.0.2 advertises priority 100, ours is 90" in first.output()
    good.touch()
    network.held_by(first, 5)


def test_a_file_that_is_not_zero_is_a_fault(network: Network, tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("0")
    tracked = f'track_file number {{\n file "{file}"\n weight 0\n}}'
    first, second = pair(network, conf(150, "track_file {", "number", "}", before=tracked), conf(100))
    file.write_text("1")
    network.held_by(second, 5)
    eventually(lambda: "VI_1 is in fault: file number holds 1" in first.output(), "it says why")
    file.write_text("0")
    network.held_by(first, 5)


def test_programs_and_pipes_hear_of_every_change_in_order(network: Network, tmp_path: Path) -> None:
    heard, pipe = tmp_path / "heard", tmp_path / "pipe"
    program = tmp_path / "notify.sh"
    program.write_text(f'#!/bin/sh\necho "$1 $2 $3 $4" >> {heard}\n')
    program.chmod(0o755)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    text = conf(
        150,
        f'notify "{program}"',
        before=f"global_defs {{\n script_user root\n vrrp_notify_fifo {pipe}\n}}",
    )
    first, second = pair(network, text, conf(100))
    first.terminate()
    assert first.exit_status(9) == 0
    network.held_by(second, 5)
    said = ["BACKUP 150", "MASTER 150", "STOP 150"]
    eventually(lambda: heard.exists() and heard.read_text().count("\n") == 3, "three changes")
    assert heard.read_text().splitlines() == [f"INSTANCE VI_1 {each}" for each in said]
    lines = os.read(reader, 65536).decode().splitlines()
    os.close(reader)
    assert lines == [f'INSTANCE "VI_1" {each}' for each in said]


MORE = (
    "virtual_ipaddress_excluded {",
    "fd88::100/64",
    "}",
    "virtual_routes {",
    "198.51.100.0/24 via 10.88.0.77 dev eth0",
    "}",
    "virtual_rules {",
    "from 10.88.0.100/32 lookup 88 priority 8800",
    "}",
)


def test_routes_rules_and_excluded_addresses_move_along_and_are_put_back(network: Network) -> None:
    first, second = pair(network, conf(150, *MORE), conf(100, *MORE))

    def has(router: Router) -> tuple[bool, bool, bool]:
        ip = router.namespace.ip
        return (
            "fd88::100" in ip("-6", "addr", "show", "dev", "eth0"),
            "198.51.100.0/24" in ip("route"),
            "8800:" in ip("rule"),
        )

    eventually(lambda: has(first) == (True,) * 3, "the active one has all of it")
    assert has(second) == (False,) * 3
    first.namespace.ip("route", "del", "198.51.100.0/24")
    first.namespace.ip("rule", "del", "priority", "8800")
    first.namespace.ip("addr", "del", "fd88::100/64", "dev", "eth0")
    eventually(lambda: has(first) == (True,) * 3, "all of it is put back")
    first.terminate()
    network.held_by(second, 5)
    eventually(lambda: has(second) == (True,) * 3, "the other has all of it")
    first.exit_status()
    assert has(first) == (False,) * 3


def on_virtual_mac(router: Router) -> bool:
    return f"vrrp.51    inet {VIP}/" in router.namespace.ip("-4", "-o", "addr", "show")


def test_a_virtual_mac_moves_with_the_addresses(network: Network) -> None:
    first, second = network.router("a"), network.router("b")
    for router, priority in ((first, 150), (second, 100)):
        router.save_text(conf(priority, "use_vmac"))
        router.start()
    eventually(lambda: on_virtual_mac(first) and not on_virtual_mac(second), "the first alone has it")
    assert "00:00:5e:00:01:33" in first.namespace.ip("link", "show", "vrrp.51")
    first.crash()
    eventually(lambda: on_virtual_mac(second), "the second took over")


SIX = """\
vrrp_instance VI_6 {{
 interface eth0
 virtual_router_id 51
 priority {priority}
 advert_int 0.1
 virtual_ipaddress {{
  fe80::51/64
  fd88::51/64
 }}
}}
"""


def test_ipv6_elects_beside_ipv4_with_the_same_identifier(network: Network) -> None:
    first, second = pair(network, conf(150) + SIX.format(priority=90), conf(100) + SIX.format(priority=200))

    def six(router: Router) -> bool:
        return "fd88::51" in router.namespace.ip("-6", "addr", "show", "dev", "eth0")

    eventually(lambda: six(second) and not six(first), "the second has the IPv6 addresses")
    assert first.holds()
    second.crash()
    eventually(lambda: six(first), "the first has them")


def test_a_router_that_stood_still_steps_down_before_it_speaks(network: Network) -> None:
    first, second = pair(network, conf(150, "nopreempt"), conf(100))
    first.signal(signal.SIGSTOP)
    eventually(second.holds, "the other takes over")
    first.signal(signal.SIGCONT)
    network.held_by(second, 5)
    eventually(lambda: "was silent for" in first.output(), "it says so")
    # nopreempt: the one that took over stays
    time.sleep(1.0)  # ten advertisements, to see that nothing happens
    assert network.holder() is second


def test_without_its_password_an_instance_does_not_take_part(network: Network) -> None:
    router = network.router("a")
    router.save_text(
        conf(150, "authentication {", "auth_type PASS", "auth_pass hunter2", "}").replace(
            QUICK, "version 2\n advert_int 1"
        )
    )
    (router.directory / "secrets.json").unlink()
    router.start()
    eventually(lambda: "VI_1 is in fault" in router.output(), "it is in fault")
    assert "secrets.json" in router.output()
    assert "hunter2" not in router.output()
    assert not router.holds()


def test_who_came_back_from_a_crash_with_nopreempt_leaves_the_other_in_peace(network: Network) -> None:
    text = conf(150, "nopreempt")
    first, second = pair(network, text, conf(100))
    first.crash()
    eventually(second.holds, "taken over")
    first.namespace.ip("addr", "flush", "dev", "eth0", "to", VIP)
    first.restore()
    first.start()
    eventually(lambda: "10.88.0.2 is active with priority 100" in first.output(), "it hears the other")
    time.sleep(1.0)  # ten advertisements, to see that nothing happens
    assert network.holder() is second


def test_a_native_document_runs_as_well(network: Network) -> None:
    router = network.router("a")
    router.save_text(
        f"""
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
version = 3
advert_int = "100ms"
on_address_loss = "yield"
virtual_ipaddress = ["{VIP}/24"]
[router.a.vrrp_instance.VI_1]
priority = 200
""",
        "vipbus.toml",
    )
    router.start()
    network.held_by(router, 5)
    router.namespace.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
    eventually(lambda: "another router may have it" in router.output(), "it yields")
    network.held_by(router, 5)


def test_two_groups_move_together(network: Network) -> None:
    def text(priority: int) -> str:
        other = conf(priority, vrid=52, name="VI_2").replace(VIP, "10.88.0.200")
        return conf(priority) + other + "vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n}\n"

    first, second = pair(network, text(150), text(100))
    eventually(lambda: first.holds("10.88.0.200"), "both are here")
    first.terminate()
    eventually(lambda: second.holds() and second.holds("10.88.0.200"), "both are there")
