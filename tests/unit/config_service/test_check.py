"""``check``: its exit status and what it prints where."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from config_service.__main__ import main
from config_service.load import load
from tests.unit.config_service.support import GOOD, instance, server
from vipbus.contracts import Entity


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lb.conf"


def test_a_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: 2 instances, 2 virtual servers, 3 real servers\n"
    (said,) = err.splitlines()
    assert said.startswith(f"{file}:30: warning: delay_loop: a check that waits 5 s for an answer can never")


def test_warnings_do_not_refuse(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(instance("state MASTER", "nopreempt", "priority 150"))
    assert main(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: 1 instance, 0 virtual servers, 0 real servers\n"
    assert err.startswith(f"{file}:3: warning: nopreempt has no effect here: ")


def test_every_error_is_a_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(server("lb_algo x", "foo"))
    assert main(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, line, pointer, second, *_ = err.splitlines()
    assert first.startswith(f"{file}:2:9: lb_algo: 'x' is none of rr ")
    assert (line, pointer) == ("    lb_algo x", "            ^")
    assert second == f"{file}:3:1: unknown keyword 'foo' in virtual_server; remove it"


@pytest.mark.parametrize(("options", "name"), [((), "lb-a"), (("--router", "other"), "other")])
def test_the_routers_name_alone(
    file: Path, options: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD)
    assert main(["check", str(file), "--print-router", *options]) == 0
    assert capsys.readouterr().out == f"{name}\n"


@pytest.mark.parametrize(
    ("options", "name"), [((), "lb-host"), (("-i", "b"), "lb-b"), (("--config-id", "c"), "lb-other")]
)
def test_conditions_are_about_the_host_or_what_is_said(
    file: Path, options: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host = socket.gethostname().partition(".")[0]
    lines = f"@{host} router_id lb-host", "@b router_id lb-b", "@c router_id lb-other"
    file.write_text(f"{instance()}include inner.conf\n")
    (file.parent / "inner.conf").write_text("\n".join(("global_defs {", *lines, "}\n")))
    assert main(["check", str(file), "--print-router", *options]) == 0
    assert capsys.readouterr().out == f"{name}\n"


def test_what_the_file_says_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["check", str(file), "--print-entities"]) == 0
    entities = msgspec.json.decode(capsys.readouterr().out, type=tuple[Entity, ...])
    assert entities == load(file, None).entities
    file.write_text(server("lb_algo x"))
    assert main(["check", str(file), "--print-entities"]) == 2
    assert capsys.readouterr().out == ""


CLUSTER = """\
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
auth_pass = "123456789"
[router.lb-a]
[router.lb-b.vrrp_instance.VI_1]
priority = 90
"""


def test_a_cluster_is_checked_for_all_of_its_routers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vipbus.toml"
    file.write_text(CLUSTER)
    assert main(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    counted = "1 instance, 0 virtual servers, 0 real servers"
    assert out == f"{file}: lb-a: {counted}\n{file}: lb-b: {counted}\n"
    assert len(err.splitlines()) == 1, "what they share is told once"
    file.write_text(CLUSTER.replace("priority = 90", "priority = 900"))
    assert main(["check", str(file)]) == 2
    assert "VI_1: priority 900 is not in 1-255" in capsys.readouterr().err
    assert main(["check", str(file), "--router", "lb-a"]) == 0
    assert main(["check", str(file), "--router", "lb-c"]) == 2
    assert "there is no [router.lb-c]" in capsys.readouterr().err


def test_as_a_process(file: Path) -> None:
    file.write_text("vrrp_instance A {\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "config_service", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{file}:1:1: the block of 'vrrp_instance A' is never closed; add '}}' (or was the file cut off?)\n"
        "    vrrp_instance A {\n"
        "    ^^^^^^^^^^^^^^^\n"
    )
