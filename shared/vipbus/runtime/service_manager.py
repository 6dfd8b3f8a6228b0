"""Tell systemd how a process is: sd_notify(3), and its watchdog, sd_watchdog_enabled(3).

One datagram a message to the socket that ``NOTIFY_SOCKET`` names. Where nobody listens nothing is sent:
whether a router runs must not hang on who wants to hear of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

VARIABLES: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""What systemd tells one process, and what its children must not take for theirs."""
_TELL_EVERY: Final = 5.0
"""Seconds between two looks at how it is, where the watchdog asks for no more."""
_LONGEST_STATUS: Final = 512
"""Characters of a state that `systemctl status` shows in a line."""


class ServiceManager:
    """Whoever started this process and wants to know how it is; nobody, where nothing says so."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.beat_every = _beat_every(environ)
        """Seconds between two beats of the watchdog, half of what it waits; None: there is none."""
        self._socket: socket.socket | None = None
        self._said = ""
        name = environ.get("NOTIFY_SOCKET", "")
        if name[:1] not in ("/", "@"):
            return
        # a name in the abstract namespace begins with an octet of 0 (unix(7))
        path = "\0" + name[1:] if name[0] == "@" else name
        found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        found.setblocking(False)  # socket's own signature
        try:
            found.connect(path)
        except OSError:
            found.close()
        else:
            self._socket = found

    @property
    def listens(self) -> bool:
        """True where somebody is told."""
        return self._socket is not None

    def ready(self) -> None:
        """Say that the start is over."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def beat(self) -> None:
        """Say that this process still does its work."""
        if self.beat_every is not None:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in one line how it is; what was said last is not said again."""
        line = " ".join(text.split())[:_LONGEST_STATUS]
        if line != self._said:
            self._said = line
            self._send(f"STATUS={line}")

    def _send(self, message: str) -> None:
        if self._socket is not None:
            # a full queue or a manager that went away is no reason to do anything else
            with contextlib.suppress(OSError):
                self._socket.send(message.encode())


class Telling:
    """Tells a `ServiceManager` from a loop how it is: one that stands still is found out."""

    def __init__(self, manager: ServiceManager, problems: Callable[[], Sequence[str]]) -> None:
        self._manager = manager
        self._problems = problems
        self.every = min(manager.beat_every or _TELL_EVERY, _TELL_EVERY)
        """Seconds from one word to the next."""
        self.due: float | None = 0.0 if manager.listens else None
        """When the next word is due, on the monotonic clock; None: nobody listens."""

    def look(self, now: float) -> None:
        """Tell, if it is time; the first time says that the start is over."""
        if self.due is None or now < self.due:
            return
        if not self.due:
            self._manager.ready()
        self.due = now + self.every
        self._manager.beat()
        wrong = self._problems()
        self._manager.status(wrong[0] if wrong else "ready")

    def end(self) -> None:
        """Say that the end has begun; nothing is told after it."""
        self.due = None
        self._manager.stopping()


def _beat_every(environ: Mapping[str, str]) -> float | None:
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdigit()) or not 0 < len(microseconds) < 19:
        return None
    if pid and pid != str(os.getpid()):
        return None
    return int(microseconds) / 1e6 / 2 or None
