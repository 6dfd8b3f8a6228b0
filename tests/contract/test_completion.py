"""Completion in real shells on a real terminal, with names from a real nats-server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_ctl import connected, run, write
from tests.support.nats import NatsServer
from tests.support.terminal import VIPBUS, Terminal

SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "PS1='$ '; bind 'set enable-bracketed-paste off'; source <(vipbus completion bash); clear",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='$ '; autoload -U compinit; compinit -u -D; source <(vipbus completion zsh); clear",
    ),
}


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()

    async def story() -> None:
        async with connected(server) as bus:
            await write(bus)

    run(story)
    yield server.url
    server.kill()


def present(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed (apt install {shell})")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, bus: str) -> Iterator[Terminal]:
    present(request.param)
    command, setup = SHELLS[request.param]
    with Terminal(command, environ={"VIPBUS_BUS": bus}) as terminal:
        terminal.send(f"{setup}\n")
        terminal.until(lambda text: text.strip() == "$", "its prompt stands alone", within=20)
        yield terminal


def test_a_shell_completes_commands_options_values_and_names(shell: Terminal) -> None:
    for typed, completed in (
        ("vipbus dra", "vipbus drain"),
        ("vipbus config rel", "vipbus config reload"),
        ("vipbus run --standby w", "vipbus run --standby warm"),
        ("vipbus events state.he", "vipbus events state.health"),
        ("vipbus handover V", "vipbus handover VI_1"),
        ("vipbus table 10.9.0.1:", "vipbus table 10.9.0.1:80"),
        ("vipbus table --router router-a 1", "vipbus table --router router-a 10.9.0.1:80"),
        ("vipbus drain 10.9.0.22:8", "vipbus drain 10.9.0.22:80"),
    ):
        shell.send(f"{typed}\t")
        seen = f"$ {completed}"
        shell.until(lambda text, seen=seen: text.splitlines()[-1:] == [seen], completed)  # type: ignore[misc]  # bound
        shell.send("\x15")
        shell.until(lambda text: text.splitlines()[-1:] == ["$"], "the line is empty")
    shell.send("vipbus vrrp show --router router-\t\t")
    shell.until(lambda text: "router-a" in text and "router-b" in text, "both are listed")


def test_fish_completes_too(bus: str) -> None:
    present("fish")
    for typed, completed in (
        ("vipbus dra", "drain"),
        ("vipbus drain 10.9.0.22:8", "10.9.0.22:80"),
    ):
        with Terminal(
            ["fish", "--no-config", "-c", f"vipbus completion fish | source; complete -C '{typed}' | sort"],
            environ={"VIPBUS_BUS": bus},
        ) as terminal:
            assert terminal.ended(20) == 0
            found = "\n".join(line.split("  ")[0] for line in terminal.text.splitlines())
            assert found == completed, typed


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_script_calls_vipbus(name: str) -> None:
    script = subprocess.run([VIPBUS, "completion", name], capture_output=True, text=True, check=True)
    assert (script.stderr, f"_VIPBUS_COMPLETE={name}_complete" in script.stdout) == ("", True)


@pytest.mark.parametrize(
    "where", [{"VIPBUS_BUS": "nats://127.0.0.1:1"}, {"VIPBUS_BUS": "http://nonsense"}, {}]
)
def test_without_a_bus_nothing_is_said(where: dict[str, str], tmp_path: Path) -> None:
    line = "vipbus drain 10"
    words = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_VIPBUS_COMPLETE": "bash_complete"}
    environ = {"VIPBUS_STATE_DIR": str(tmp_path), **words, **where}
    told = subprocess.run([VIPBUS], env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert (told.stdout, told.stderr) == ("", "")


@pytest.mark.parametrize(
    "environ",
    [
        {"_VIPBUS_COMPLETE": "tcsh_complete"},
        {"_VIPBUS_COMPLETE": "bash_complete"},
        {"_VIPBUS_COMPLETE": "bash_complete", "COMP_LINE": "vipbus 'x", "COMP_POINT": "many"},
        {"_VIPBUS_COMPLETE": "bash_complete", "COMP_LINE": "vipbus no such '", "COMP_POINT": "-3"},
        {"_VIPBUS_COMPLETE": "zsh_complete", "COMP_WORDS": "vipbus \udcff x", "COMP_CWORD": "9"},
        {"_VIPBUS_COMPLETE": "fish_complete", "COMP_WORDS": "", "COMP_CWORD": "'"},
    ],
)
def test_an_environment_that_makes_no_sense_is_silent(environ: dict[str, str]) -> None:
    told = subprocess.run([VIPBUS], env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert told.stderr == ""
