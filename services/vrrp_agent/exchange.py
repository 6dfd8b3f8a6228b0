"""What the loop and the bus thread tell each other: copies, handed over without waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Literal, TypeVar

import msgspec

from vipbus.contracts import Event, RoleName, TrackState, VrrpConfiguration, VrrpInstance
from vipbus.telemetry.trace import TraceContext
from vrrp_agent.tracking.sources import SourceSeen

T = TypeVar("T")

ArmOutcome = Literal["armed", "failed", "timeout", "no bus"]
"""How the wait for the table behind the addresses ended."""


# ---- to the loop


class Configure(msgspec.Struct, frozen=True, kw_only=True):
    """Run this configuration from now on."""

    configuration: VrrpConfiguration
    secrets: Mapping[str, str] = {}
    """Values by the references that stand in the configuration (`vipbus.runtime.secrets`)."""
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


class Worked(msgspec.Struct, frozen=True):
    """Something was done in the background: devices, kernel switches or rules may be others now."""


class Settled(msgspec.Struct, frozen=True):
    """Everything is imported: what exists now stays for good."""


class Failed(msgspec.Struct, frozen=True):
    """The agent cannot go on, in words."""

    message: str


class Leave(msgspec.Struct, frozen=True):
    """Stop: leave every virtual router gracefully; a second time, at once."""


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """Leave an instance's role to another router and stay as its backup; answered by an `Answer`."""

    instance: str
    """The instance's token."""
    to: str | None
    """The router that was asked to follow, and said that it would; None: whoever is next."""
    ticket: int
    """Comes back in the answer."""


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """Follow at the next priority 0 at once instead of after the skew; answered by an `Answer`."""

    instance: str
    """The instance's token."""
    ticket: int


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """Say how every instance is; answered by a `Shown`."""

    ticket: int


Command = (
    Configure
    | TableSeen
    | BusLost
    | AddressesLoaded
    | Worked
    | Settled
    | Failed
    | Leave
    | SourceSeen
    | HandOver
    | Take
    | Show
)


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
    effective_priority: int = 0
    """With what the tracked sources add; 0: not known."""
    faults: tuple[str, ...] = ()
    """Why it cannot take part, a line each."""
    sync_group: str | None = None
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


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a `HandOver` or a `Take`: begun, or refused."""

    ticket: int
    problem: str = ""
    """Why it is refused, and what to do; empty: it has begun."""


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as it was when the loop was asked; its counters are read from the metrics."""

    config: VrrpInstance
    role: RoleName
    epoch: int
    effective_priority: int
    source: str
    """This router's primary address; empty: none is known."""
    active_router: str | None
    cause: str
    since: float
    """Seconds since 1970."""
    sync_group: str | None = None
    faults: tuple[str, ...] = ()
    tracks: tuple[TrackState, ...] = ()


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """How every instance is."""

    ticket: int
    states: tuple[InstanceState, ...]


Report = RoleReport | TakeoverReport | EventReport | Forgotten | Finished | Answer | Shown


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
