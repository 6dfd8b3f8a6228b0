"""What the side thread is made of, driven by a test: poller, alarms, runner."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from vipbus.contracts import Program, VrrpSettings
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.poller import Poller
from vipbus.runtime.runner.client import Runner
from vipbus.runtime.runner.messages import Ended
from vrrp_agent.tracking.sources import SourceSeen


class Bench:
    """A context; leaving it ends the runner."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.alarms = Alarms()
        self.runner = Runner(self.poller, self.alarms)
        self.runner.configure(VrrpSettings(router="r", script_user="root"))
        self.words: list[SourceSeen] = []
        self.problems: dict[str, str] = {}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close(3.0)

    def problem(self, name: str, text: str) -> None:
        """Be `Readiness.problem`."""
        self.problems[name] = text
        if not text:
            del self.problems[name]

    def until(self, condition: Callable[[], object], what: str, *, within: float = 30.0) -> float:
        """Work until a condition holds; return the seconds it took, fail with ``what`` when it never does."""
        started = time.monotonic()
        while not condition():
            now = time.monotonic()
            assert now - started < within, f"not within {within} s: {what}"
            at = self.alarms.next()
            self.poller.wait(0.02 if at is None else max(0.0, min(0.02, at - now)))
            self.alarms.ring(time.monotonic())
        return time.monotonic() - started

    def work(self, seconds: float) -> None:
        """Work for a time: where it is to be shown that something does not happen."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "time passes", within=seconds + 5)

    def run(self, *arguments: str, user: str | None = "root", timeout: float = 0.0) -> Ended:
        """Run a program to its end."""
        found: list[Ended] = []
        self.runner.run(Program(arguments=arguments, user=user), ended=found.append, timeout=timeout)
        self.until(lambda: found, f"{arguments[0]} has ended", within=20)
        return found[0]

    def ups(self, name: str) -> list[bool | None]:
        """Give what was said about a source, one after another."""
        return [word.up for word in self.words if word.name == name]


def script(path: Path, *lines: str) -> str:
    """Write a shell script; give its path."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(path)


def running(mark: str) -> list[int]:
    """Find the processes that have a text in their command line; those that wait to be reaped are none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes().replace(b"\0", b" "):
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended meanwhile
    return found
