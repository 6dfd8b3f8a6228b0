"""A router's program, as a test sees it: its roles are read from what it logs."""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from tests.support.interop_net import Host

Kind = Literal["vipbus", "keepalived"]
Role = Literal["active", "backup", "fault", "stopped"]


class Side(ABC):
    """One router's program; its roles are read from what it logs."""

    kind: ClassVar[Kind]
    _said: ClassVar[re.Pattern[str]]

    def __init__(self, host: Host) -> None:
        self.host = host
        self.log = host.directory / "log"
        self.history: dict[str, list[Role]] = {}
        """Every role of each instance since the start, in order."""
        self.runs = False
        """Started, and not told to end since."""
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0

    @abstractmethod
    def start(self, text: str) -> None:
        """Start it with a configuration."""

    @abstractmethod
    def complaints(self) -> list[str]:
        """Say which of its counters and log lines tell of a packet that it did not like."""

    @abstractmethod
    def received(self) -> Mapping[str, int]:
        """Count the advertisements that each instance received since the start."""

    @abstractmethod
    def farewells(self) -> Mapping[str, int]:
        """Count what each instance heard of another that left with priority 0."""

    @abstractmethod
    def _role(self, word: str) -> Role: ...

    def __str__(self) -> str:
        return f"{self.host.name} ({self.kind})"

    def look(self) -> None:
        """Read on in its log."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole, newline, _ = new.rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.decode(errors="replace").splitlines():
            if match := self._said.search(line):
                roles = self.history.setdefault(match[1], [])
                if not roles or roles[-1] != self._role(match[2]):
                    roles.append(self._role(match[2]))

    def role(self, instance: str) -> Role:
        """Say what an instance is, as far as read."""
        return self.history.get(instance, ["stopped"])[-1]

    def crash(self) -> None:
        """Take the whole router away between two instructions."""
        self.host.crash()
        self.exit_status()
        self.runs = False

    def kill(self) -> None:
        """Kill -9 the program alone; what it did to the kernel stays."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.runs = False

    def terminate(self) -> None:
        """Ask it to stop."""
        assert self._process is not None
        self._process.terminate()
        self.runs = False

    def exit_status(self, within: float = 10.0) -> int:
        """Wait until it has stopped."""
        assert self._process is not None
        return self._process.wait(within)

    def _spawn(self, arguments: list[str]) -> None:
        self.log.touch()
        self.look()
        self.history = {}
        self._process = self.host.namespace.spawn(arguments, self.log, {"TMPDIR": str(self.host.directory)})
        self.runs = True
