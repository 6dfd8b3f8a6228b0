"""What happens but is no state: one message each on ``vipbus.event.<aggregate>.<id>.<verb>``."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vipbus.contracts.tokens import name_token


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every event; a subclass names its aggregate and its verb."""

    aggregate: ClassVar[str]
    verb: ClassVar[str]
    router: str
    """Where it happened."""

    @property
    def id(self) -> str:
        """The subject token between aggregate and verb: the router's."""
        return name_token(self.router)

    @property
    def subject(self) -> str:
        """The subject the event is published on."""
        return f"vipbus.event.{self.aggregate}.{self.id}.{self.verb}"


class DriftRepaired(Event, frozen=True, kw_only=True):
    """The kernel's table differed from what was last written; it has been put right."""

    aggregate: ClassVar[str] = "table"
    verb: ClassVar[str] = "drift-repaired"
    virtual_server: str
    repairs: tuple[str, ...]
    """One line an operation, in ipvsadm's words: ``add destination 10.9.0.21:80 weight 1``."""


class ConfigAccepted(Event, frozen=True, kw_only=True):
    """A configuration was read, validated and published whole."""

    aggregate: ClassVar[str] = "config"
    verb: ClassVar[str] = "accepted"
    revision: int
    source: str
    added: int
    changed: int
    removed: int


class ConfigRefused(Event, frozen=True, kw_only=True):
    """A configuration was refused as a whole; the running revision stays."""

    aggregate: ClassVar[str] = "config"
    verb: ClassVar[str] = "refused"
    source: str
    reason: str
    """``file:line: what, and what to do``."""
    running_revision: int


class ServiceRestarted(Event, frozen=True, kw_only=True):
    """A supervisor saw one of its processes end and started it again."""

    aggregate: ClassVar[str] = "service"
    verb: ClassVar[str] = "restarted"
    service: str
    reason: str
    """How it ended: ``killed by SIGKILL``, ``exit status 1``."""
    restarts: int


class AddressRestored(Event, frozen=True, kw_only=True):
    """A virtual address that vanished from its interface was put back."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "address-restored"
    instance: str
    address: str


class DualMasterSeen(Event, frozen=True, kw_only=True):
    """Another router advertised while this one was active: both owned the address for a moment."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "dual-master-seen"
    instance: str
    other: str
    """The other router's primary address."""
    other_priority: int
    winner: str
    """Which primary address goes on."""


EVENTS: tuple[type[Event], ...] = (
    DriftRepaired,
    ConfigAccepted,
    ConfigRefused,
    ServiceRestarted,
    AddressRestored,
    DualMasterSeen,
)
"""Every event there is."""
