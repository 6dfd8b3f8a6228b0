"""A namespace with targets on loopback, and the programs that check them there, one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tests.bench.prober_engine import TIMEOUT, Counted, address
from tests.bench.process import cpu_seconds
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually

Kind = Literal["tcp", "http"]
Program = Literal["vipbus", "haproxy"]
_PORT = 8080
_ADMIN = 9000
_DEFAULTS = """\
global
    nbthread 1
    maxconn 9000
    spread-checks 0
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    timeout http-request 5s
    timeout check {timeout}s
"""


class Checker:
    """A process that checks."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path | None) -> None:
        self.process = process
        self._output = output

    @property
    def tells(self) -> bool:
        """True: it can be asked what it counted."""
        return self._output is not None

    @property
    def cpu(self) -> float:
        """Seconds on a processor so far, of all its threads."""
        return cpu_seconds(self.process.pid)

    def counted(self) -> Counted:
        """Ask what it counted; vipbus only."""
        assert self._output is not None, "only vipbus tells"
        self._output.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        eventually(self._output.exists, "it has written what it counted")
        return msgspec.json.decode(self._output.read_bytes(), type=Counted)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


class Place:
    """A context: the namespace, and targets of one kind on every address of its loopback."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind: Kind = kind
        self.namespace = Namespace(f"prober-{kind}-{os.getpid()}")
        self._directory = directory

    def __enter__(self) -> Place:
        self.namespace.open(sysctl={"ipv4.tcp_max_syn_backlog": 65536, "core.somaxconn": 65536})
        if self.kind == "tcp":
            self._spawn([sys.executable, "-m", "tests.bench.prober_targets", str(_PORT)])
        else:
            answer = "http-request return status 200 content-type text/plain string ok"
            text = f"{_defaults()}frontend targets\n    bind *:{_PORT} backlog 4096\n    {answer}\n"
            self._haproxy("targets", text)
        eventually(self._answers, "the targets answer")
        return self

    def __exit__(self, *_: object) -> None:
        self.namespace.close()

    def begun(self) -> int:
        """Count the connections that were begun here."""
        lines = self.namespace.run("cat", "/proc/net/snmp").splitlines()
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
        return int(values[names.index("ActiveOpens")])

    def start(
        self, program: Program, targets: range, interval: float, processor: int | None = None
    ) -> Checker:
        """Start a program that checks targets, held on a processor if one is given."""
        checker = (self._vipbus if program == "vipbus" else self._prober)(targets, interval)
        if processor is not None:
            os.sched_setaffinity(checker.process.pid, {processor})
        return checker

    def _vipbus(self, targets: range, interval: float) -> Checker:
        output = self._directory / f"counted-{targets.start}-{time.monotonic_ns()}.json"
        numbers = [str(each) for each in (targets.start, len(targets), interval, _PORT, output)]
        command = [sys.executable, "-m", "tests.bench.prober_engine", self.kind, *numbers]
        process = self._spawn(command)
        eventually(output.exists, "it can be asked what it counted", within=60)
        return Checker(process, output)

    def _prober(self, targets: range, interval: float) -> Checker:
        every = f"{round(interval * 1000)}ms"
        timing = f"inter {every} fastinter {every} downinter {every}"
        asked = (
            "    option httpchk GET / HTTP/1.1\n    http-check send hdr Host target hdr User-Agent vipbus\n"
        )
        servers = "".join(
            f"    server s{number} {address(number)}:{_PORT} check {timing}\n" for number in targets
        )
        text = (
            f"{_defaults()}backend checked\n{asked if self.kind == 'http' else ''}{servers}"
            f"frontend idle\n    bind 127.0.0.1:{_ADMIN}\n    default_backend checked\n"
        )
        return Checker(self._haproxy("prober", text), None)

    def _haproxy(self, name: str, text: str) -> subprocess.Popen[bytes]:
        file = self._directory / f"{name}.cfg"
        file.write_text(text)
        return self._spawn(["haproxy", "-db", "-f", str(file)])

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return self.namespace.spawn(command, self._directory / "log")

    def _answers(self) -> bool:
        return f":{_PORT}" in self.namespace.run("ss", "-Hltn")


def _defaults() -> str:
    return _DEFAULTS.format(timeout=round(TIMEOUT))
