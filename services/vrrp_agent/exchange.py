"""What the loop and the bus thread tell each other: copies, handed over without waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

import msgspec

from vipbus.contracts import Event, RoleName, VrrpInstance
from vipbus.telemetry.trace import TraceContext

T = TypeVar("T")

ArmOutcome = Literal["armed", "failed", "timeout", "no bus"]
"""How the wait for the table behind the addresses ended."""


# ---- to the loop


class Configure(msgspec.Struct, frozen=True, kw_only=True):
    """Run these instances from now on."""

    revision: int
    instances: tuple[VrrpInstance, ...]
    trace: TraceContext | None = None


class TableSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The programmer answered an epoch: the table is armed, or it says why it cannot be."""

    instance: str
    """The instance's token."""
    epoch: int
    error: str = ""
    trace: TraceContext | None = None


class BusLost(msgspec.Struct, frozen=True):
    """No table will be seen now."""


class AddressesLoaded(msgspec.Struct, frozen=True):
    """What writes addresses is imported."""


class Settled(msgspec.Struct, frozen=True):
    """Everything is imported: what exists now stays for good."""


class Failed(msgspec.Struct, frozen=True):
    """The agent cannot go on, in words."""

    message: str


class Leave(msgspec.Struct, frozen=True):
    """Stop: leave every virtual router gracefully; a second time, at once."""


Command = Configure | TableSeen | BusLost | AddressesLoaded | Settled | Failed | Leave


# ---- to the bus thread


class RoleReport(msgspec.Struct, frozen=True, kw_only=True):
    """An instance's role as it is from now on."""

    config: VrrpInstance
    revision: int
    role: RoleName
    epoch: int
    cause: str
    active_router: str | None
    since: float
    """Seconds since 1970."""
    changed: bool
    """False: the same role, told again."""
    started_ns: int
    """Nanoseconds since 1970 at which the cause was seen."""
    parent: TraceContext | None = None
    """Of the configuration that caused it, where one did."""


class TakeoverReport(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of an epoch have been added."""

    instance: str
    epoch: int
    outcome: ArmOutcome
    began_ns: int
    """Nanoseconds since 1970; the addresses were being added from here..."""
    ended_ns: int
    """...to here."""
    problem: str
    """Why some could not be added, in words."""
    table: TraceContext | None
    """The write of the table that ended the wait."""


class EventReport(msgspec.Struct, frozen=True):
    """Something happened that is no state."""

    event: Event


class Forgotten(msgspec.Struct, frozen=True):
    """An instance was removed from the configuration and is gone."""

    config: VrrpInstance


class Finished(msgspec.Struct, frozen=True):
    """The loop has ended: write what is left and end too."""


Report = RoleReport | TakeoverReport | EventReport | Forgotten | Finished


class Mailbox(Generic[T]):
    """A queue from one thread to another: putting never waits, and wakes whoever reads."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self.wake = wake
        self._waiting: deque[T] = deque()

    def put(self, message: T) -> None:
        """Hand over a message."""
        self._waiting.append(message)
        self.wake()

    def take(self) -> Iterator[T]:
        """Take every message that waits, the oldest first."""
        while self._waiting:
            yield self._waiting.popleft()
