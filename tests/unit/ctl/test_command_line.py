"""The command line itself: what is refused, in words, before anything starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ctl.__main__ import main, vipbus
from ctl.cli import LazyGroup


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "vipbus: COMMAND is missing"),
        (["run"], "vipbus run: -f/--file is missing; see `vipbus run --help`"),
        (["run", "-f", "x", "--bus-port", "0"], "'0' is no port (1 to 65535)"),
        (["run", "-f", "x", "--bus-port", "http"], "'http' is no port (1 to 65535)"),
        (["run", "-f", "x", "--standby", "hot"], "--standby: 'hot' is not one of 'clear', 'warm'; see"),
        (["run", "-f", "x", "--metrics", "9490"], "--metrics: '9490' is not HOST:PORT, nor off"),
        (["run", "-f", "x", "--metrics", "[::1]:65533"], "there must be 4 ports after it"),
        (
            ["run", "-f", "x", "--bus", "nats://"],
            "--bus: this is no NATS URL; write one server as nats://HOST:PORT",
        ),
        (["status", "--bus", "http://127.0.0.1:4222"], "this is no NATS URL"),
        (["events", "--bus", "nats://127.0.0.1:port"], "this is no NATS URL"),
        (["config", "reload", "--bus", "nats://a:1,nats://b:2"], "this is no NATS URL"),
        (["status", "--bus", "nats://[::1"], "this is no NATS URL"),
        (["config"], "vipbus config: COMMAND is missing"),
        (["handover"], "vipbus handover: INSTANCE is missing; see `vipbus handover --help`"),
        (["handover", "VI_1", "--wait", "-1"], "'-1' is no time (0 to 3600 seconds)"),
        (["handover", "VI_1", "--wait", "nan"], "'nan' is no time (0 to 3600 seconds)"),
        (["handover", "VI_1", "--wait", "soon"], "'soon' is no time (0 to 3600 seconds)"),
        (["handover", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["handover", "VI_1", "--to", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["drain"], "vipbus drain: REAL-SERVER is missing; see `vipbus drain --help`"),
        (["drain", "10.9.0.21:80", "--wait", "-1"], "'-1' is no time (0 to 3600 seconds)"),
        (["disable", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["enable", "x", "--virtual-server", "", "--bus", "nats://127.0.0.1:1"], "an empty name names"),
        (["enable", "x", "--by", "", "--bus", "nats://127.0.0.1:1"], "an empty name names nothing"),
        (["vrrp"], "vipbus vrrp: COMMAND is missing"),
        (["vrrp", "show", ""], "an empty name names nothing"),
        (["vrrp", "show", "--router", ""], "an empty name names nothing"),
        (["probe"], "vipbus probe: VIRTUAL-SERVER is missing; see `vipbus probe --help`"),
        (["probe", "a", "b", "c"], "unexpected extra argument (c)"),
        (["probe", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", "--from", ""], "an empty name names nothing"),
        (["probe", "10.9.0.1:80", "--check", ""], "an empty name names nothing"),
        (["events", "a", "b"], "unexpected extra argument (b)"),
    ],
)
def test_what_makes_no_sense_is_refused_with_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--routr", "x"], "vipbus run: no such option --routr; did you mean --router"),
        (["run", "--routr=x"], "vipbus run: no such option --routr; did you mean --router"),
        (["table", "--lives"], "vipbus table: no such option --lives; did you mean --live"),
        (
            ["config", "reload", "--ruoter"],
            "vipbus config reload: no such option --ruoter; did you mean --router",
        ),
        (["--versoin"], "vipbus: no such option --versoin; did you mean --version"),
        (["status", "--xyz"], "vipbus status: no such option --xyz; see `vipbus status --help`"),
        (["status", "-x"], "vipbus status: no such option -x; see `vipbus status --help`"),
        (["stauts"], "vipbus: no such command stauts; did you mean status"),
        (["vrrp", "sho"], "vipbus vrrp: no such command sho; did you mean show"),
        (["firewall"], "vipbus: no such command firewall; see `vipbus --help`"),
        (["run", "-f"], "vipbus run: option '-f' requires an argument; see `vipbus run --help`"),
        (["a\x1b[2Jb\n"], "vipbus: no such command a\ufffd[2Jb\ufffd; see `vipbus --help`"),
    ],
)
def test_what_is_mistyped_is_one_line_with_the_nearest_word(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == said + "\n"


def commands() -> Iterator[tuple[str, ...]]:
    """Walk the whole tree, in the words that call a command."""
    left: list[tuple[click.Command, tuple[str, ...]]] = [(vipbus, ())]
    while left:
        each, words = left.pop()
        yield words
        if isinstance(each, LazyGroup):
            context = click.Context(each)
            left += [
                (found, (*words, name))
                for name in each.list_commands(context)
                if (found := each.get_command(context, name))
            ]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(words: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, option]) == 0
    told = capsys.readouterr()
    assert (told.out.split(" [")[0], told.err) == (" ".join(("Usage: vipbus", *words)), "")
    if "COMMAND" not in told.out.splitlines()[0]:
        assert "\nExamples:\n" in told.out
        assert "\nExit status:\n  0 " in told.out


def test_a_value_from_the_environment_is_read_like_one_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIPBUS_BUS", "http://user:secret@10.9.0.1")
    assert main(["status"]) == 2
    assert "this is no NATS URL" in (said := capsys.readouterr().err)
    assert "secret" not in said


def imported(*arguments: str) -> set[str]:
    """Run a command in a process of its own; name the modules that it had imported at its end."""
    code = "import sys; from ctl.__main__ import main; main(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=20, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_a_command_imports_no_other(tmp_path: Path) -> None:
    taken = imported(
        "run",
        "-f",
        "x",
        "--bus-port",
        "4299",
        "--state-dir",
        str(tmp_path / "file" / "below"),
        "--standby",
        "hot",
    )
    assert {name for name in taken if name.startswith("ctl")} == {
        "ctl",
        "ctl.__main__",
        "ctl.cli",
        "ctl.commands",
        "ctl.commands.run",
        "ctl.exits",
        "ctl.parameters",
    }
    assert not taken & {
        "argparse",
        "asyncio",
        "nats",
        "rich",
        "vipbus.bus",
        "vipbus.contracts",
        "difflib.SequenceMatcher",
    }
    taken = imported("status", "--state-dir", str(tmp_path))
    assert {name for name in taken if name.startswith("ctl.commands.")} == {"ctl.commands.status"}
    assert not taken & {"argparse", "ctl.run", "ctl.supervisor", "ctl.events", "rich"}
