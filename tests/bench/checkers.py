"""A namespace with targets on loopback, and the programs that check them there, one at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
_DEFAULTS = """\
global
    nbthread 1
    maxconn {connections}
    spread-checks 0
    stats socket {admin}
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    timeout http-request 5s
    timeout check {timeout}s
"""


@dataclass(frozen=True)
class Work:
    """What a program is to check."""

    targets: int
    interval: float
    """Seconds."""
    replica: int = 0
    replicas: int = 1
    """Of vipbus; each checks its share of the targets."""


class Checker:
    """A process that checks: vipbus if it has an output, else HAProxy with a socket for its operator."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, output: Path | None = None, admin: Path | None = None
    ) -> None:
        self.process = process
        self._output = output
        self._admin = admin

    @property
    def tells(self) -> bool:
        """True: it can be asked what it counted."""
        return self._output is not None

    @property
    def cpu(self) -> float:
        """Seconds on a processor so far, of all its threads."""
        return cpu_seconds(self.process.pid)

    @property
    def up(self) -> int:
        """How many targets it has found up, by a check that has ended."""
        return self.counted().up if self.tells else self._found_up()

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

    def _found_up(self) -> int:
        if self._admin is None or not self._admin.exists():
            return 0
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self._admin))
            asked.sendall(b"show stat\n")
            text = b"".join(iter(lambda: asked.recv(1 << 16), b"")).decode()
        header, *lines = text.lstrip("# ").splitlines()
        column = header.split(",").index("check_status")
        found = (line.split(",")[column].lstrip("* ") for line in lines if "," in line)
        return sum(status in {"L4OK", "L7OK"} for status in found)


class Place:
    """A context: the namespace, and targets of one kind on every address of its loopback.

    All that is started in it is held on one processor, if one is given; on loopback the kernel's work for a
    packet is done where the packet was sent.
    """

    def __init__(self, kind: Kind, directory: Path, processor: int | None = None) -> None:
        self.kind: Kind = kind
        where = "" if processor is None else f"-{processor}"
        self.namespace = Namespace(f"prober-{kind}-{os.getpid()}{where}")
        self._directory = directory / f"place{where}"
        self.processor = processor
        self._targets: subprocess.Popen[bytes]

    def __enter__(self) -> Place:
        self._directory.mkdir()
        self.namespace.open(sysctl={"ipv4.tcp_max_syn_backlog": 65536, "core.somaxconn": 65536})
        if self.kind == "tcp":
            self._targets = self._spawn([sys.executable, "-m", "tests.bench.prober_targets", str(_PORT)])
        else:
            answer = "http-request return status 200 content-type text/plain string ok"
            bind = f"frontend targets\n    bind *:{_PORT} backlog 4096\n    {answer}\n"
            self._targets = self._haproxy("targets", bind, connections=9000)
        eventually(self._answers, "the targets answer")
        return self

    def __exit__(self, *_: object) -> None:
        self.namespace.close()

    def begun(self) -> int:
        """Count the connections that were begun here; nothing is started for it that would be in the way."""
        lines = Path(f"/proc/{self._targets.pid}/net/snmp").read_text().splitlines()
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
        return int(values[names.index("ActiveOpens")])

    @property
    def cpu(self) -> float:
        """Seconds on a processor so far, of the targets."""
        return cpu_seconds(self._targets.pid)

    def start(self, program: Program, work: Work) -> Checker:
        """Start a program that checks targets."""
        return self._vipbus(work) if program == "vipbus" else self._prober(work)

    def _vipbus(self, work: Work) -> Checker:
        output = self._directory / f"counted-{time.monotonic_ns()}.json"
        whose = (work.targets, work.replica, work.replicas, work.interval)
        numbers = [str(each) for each in (*whose, _PORT, output)]
        command = [sys.executable, "-m", "tests.bench.prober_engine", self.kind, *numbers]
        process = self._spawn(command)
        eventually(output.exists, "it can be asked what it counted", within=60)
        return Checker(process, output=output)

    def _prober(self, work: Work) -> Checker:
        every = f"{round(work.interval * 1000)}ms"
        timing = f"inter {every} fastinter {every} downinter {every}"
        asked = (
            "    option httpchk GET / HTTP/1.1\n    http-check send hdr Host target hdr User-Agent vipbus\n"
        )
        servers = "".join(
            f"    server s{number} {address(number)}:{_PORT} check {timing}\n"
            for number in range(work.targets)
        )
        text = f"backend checked\n{asked if self.kind == 'http' else ''}{servers}"
        admin = self._directory / "prober.sock"
        admin.unlink(missing_ok=True)
        return Checker(self._haproxy("prober", text, connections=100), admin=admin)

    def _haproxy(self, name: str, text: str, connections: int) -> subprocess.Popen[bytes]:
        file = self._directory / f"{name}.cfg"
        defaults = _DEFAULTS.format(
            timeout=round(TIMEOUT), connections=connections, admin=file.with_suffix(".sock")
        )
        file.write_text(f"{defaults}{text}")
        return self._spawn(["haproxy", "-db", "-f", str(file)])

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        held = [] if self.processor is None else ["taskset", "--cpu-list", str(self.processor)]
        return self.namespace.spawn([*held, *command], self._directory / "log")

    def _answers(self) -> bool:
        return f":{_PORT}" in self.namespace.run("ss", "-Hltn")
