"""``vipbus top`` in a real terminal, on a real nats-server that goes away and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.contract.test_ctl import connected, run, serve_all, write
from tests.support.nats import NatsServer
from tests.support.terminal import VIPBUS, Terminal
from tests.support.waiting import eventually
from tests.unit.ctl.documents import SERVERS, verdict
from vipbus.bus import StateWriter
from vipbus.contracts import HEALTH
from vipbus.telemetry import trace

TRACE = trace.record("test")
ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


def told(server: NatsServer, cause: str) -> None:
    """Write a verdict with this cause."""

    async def story() -> None:
        async with connected(server) as bus:
            writer = StateWriter(bus, HEALTH)
            document = verdict(SERVERS[0], "down", cause=cause)
            writer.set(document.key, document, TRACE)
            assert await writer.flushed(10)
            await writer.close()

    run(story)


def test_it_shows_what_there_is_and_what_happens_and_survives_the_bus(nats_server: NatsServer) -> None:
    async def fill() -> None:
        async with connected(nats_server) as bus:
            await write(bus)

    run(fill)
    with Terminal([VIPBUS, "top", "--bus", nats_server.url], rows=30, columns=120) as terminal:
        terminal.until(lambda text: "router-a     VI_1         ACTIVE" in text, "the roles")
        terminal.until(lambda text: "10.9.0.1:80 TCP" in text and "10.9.0.22:80" in text, "pool and servers")
        terminal.until(lambda text: "state.role.router-a.vi_1" in text, "the events")
        told(nats_server, "number one")
        terminal.until(lambda text: text.count("number one") >= 2, "verdict and event come by themselves")

        terminal.send("/10-9-0-22\r")
        terminal.until(
            lambda text: "filter '10-9-0-22'" in text and "number one" not in text, "it is filtered"
        )
        terminal.send("\x1b")
        terminal.until(lambda text: "number one" in text, "and not any more")

        terminal.send(" ")
        terminal.until(lambda text: "PAUSED" in text, "it says that it holds")
        told(nats_server, "number two")
        terminal.send("\t\t\t\t\x1b[B\x1b[A")
        terminal.resize(12, 70)
        text = terminal.until(lambda text: "q quit" in text.splitlines()[-1:][0], "it has the new size")
        assert "number two" not in text
        assert len(text.splitlines()) == 12
        terminal.resize(40, 130)
        terminal.send("p")
        terminal.until(lambda text: text.count("number two") >= 2 and "PAUSED" not in text, "it goes on")

        nats_server.kill()
        terminal.until(
            lambda text: "AWAY: " in text and "number two" in text, "it says so, and shows the last"
        )
        nats_server.start()
        terminal.until(lambda text: "connected" in text.splitlines()[0], "it comes back", within=20)
        told(nats_server, "number three")
        terminal.until(lambda text: text.count("number three") >= 2, "and goes on", within=20)

        terminal.send("q")
        assert terminal.ended() == 0
        assert terminal.raw.count(ALTERNATE) == terminal.raw.count(BACK) == 1
        assert terminal.raw.rstrip().endswith(BACK)
        assert b"Traceback" not in terminal.raw


def test_it_waits_for_a_bus_that_was_never_there(tmp_path: Path) -> None:
    with Terminal([VIPBUS, "top", "--state-dir", str(tmp_path)], environ={"NO_COLOR": "1"}) as terminal:
        terminal.until(
            lambda text: "bus.json does not exist" in " ".join(text.split()), "it says which bus it looks for"
        )
        terminal.until(lambda text: "q quit" in text, "it is drawn")
        terminal.send("\x03")
        assert terminal.ended() == 0
        assert b"\x1b[31m" not in terminal.raw
        assert b"\x1b[1;31m" not in terminal.raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(number: signal.Signals, tmp_path: Path) -> None:
    # the shell that starts it reads the terminal's settings before and after
    script = f"stty -g > {tmp_path}/before; {VIPBUS} top --state-dir {tmp_path}; stty -g > {tmp_path}/after"
    with Terminal(["bash", "-c", f"echo $$ > {tmp_path}/pid; {script}"]) as terminal:
        terminal.until(lambda text: "q quit" in text, "it is drawn")
        shell = int((tmp_path / "pid").read_text())
        (child,) = map(int, Path(f"/proc/{shell}/task/{shell}/children").read_text().split())
        os.kill(child, number)
        assert terminal.ended() == 0
        assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()


def test_a_stop_gives_the_terminal_back_and_it_is_drawn_anew(tmp_path: Path) -> None:
    with Terminal([VIPBUS, "top", "--state-dir", str(tmp_path)]) as terminal:
        terminal.until(lambda text: "q quit" in text, "it is drawn")
        terminal.send("\x1a")
        terminal.until(lambda _: BACK in terminal.raw, "the screen is the one from before")
        stat = Path(f"/proc/{terminal.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it has stopped")
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.until(lambda _: b"q quit" in terminal.raw.partition(BACK)[2], "it is drawn again")
        assert terminal.raw.count(ALTERNATE) == 2
        terminal.send("q")
        assert terminal.ended() == 0


def test_without_a_terminal_it_says_what_to_use(tmp_path: Path) -> None:
    said = subprocess.run(
        [VIPBUS, "top", "--state-dir", str(tmp_path)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert (
        said.stderr
        == "vipbus top: this is no terminal; `vipbus status` and `vipbus table` print the same once\n"
    )


def test_colours_are_for_a_terminal_and_off_in_a_pipe(nats_server: NatsServer) -> None:
    async def story() -> None:
        async with connected(nats_server) as bus:
            await write(bus, verdicts="down")
            serve_all(bus)
            await asyncio.to_thread(look)

    def look() -> None:
        command = [VIPBUS, "status", "--bus", nats_server.url]
        seen = {}
        for name, environ, words in (
            ("terminal", {}, command),
            ("no colour", {"NO_COLOR": "1"}, command),
            ("dumb", {"TERM": "dumb"}, command),
            ("pipe", {}, ["bash", "-c", f"{' '.join(command)} | cat"]),
        ):
            with Terminal(words, rows=80, columns=120, environ=environ) as terminal:
                assert terminal.ended() == (0 if name == "pipe" else 3)
                seen[name] = (terminal.raw, terminal.text)
        assert b"\x1b[31mDOWN\x1b[0m" in seen["terminal"][0]
        for name in ("no colour", "dumb", "pipe"):
            assert b"\x1b" not in seen[name][0], name
            assert "DOWN" in seen[name][1], name

    run(story)
