"""What a service and its runner tell each other, one message a packet (unix(7), SOCK_SEQPACKET)."""

from __future__ import annotations

import msgspec


class Run(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run a program."""

    id: int
    """Names this run in every later message."""
    arguments: tuple[str, ...]
    """The program first: a path, or a name that is looked for in `spawn.PATH`."""
    user: str | None = None
    """None: ``keepalived_script`` where there is such a user, as keepalived does, else the runner's own."""
    group: str | None = None
    """None: the user's own."""
    timeout: float = 0.0
    """Seconds until it is overdue and is ended; 0: it has all the time it wants."""
    secure: bool = False
    """True (enable_script_security): not as root when anyone but root could have written it."""
    outlives: bool = False
    """True: it may finish after an agent that stopped on purpose; else it dies with the agent."""
    whole: bool = False
    """True: it ends with everybody in its process group; else what it left behind there lives on."""
    quiet: bool = False
    """True: its standard error goes nowhere, as its output does; else where the runner's goes."""
    environment: tuple[tuple[str, str], ...] = ()


class End(msgspec.Struct, frozen=True, tag=True):
    """End a run: SIGTERM to its process group, SIGKILL soon after."""

    id: int


class Own(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Give a file to a user."""

    path: str
    user: str | None
    group: str | None


class Leave(msgspec.Struct, frozen=True, tag=True):
    """The agent stops on purpose: what may outlive it is left alone when the socket closes."""


Order = Run | End | Own | Leave


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The first word: orders are taken from now on."""


class Overdue(msgspec.Struct, frozen=True, tag=True):
    """A run is over its time and is being ended; `Ended` follows when all of its group is gone."""

    id: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run is over."""

    id: int
    cause: str
    """How, in words; of a program that could not be run, why."""
    status: int | None = None
    """Its exit status; None: a signal ended it, or it never ran."""
    ran: bool = True
    """False: it could not be run."""
    lost: bool = False
    """True: that says nothing about the program: no process could be made for it, or the runner died."""
    timed_out: bool = False


class Trouble(msgspec.Struct, frozen=True, tag=True):
    """Something an operator should read."""

    text: str


Word = Ready | Overdue | Ended | Trouble
