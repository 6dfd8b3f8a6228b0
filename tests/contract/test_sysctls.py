"""The port to the kernel's settings: the same tests on the fake and on /proc/sys in a namespace."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipvs_programmer.fake_sysctls import FakeSysctls
from ipvs_programmer.settings import Settings, wanted
from ipvs_programmer.sysctls import ProcSysctls, SysctlError, Sysctls, path_of
from vipbus.contracts import Event, SettingChanged, Sysctl
from vipbus.telemetry.trace import TraceContext

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
FORWARD = "net.ipv4.ip_forward"
PORTS = "net.ipv4.ip_local_port_range"


@pytest.fixture(params=["fake", "real"])
def sysctls(request: pytest.FixtureRequest) -> Iterator[Sysctls]:
    if request.param == "fake":
        yield FakeSysctls(**{FORWARD: "0", PORTS: "32768 60999"})
        return
    with open("/proc/self/ns/net") as home:  # noqa: PTH123  # the descriptor is the way back
        if _libc.unshare(_CLONE_NEWNET) != 0:
            pytest.skip("no right to make a network namespace: run as root")
        try:
            made = ProcSysctls()
            made.write(FORWARD, "0")
            yield made
        finally:
            _libc.setns(home.fileno(), _CLONE_NEWNET)


def test_a_setting_is_read_and_set(sysctls: Sysctls) -> None:
    assert sysctls.read(FORWARD) == "0"
    sysctls.write(FORWARD, "1")
    assert sysctls.read(FORWARD) == "1"
    assert sysctls.read("net/ipv4/ip_forward") == "1"


def test_what_stands_apart_is_one_space_apart(sysctls: Sysctls) -> None:
    sysctls.write(PORTS, "20000 30000")
    assert sysctls.read(PORTS) == "20000 30000"


def test_what_is_not_there_is_said(sysctls: Sysctls) -> None:
    for act in (lambda: sysctls.read("net.ipv4.nope"), lambda: sysctls.write("net.ipv4.nope", "1")):
        with pytest.raises(SysctlError, match=r"no net\.ipv4\.nope"):
            act()
    with pytest.raises(SysctlError, match="takes no such value"):
        sysctls.write(FORWARD, "much")


def test_set_looked_at_and_left(sysctls: Sysctls) -> None:
    said: list[SettingChanged] = []

    def publish(event: Event, _: TraceContext) -> None:
        assert isinstance(event, SettingChanged)
        said.append(event)

    settings = Settings(sysctls, "router-a", publish)
    asked = (
        Sysctl(name=FORWARD, value="1", set=True),
        Sysctl(name=PORTS, value="20000 30000"),
        Sysctl(name="net.ipv4.nope", value="1", set=True),
    )
    before = sysctls.read(PORTS)
    settings.bring_about(asked)
    settings.bring_about(asked)
    assert sysctls.read(FORWARD) == "1"
    assert sysctls.read(PORTS) == before
    told = [(each.name, each.before, each.value, each.set) for each in said]
    assert told == [(FORWARD, "0", "1", True), (PORTS, before, "20000 30000", False)], "each is told once"
    assert list(settings.problems) == [PORTS, "net.ipv4.nope"]

    sysctls.write(FORWARD, "0")  # somebody else
    sysctls.write(PORTS, "20000 30000")
    settings.bring_about(asked)
    assert sysctls.read(FORWARD) == "1"
    assert list(settings.problems) == ["net.ipv4.nope"]
    settings.bring_about(())
    assert settings.problems == {}
    assert len(said) == 3


def test_masquerade_brings_conntrack_unless_the_configuration_speaks_of_it() -> None:
    conntrack = "net.ipv4.vs.conntrack"
    assert wanted((), masquerade=True) == (Sysctl(name=conntrack, value="1", set=True),)
    assert wanted((), masquerade=False) == ()
    own = (Sysctl(name=conntrack, value="1"),)
    assert wanted(own, masquerade=True) == own


def test_what_may_not_be_written(tmp_path: Path) -> None:
    """A file that never appears."""
    (tmp_path / "net").mkdir()
    with pytest.raises(SysctlError, match=r"no net\.new"):
        ProcSysctls(tmp_path).write("net.new", "1")
    assert not (tmp_path / "net/new").exists()


READ_ONLY = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "
ASK = f"""
from ipvs_programmer.sysctls import ProcSysctls, SysctlError
try:
    ProcSysctls().write("{FORWARD}", "1")
except SysctlError as error:
    print(error)
"""


def others_may_run(program: str) -> bool:
    """Say whether any user may come as far as a program."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in Path(program).resolve().parents)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (READ_ONLY, f"{FORWARD} cannot be set to 1: /proc/sys is read-only here, as in a container: set it"),
        ("exec setpriv --reuid 65534 ", f"{FORWARD} cannot be set to 1: not permitted: run as root"),
    ],
    ids=["a container", "not root"],
)
def test_a_refusal_says_what_to_do(before: str, words: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("no right to make namespaces: run as root")
    if "setpriv" in before and not others_may_run(sys.executable):
        pytest.skip(f"{sys.executable} is for its owner alone")
    script = f'{before} "$0" -c "$1"'
    asked = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script, sys.executable, ASK],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert asked.stdout.startswith(words), asked


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_names_are_read_as_sysctl_reads_them(name: str, path: str) -> None:
    assert path_of(name) == Path(path)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "net/../../etc", "net..x", "net//x", "net.//.x", "a\0b"])
def test_no_name_leads_out(name: str) -> None:
    with pytest.raises(SysctlError):
        path_of(name)
