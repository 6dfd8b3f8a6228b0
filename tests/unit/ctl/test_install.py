"""Units for this host: what is written, what is left, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctl import install
from ctl.exits import EXIT_NO, EXIT_WRONG
from ctl.install import ENVIRONMENT, UNITS, Wish

ONE = Wish()
PYTHON = Path("/opt/my venv/bin/python3")


def _installed(root: Path, wish: Wish = ONE, *, force: bool = False, dry_run: bool = False) -> int:
    return install.main(wish, root=root, force=force, dry_run=dry_run)


def test_programs_and_file_are_where_they_are_on_this_host() -> None:
    texts = install.texts()
    (unit,) = install.wanted(Wish(file="/etc/my lb/100%.conf"), texts, PYTHON)
    assert unit.path == UNITS / "vipbus.service"
    assert 'ExecStart="/opt/my venv/bin/vipbus" run -f "/etc/my lb/100%%.conf"\n' in unit.text
    split = {
        each.path.name: each for each in install.wanted(Wish(split=True, file="/a/b.conf"), texts, PYTHON)
    }
    assert set(split) == {*install.SPLIT, "vipbus.env"}
    agent = split["vipbus-vrrp-agent.service"].text
    assert 'ExecStart="/opt/my venv/bin/python3" -P -m vrrp_agent\n' in agent
    assert "Environment=VIPBUS_FILE=/a/b.conf\n" in split["vipbus-config-service.service"].text


@pytest.mark.parametrize(("file", "said"), [("/etc/lb.conf", "yes"), ("/etc/lb.toml", "no")])
def test_the_unit_of_a_file_that_may_have_proxies_lets_haproxy_compile(file: str, said: str) -> None:
    (unit,) = install.wanted(Wish(file=file), install.texts(), PYTHON)
    assert f"\nMemoryDenyWriteExecute={said}\n" in unit.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/etc/a.conf", "/etc/a.conf"),
        ("/etc/$HOME%h", "/etc/$$HOME%%h"),
        ('/a "b"', '"/a \\"b\\""'),
        ("/a\\b c", '"/a\\\\b c"'),
    ],
)
def test_a_word_is_written_as_systemd_reads_it(text: str, written: str) -> None:
    assert install.word(text) == written


def test_it_is_written_once_and_then_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _installed(tmp_path) == 0
    unit = tmp_path / UNITS / "vipbus.service"
    assert f"wrote {unit}" in capsys.readouterr().out
    assert unit.stat().st_mode & 0o777 == 0o644
    before = unit.stat().st_mtime_ns
    assert _installed(tmp_path) == 0
    assert f"left {unit} as it is" in capsys.readouterr().out
    assert unit.stat().st_mtime_ns == before


def test_what_somebody_changed_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _installed(tmp_path) == 0
    unit = tmp_path / UNITS / "vipbus.service"
    unit.write_text("[Service]\nExecStart=/mine\n")
    assert _installed(tmp_path) == EXIT_WRONG
    assert "systemctl edit vipbus.service" in capsys.readouterr().err
    assert unit.read_text() == "[Service]\nExecStart=/mine\n"
    assert _installed(tmp_path, force=True) == 0
    assert "/mine" not in unit.read_text()


def test_the_environment_is_for_root_alone_and_never_written_over(tmp_path: Path) -> None:
    wish = Wish(split=True, bus="nats://me:pass word@bus:4222", router="lb-a")
    assert _installed(tmp_path, wish) == 0
    environment = tmp_path / ENVIRONMENT
    assert environment.stat().st_mode & 0o777 == 0o600
    assert 'VIPBUS_BUS="nats://me:pass word@bus:4222"\nVIPBUS_ROUTER=lb-a\n' in environment.read_text()
    environment.write_text("VIPBUS_BUS=nats://other:4222\n")
    assert _installed(tmp_path, wish, force=True) == 0
    assert environment.read_text() == "VIPBUS_BUS=nats://other:4222\n"


def test_a_password_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _installed(tmp_path, Wish(split=True, bus="nats://me:secret@bus:4222")) == 0
    out = capsys.readouterr()
    assert "secret" not in out.out + out.err


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _installed(tmp_path, dry_run=True) == 0
    assert "would write" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wish", [Wish(file="/a\nExecStartPre=/bin/evil"), Wish(router="x\ny"), Wish(bus="\0")]
)
def test_nothing_gets_a_line_of_its_own(tmp_path: Path, wish: Wish) -> None:
    assert _installed(tmp_path, wish) == EXIT_WRONG
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etc").write_text("a file")
    assert _installed(tmp_path) == EXIT_NO
    assert "another --root" in capsys.readouterr().err
