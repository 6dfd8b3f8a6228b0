"""One attempt of one check: what it may answer, and how it tells its steps.

A kind of check is one coroutine ``attempt(check, steps) -> Passed`` in a module of its own, found through
`KINDS`. It raises `CheckFailedError` where the target is to blame and `NotTriedError` where this host is; an
OSError is told apart by its errno, and time is kept by whoever runs it. It holds nothing when it ends or is
cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, Final

import msgspec

from vipbus.contracts import Check, ProbeStep


class Passed(msgspec.Struct, frozen=True, gc=False):
    """The target did what was asked."""

    note: str = ""
    """What it said, where there is something to tell: ``status 204``."""
    weight: int | None = None
    """Instead of the configured one (`vipbus.contracts.ScriptCheck.dynamic`)."""
    weight_added: int = 0
    warning: str = ""
    """What will be wrong soon."""
    silent: bool = False
    """True: nothing came, and nothing had to (`Steps.silence`)."""


PASSED: Final = Passed()


class CheckFailedError(Exception):
    """The target did not do what was asked; the text is the cause."""


class NotTriedError(Exception):
    """Nothing was proved, for want of something on this host; the text says what, and what to do."""


class Steps:
    """What an attempt has done so far and what it waits for; kept only where somebody asked to see."""

    __slots__ = ("_began", "_keeps", "silence", "taken", "waiting")

    def __init__(self, *, keeps: bool = False) -> None:
        self._began = time.monotonic()
        self._keeps = keeps
        self.taken: list[ProbeStep] = []
        self.waiting = ""
        """For the cause of a time-out: ``waiting for the greeting``."""
        self.silence: Passed | None = None
        """What it means when nothing more comes until the time is up; None: a failure."""

    def wait(self, what: str) -> None:
        """Note what is awaited from now on: ``for the greeting``."""
        self.waiting = what

    def done(self, what: str) -> None:
        """Note that something was done or came: ``connected``, ``220 ready``."""
        if self._keeps:
            self.taken.append(ProbeStep(at=time.monotonic() - self._began, what=what))


Attempt = Callable[[Any, Steps], Awaitable[Passed]]
"""Takes the check of its kind."""

KINDS: Final[Mapping[str, str]] = {
    "tcp": "tcp",
    "tls": "tls",
    "http": "http",
    "smtp": "smtp",
    "dns": "dns",
    "udp": "udp",
    "ping": "ping",
    "grpc": "grpc",
    "script": "script",
    "file": "file",
}
"""The module in `health_prober.kinds` for each kind, by the tag of its struct."""


def attempt_for(check: Check) -> Attempt:
    """Find the coroutine for a check; its module, and the libraries behind it, are imported at first use."""
    module = import_module(f"health_prober.kinds.{KINDS[kind_of(check)]}")
    found: Attempt = module.attempt
    return found


def kind_of(check: Check) -> str:
    """Give the tag of a check's kind."""
    return str(check.__struct_config__.tag)
