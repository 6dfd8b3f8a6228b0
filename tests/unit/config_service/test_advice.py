"""What will run and perhaps not as it is meant, in both languages, with its place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config_service.host import ThisHost, devices
from config_service.load import load
from config_service.unchanged import Known
from tests.unit.config_service.support import server
from vipbus.contracts import entity_count

BARE = "the kernel of this host"


@dataclass(frozen=True)
class Machine:
    """A host that is described."""

    schedulers: Collection[str] | None = None
    addresses: Collection[str] = ()
    tunnels: Collection[tuple[str, int]] = field(default_factory=frozenset)


def said(tmp_path: Path, text: str, host: Machine, name: str = "x.conf") -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    return [f"{one.line}: {one.text}" for one in load(path, "r1", host=host).warnings]


def checked(*around: str, inside: str = "TCP_CHECK { }") -> str:
    return server(*around, inside=inside)


def table(check: str, virtual: str = "", real: str = "") -> str:
    return (
        f'[[virtual_server]]\naddress = "10.9.0.1:80"\n{virtual}\n'
        f'[[virtual_server.real_server]]\naddress = "10.9.1.21"\n{real}\n'
        f'[[virtual_server.real_server.check]]\nkind = "tcp"\n{check}\n'
    )


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        # at the level that says it, under the word it has there
        (checked("delay_loop 1"), "2: delay_loop: a check that waits 5 s for an answer can never finish"),
        (
            checked("delay_loop 6", inside="TCP_CHECK {\nconnect_timeout 7\n}"),
            "5: connect_timeout: a check that",
        ),
        (
            checked(
                "delay_loop 6", inside="TCP_CHECK {\nretry 3\ndelay_before_retry 3\nconnect_timeout 3\n}"
            ),
            "2: delay_loop: a round of 3 retries with 3 s between them takes 9 s at least to fail, and",
        ),
        (checked("delay_loop 6", inside="TCP_CHECK {\nretry 3\nconnect_timeout 3\n}"), ""),
        (checked("delay_loop 6"), ""),
        (checked("delay_loop 1", inside='MISC_CHECK {\nmisc_path "/bin/true"\n}'), ""),
        (
            checked("delay_loop 3", inside='MISC_CHECK {\nmisc_path "/bin/true"\nmisc_timeout 4\n}'),
            "6: misc_timeout: a check",
        ),
    ],
)
def test_a_check_that_cannot_finish_in_time(tmp_path: Path, text: str, warning: str) -> None:
    found = said(tmp_path, text, Machine())
    assert len(found) == bool(warning)
    assert "".join(found).startswith(warning)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            table('interval = "1s"'),
            "9: virtual_server[0].real_server[0].check.interval: a check that waits 5 s for",
        ),
        (
            table('interval = "1s"\ntimeout = 2'),
            "10: virtual_server[0].real_server[0].check.timeout: a check that waits",
        ),
        (
            table('interval = "2s"\ntimeout = "1s"\nretry = 3'),
            "9: virtual_server[0].real_server[0].check.interval: a round of 3 retries with",
        ),
        (table('interval = "2s"\ntimeout = "1500ms"'), ""),
    ],
)
def test_a_check_of_the_native_language(tmp_path: Path, text: str, warning: str) -> None:
    found = said(tmp_path, text, Machine(), "x.toml")
    assert len(found) == bool(warning)
    assert "".join(found).startswith(warning)


def test_it_is_told_once_for_all_that_are_alike(tmp_path: Path) -> None:
    text = "".join(
        server("delay_loop 1", head=f"10.9.0.{at} 80", inside="TCP_CHECK { }") for at in range(1, 4)
    )
    (found,) = said(tmp_path, text, Machine())
    assert found.startswith("2: delay_loop: ")
    assert found.endswith("(2 more virtual servers are so too)")


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        (server("lb_algo mh"), "x.conf", "2: lb_algo: "),
        (server("lvs_sched mh"), "x.conf", "2: lvs_sched: "),
        (table("", 'scheduler = "mh"'), "x.toml", "3: virtual_server[0].scheduler: "),
    ],
)
def test_a_scheduler_that_the_kernel_lacks(tmp_path: Path, text: str, name: str, place: str) -> None:
    (found,) = said(tmp_path, text, Machine(schedulers={"rr", "wlc"}), name)
    assert found.startswith(f"{place}{BARE} has no scheduler mh (ip_vs_mh); install its module")
    assert said(tmp_path, text, Machine(schedulers={"mh"}), name) == []
    assert said(tmp_path, text, Machine(schedulers=None), name) == []


@pytest.mark.parametrize(
    ("method", "up", "warning"),
    [
        (
            "TUN",
            set(),
            "2: lb_kind: 10.9.1.21 is an address of this host, and what another router sends it by TUN",
        ),
        ("TUN", {("ipip", 6), ("gre", 4)}, "2: lb_kind: 10.9.1.21 is"),
        ("TUN", {("ipip", 4)}, ""),
        ("TUN type gue port 6080", {("ipip", 4)}, ""),
        ("TUN type gre", {("ipip", 4)}, "2: lb_kind: 10.9.1.21 is"),
        ("TUN type gre", {("gre", 4)}, ""),
        ("DR", set(), ""),
    ],
)
def test_a_tunnel_without_a_device(
    tmp_path: Path, method: str, up: set[tuple[str, int]], warning: str
) -> None:
    host = Machine(addresses={"10.9.1.21"}, tunnels=up)
    found = said(tmp_path, server(f"lb_kind {method}"), host)
    assert len(found) == bool(warning)
    assert "".join(found).startswith(warning)
    # a real server elsewhere is no affair of this host
    assert said(tmp_path, server(f"lb_kind {method}"), Machine()) == []


def test_a_tunnel_without_a_device_in_the_native_language(tmp_path: Path) -> None:
    host = Machine(addresses={"10.9.1.21"})
    (found,) = said(tmp_path, table("", 'forwarding = "TUN"'), host, "x.toml")
    assert found.startswith("3: virtual_server[0].forwarding: 10.9.1.21 is an address of this host")


def test_a_host_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    host = ThisHost(tmp_path, "6.1")
    assert (host.schedulers, set(host.addresses)) == (None, set())

    ipvs = "kernel/net/netfilter/ipvs/ip_vs"
    (modules / "modules.dep").write_text(f"{ipvs}.ko: x.ko\n{ipvs}_rr.ko.xz: {ipvs}.ko\n")
    (modules / "modules.builtin").write_text(f"{ipvs}_wlc.ko\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/fib_trie").write_text(
        "Local:\n  |-- 10.9.1.0\n     /24 link UNICAST\n  |-- 10.9.1.21\n     /32 host LOCAL\n"
    )
    (tmp_path / "proc/net/if_inet6").write_text("fd00000000000000000000000000000a 02 40 00 80 eth0\n")
    monkeypatch.setattr("config_service.host.devices", lambda: [(768, 0xC1), (778, 0x80), (1, 0x1003)])
    host = ThisHost(tmp_path, "6.1")
    schedulers = host.schedulers
    assert schedulers is not None
    assert {"rr", "wlc"} <= set(schedulers)
    assert "mh" not in schedulers
    assert host.addresses == {"10.9.1.21", "fd00::a"}
    assert host.tunnels == {("ipip", 4)}


def test_the_loopback_is_there_and_up() -> None:
    assert (772, 1) in {(kind, flags & 1) for kind, flags in devices()}


def test_a_kernel_without_ipvs_says_nothing_of_schedulers(tmp_path: Path) -> None:
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/ipv4/ipip.ko:\n")
    assert ThisHost(tmp_path, "6.1").schedulers is None


def test_this_host_has_the_loopback_address() -> None:
    assert "127.0.0.1" in ThisHost().addresses


def test_what_was_told_of_the_whole_does_not_make_it_be_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    blocks = [
        f"virtual_server 10.9.0.{at} 80 {{\n delay_loop 1\n protocol TCP\n"
        " real_server 10.9.1.21 80 {\n  TCP_CHECK { }\n }\n}\n"
        for at in range(1, 9)
    ]
    compiled: list[str] = []

    def compile_it(text: str) -> object:
        compiled.append(text)
        path.write_text(text)
        return load(path, "r1", host=Machine())

    known = Known()
    first, _ = known.read("".join(blocks), compile_it)  # type: ignore[arg-type]
    assert len(first.warnings) == 1
    blocks[4] = blocks[4].replace("10.9.1.21", "10.9.1.22")
    second, bodies = known.read("".join(blocks), compile_it)  # type: ignore[arg-type]
    assert len(compiled[-1]) == len(blocks[4])
    assert second.warnings == first.warnings
    assert entity_count(bodies) == 16
    blocks[5] = blocks[5].replace("delay_loop 1", "delay_loop 2")  # that one is new
    third, _ = known.read("".join(blocks), compile_it)  # type: ignore[arg-type]
    assert len(compiled[-1]) == len("".join(blocks))
    assert len(third.warnings) == 2
