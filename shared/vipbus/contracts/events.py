"""What happens but is no state: one message each on ``vipbus.event.<aggregate>.<id>.<verb>``."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vipbus.contracts.tokens import name_token


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every event; a subclass names its aggregate, its verb and how its id is made."""

    aggregate: ClassVar[str]
    verb: ClassVar[str]

    @property
    def id(self) -> str:
        """The subject token between aggregate and verb."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The subject the event is published on."""
        return f"vipbus.event.{self.aggregate}.{self.id}.{self.verb}"


class DriftRepaired(Event, frozen=True, kw_only=True):
    """The kernel's table differed from what was last written; it has been put right."""

    aggregate: ClassVar[str] = "table"
    verb: ClassVar[str] = "drift-repaired"
    router: str
    virtual_server: str
    repairs: tuple[str, ...]
    """One line an operation, in ipvsadm's words: ``add destination 10.9.0.21:80 weight 1``."""

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


class ConfigAccepted(Event, frozen=True, kw_only=True):
    """A configuration was read, validated and published whole."""

    aggregate: ClassVar[str] = "config"
    verb: ClassVar[str] = "accepted"
    router: str
    revision: int
    source: str
    added: int
    changed: int
    removed: int

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


class ConfigRefused(Event, frozen=True, kw_only=True):
    """A configuration was refused as a whole; the running revision stays."""

    aggregate: ClassVar[str] = "config"
    verb: ClassVar[str] = "refused"
    router: str
    source: str
    reason: str
    """``file:line: what, and what to do``."""
    running_revision: int

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


class ServiceRestarted(Event, frozen=True, kw_only=True):
    """A supervisor saw one of its processes end and started it again."""

    aggregate: ClassVar[str] = "service"
    verb: ClassVar[str] = "restarted"
    router: str
    service: str
    reason: str
    """How it ended: ``killed by SIGKILL``, ``exit status 1``."""
    restarts: int

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


class AddressRestored(Event, frozen=True, kw_only=True):
    """A virtual address that vanished from its interface was put back."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "address-restored"
    router: str
    instance: str
    address: str

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


class DualMasterSeen(Event, frozen=True, kw_only=True):
    """Another router advertised while this one was active: both owned the address for a moment."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "dual-master-seen"
    router: str
    instance: str
    other: str
    """The other router's primary address."""
    other_priority: int
    winner: str
    """Which primary address goes on."""

    @property
    def id(self) -> str:
        """The router's token."""
        return name_token(self.router)


EVENTS: tuple[type[Event], ...] = (
    DriftRepaired,
    ConfigAccepted,
    ConfigRefused,
    ServiceRestarted,
    AddressRestored,
    DualMasterSeen,
)
"""Every event there is."""
