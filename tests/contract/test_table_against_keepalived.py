"""The table that keepalived makes of a file and the one that config-service asks for are the same.

Where keepalived reads something otherwise than it is written, here it is an error or a warning.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_service.load import load
from config_service.problems import ConfigError
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually
from tests.unit.config_service.support import compiled
from vipbus.contracts import RealServer, SorryServer, Tunnel, VirtualServer

EXAMPLES = Path(__file__).parents[1] / "unit" / "config_service"

FILE = """\
virtual_server_group web {
    192.0.2.1 80
    192.0.2.4/30 80
    192.0.2.20-22 80
    192.0.2.100-192.0.2.101 80
    fwmark 7
}
virtual_server_group both {
    2001:db8::1-3 53
    192.0.2.1 53
    fwmark 8 inet6
    fwmark 9 inet
}
virtual_server group web {
    protocol TCP
    lvs_sched mh
    mh-port
    mh-fallback
    lvs_method DR
    weight 3
    real_server 10.0.0.1 80 {
    }
    real_server 10.0.0.2 80 {
        weight 4
        lvs_method TUN
    }
}
virtual_server group both {
    protocol UDP
    ops
    lvs_sched sh
    sh-port
    lvs_method TUN type gue port 5555 csum
    real_server 10.0.0.3 53 {
        weight 1
    }
    real_server 2001:db8:1::3 53 {
        lvs_method TUN type gre
    }
}
virtual_server 192.0.2.2 5060 {
    lvs_sched wrr
    lvs_method NAT
    persistence_timeout 1800
    persistence_granularity 255.255.255.0
    persistence_engine sip
    real_server 10.0.0.5 5061 {
        weight 0
    }
}
virtual_server fwmark 16 {
    lvs_sched rr
    lvs_method NAT
    persistence_timeout
    persistence_granularity 64
    real_server 2001:db8:1::6 8080 {
        weight 1
    }
}
virtual_server fwmark 17 {
    lvs_sched sh
    flag-1
    lvs_method TUN
    real_server 2001:db8:1::7 80 {
        weight 1
    }
}
virtual_server 192.0.2.2 0 {
    protocol TCP
    lvs_sched wlc
    lvs_method NAT
    persistence_timeout 60
    real_server 10.0.0.7 0 {
        weight 1
    }
}
virtual_server 192.0.2.3 80 {
    protocol SCTP
    lvs_sched lblcr
    lvs_method DR
    real_server 10.0.0.8 8080 {
        weight 1
    }
}
virtual_server 192.0.2.30 80 {
    protocol TCP
    lvs_sched wlc
    lvs_method DR
    alpha
    delay_loop 60
    sorry_server 10.0.0.9 8080
    real_server 10.0.0.10 80 {
        weight 1
        TCP_CHECK {
            connect_timeout 60
        }
    }
}
"""
_SERVICES = {"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service"}
_METHODS = {"NAT": "-m", "DR": "-g", "TUN": "-i"}
_FLAGS = {"flag-1": "fallback", "flag-2": "port"}


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _head(one: VirtualServer) -> str:
    if one.mark:
        return f"-f {one.mark}{' -6' if one.family == 6 else ''}"
    return f"{_SERVICES[one.protocol]} {_endpoint(one.address, one.port)}"


def _service(one: VirtualServer) -> str:
    """Write a virtual server as ``ipvsadm --save`` does."""
    six = one.family == 6 if one.mark else ":" in one.address
    words = ["-A", _head(one), "-s", one.scheduler]
    words += ["-o"] if one.one_packet else []
    if one.scheduler_flags:
        words += ["-b", ",".join(f"{one.scheduler}-{_FLAGS[flag]}" for flag in one.scheduler_flags)]
    if one.persistence_timeout:
        words += ["-p", f"{one.persistence_timeout}"]
    if one.persistence_prefix:
        mask = (2**32 - 1) >> (32 - one.persistence_prefix) << (32 - one.persistence_prefix) if not six else 0
        quad = ".".join(str(mask >> shift & 255) for shift in (24, 16, 8, 0))
        words += ["-M", f"{one.persistence_prefix}" if six else quad]
    words += ["--pe", one.persistence_engine] if one.persistence_engine else []
    return " ".join(words)


def _tunnel(tunnel: Tunnel) -> list[str]:
    words = ["--tun-type", tunnel.type]
    words += ["--tun-port", f"{tunnel.port}"] if tunnel.port else []
    checksum = "nocsum" if tunnel.checksum == "none" else tunnel.checksum
    return words if tunnel.type == "ipip" else [*words, f"--tun-{checksum}"]


def _destination(one: VirtualServer, real: RealServer | SorryServer) -> str:
    """Write one of its real servers as ``ipvsadm --save`` does, which leaves thresholds out."""
    method = real.forwarding or one.forwarding
    weight = real.weight if isinstance(real, RealServer) else 1
    words = ["-a", _head(one), "-r", _endpoint(real.address, real.port), _METHODS[method], "-w", f"{weight}"]
    if method == "TUN":
        inherited = one.tunnel if one.forwarding == "TUN" and isinstance(real, RealServer) else None
        words += _tunnel(real.tunnel or inherited or Tunnel())
    return " ".join(words)


def wanted(path: Path) -> set[str]:
    entities = load(path, "r1").entities
    servers = {one.id: one for one in entities if isinstance(one, VirtualServer)}
    lines = {_service(one) for one in servers.values()}
    for real in entities:
        if isinstance(real, RealServer) and not real.alpha:
            lines.add(_destination(servers[real.virtual_server], real))
    lines |= {_destination(one, one.sorry_server) for one in servers.values() if one.sorry_server}
    return lines


@pytest.fixture
def space() -> Iterator[Namespace]:
    space = Namespace(f"tbl{secrets.token_hex(4)}")
    space.open(sysctl={"ipv6.conf.all.disable_ipv6": 0})
    try:
        # without a route the kernel takes no destination
        for family, address in (("-4", "10.0.0.254/8"), ("-6", "2001:db8::ffff/32")):
            space.ip(family, "address", "add", address, "dev", "lo")
        yield space
    finally:
        space.close()


@pytest.mark.ipvs
def test_keepalived_makes_the_table_that_is_asked_for(space: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text(FILE)
    asked = wanted(path)
    pids = [part for option in "pc" for part in (f"-{option}", str(tmp_path / f"{option}.pid"))]
    running = space.spawn(["keepalived", "-n", "-l", "-D", "-C", "-f", str(path), *pids], tmp_path / "log")

    def table() -> set[str]:
        return {line.strip() for line in space.run("ipvsadm", "-Sn").splitlines()}

    try:
        # a diff says more than that it never came
        with contextlib.suppress(AssertionError):
            eventually(lambda: table() == asked, "keepalived has written its table", within=15)
        found = table()
        differences = [f"keepalived alone: {line}" for line in sorted(found - asked)]
        differences += [f"here alone: {line}" for line in sorted(asked - found)]
        assert not differences, "\n".join(differences)
    finally:
        running.terminate()
        running.wait(10)


def keepalived(text: str, directory: Path) -> str:
    """Give what keepalived says of a file that it is to test."""
    path = directory / "x.conf"
    path.write_text(text)
    done = subprocess.run(["keepalived", "-t", "-f", str(path)], capture_output=True, check=False, timeout=30)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("name", ["table.conf", "examples/sorry-page.conf", "examples/tunnels.conf"])
def test_keepalived_knows_every_keyword(name: str, tmp_path: Path) -> None:
    # of a real server it has the method's newer name alone
    text = (EXAMPLES / name).read_text().replace("lb_kind DR", "lvs_method DR")
    said = keepalived(text, tmp_path)
    assert not re.search("Unknown keyword|[Ii]nvalid|unknown", said), said


def _server(*lines: str, head: str = "192.0.2.1 80", real: str = "10.0.0.1 80") -> str:
    rest = [] if any(line.startswith("protocol") for line in lines) else ["protocol TCP"]
    return "\n".join(
        (f"virtual_server {head} {{", *rest, *lines, f"real_server {real} {{", "weight 1", "}", "}", "")
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_server("lvs_sched rr", "sh-port"), "sh-port only applies to sh scheduler - ignoring"),
        (_server("ops"), "one packet scheduling requires UDP - resetting"),
        (_server("lvs_method TUN type gue"), "gue tunnels require port"),
        (_server("lvs_method TUN csum"), "ipip tunnels do not support checksum"),
        (_server("lvs_method TUN type gre remcsum"), "gre tunnels do not support remote checksum"),
        (_server("sorry_server 2001:db8::9 80"), "Address family of virtual server and sorry server"),
        (_server("ip_family inet6"), "conflicts with server family"),
        (_server("quorum 5"), "exceeds total weight of real servers 1, reducing quorum to 1"),
        (_server("hysteresis 1"), "setting hysteresis to 0"),
        (_server("lvs_method DR", real="10.0.0.1 81"), "ports don't match - resetting"),
        (_server("lvs_method DR", "sorry_server 10.0.0.9 81"), "ports don't match - resetting"),
        (_server(head="192.0.2.1"), "zero port only valid for persistent services - setting"),
        (_server("ha_suspend", head="fwmark 7"), "cannot use ha_suspend with fwmarks"),
        (_server(head="fwmark 7"), "protocol specified for fwmark - protocol will be ignored"),
        (_server("sorry_server_inhibit"), "sorry_server inhibit used before or without sorry_server"),
        (
            _server("persistence_timeout 5", "persistence_granularity /24"),
            "Invalid IPv4 persistence_granular",
        ),
        ("virtual_server_group web {\n192.0.2.1/30 80\n}\n", "Address mask bits not empty"),
        ("virtual_server_group web {\n192.0.2.3-1 80\n}\n", "end is not greater than address range start"),
        ("global_defs {\nlvs_sync_daemon eth0 group 10.0.0.1\n}\n", "is not multicast - ignoring"),
        ("global_defs {\nlvs_timeouts\n}\n", "lvs_timeouts requires at least one option"),
    ],
)
def test_what_keepalived_complains_of_is_told_here_too(text: str, said: str, tmp_path: Path) -> None:
    assert said in keepalived(text, tmp_path)
    with contextlib.suppress(ConfigError):
        assert compiled(text).warnings


@pytest.mark.parametrize(
    "text",
    [
        _server(head="192.0.2.1-9 80"),
        _server("persistence_timeout 5", "persistence_granularity 24"),
        _server("persistence_timeout 5", "persistence_engine sip"),
        _server("sorry_server 10.0.0.1 80"),
        _server("lvs_sched sh", "mh-port"),
        _server(head="fwmark 7") + _server("protocol UDP", head="fwmark 7"),
        _server(head="group nobody"),
    ],
)
def test_what_keepalived_lets_pass_is_refused_here(text: str, tmp_path: Path) -> None:
    said = keepalived(text, tmp_path)
    assert not re.search(r"Line \d+|ignoring|resetting|[Ii]nvalid", said), said
    with pytest.raises(ConfigError):
        compiled(text)
