"""Stand-ins for the services: real processes that only say what was done to them.

They come first on PYTHONPATH, so that ``vipbus run`` is tested whole without the services' own work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.support.nats import free_port
from tests.support.waiting import eventually

SERVICES = ("config_service", "vrrp_agent", "ipvs_programmer", "health_prober")

_SERVICE = """\
import os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parents[1]
name = pathlib.Path(__file__).parent.name.replace("_", "-")
def say(*words):
    with open(here / "journal", "a") as journal:
        print(name, os.getpid(), *words, file=journal)
told = sys.argv[1:]
if "--announce" in told:  # config-service reads the file before all else
    file = told[told.index("--file") + 1]
    if "bad" in pathlib.Path(file).read_text():
        sys.exit(print(f"{file}:1: bad is no keyword; remove it", file=sys.stderr) or 2)
    if "--router" not in told:
        told += ["--router", "router-a"]
    announce = int(told[told.index("--announce") + 1])
    os.write(announce, told[told.index("--router") + 1].encode())
    os.close(announce)
status = open("/proc/self/status").read().split()
ends = (here / (name + ".ends")).exists() and (here / (name + ".ends")).read_text()
def stop(*_):
    time.sleep(0.05)  # long enough that two that stop together would show
    say("stopped")
    if not (here / (name + ".hangs")).exists():
        os._exit(0)
def reload(*_):
    say("reload")
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, reload)
caps = status[status.index("CapEff:") + 1]
say("started", caps, os.environ.get("VIPBUS_RESTARTED", "-").replace(" ", "_"), *told)
if ends:
    sys.exit(int(ends))
if (here / (name + ".orphans")).exists() and os.fork() == 0:
    if os.fork():
        os._exit(0)  # its parent is gone before it
    time.sleep(0.2)
    say("orphan")
    os._exit(0)
while True:
    signal.pause()
"""


class Line(msgspec.Struct, frozen=True):
    """One line of the journal."""

    name: str
    pid: int
    words: tuple[str, ...]


class Run:
    """One ``vipbus run`` over stand-ins."""

    def __init__(
        self, directory: Path, *options: str, text: str = "good\n", wrap: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.state_dir = directory / "state"
        self.port = free_port()
        self.file = directory / "lb.conf"
        self.file.write_text(text)
        for service in SERVICES:
            package = directory / "stand-ins" / service
            package.mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").touch()
            (package / "__main__.py").write_text(_SERVICE)
        self.log = directory / "stderr"
        fixed = ("--state-dir", str(self.state_dir), "--bus-port", str(self.port), "--metrics", "off")
        self.command = [*wrap, sys.executable, "-m", "ctl", "run", "-f", str(self.file), *fixed, *options]
        before = os.environ.get("PYTHONPATH")
        path = [str(directory / "stand-ins"), *([before] if before else [])]
        self.environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Run:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, env=self.environ)
        return self

    def started(self) -> Run:
        """Start it and wait until every stand-in runs."""
        before = len(self.journal("started"))
        self.start()
        eventually(lambda: len(self.journal("started")) >= before + len(SERVICES), "all run: " + self.said())
        eventually(lambda: "running " in self.said(), "it says so")
        return self

    def journal(self, word: str | None = None) -> list[Line]:
        """Read what the stand-ins wrote, or only the lines with one word."""
        path = self.directory / "stand-ins" / "journal"
        text = path.read_text() if path.exists() else ""
        lines = [
            Line(name, int(pid), tuple(words)) for name, pid, *words in map(str.split, text.splitlines())
        ]
        return [line for line in lines if word is None or line.words[0] == word]

    def pid(self, name: str) -> int:
        """Give the newest process of a stand-in."""
        return [line.pid for line in self.journal("started") if line.name == name][-1]

    def tell(self, name: str, what: str, content: str = "1") -> None:
        """Make a stand-in end at its start (``ends``), refuse to stop (``hangs``) or leave ``orphans``."""
        (self.directory / "stand-ins" / f"{name}.{what}").write_text(content)

    def said(self) -> str:
        """Read its stderr."""
        return self.log.read_text() if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within: float = 15.0) -> int:
        """Wait for its end; return its exit status."""
        assert self.process is not None
        return self.process.wait(within)
