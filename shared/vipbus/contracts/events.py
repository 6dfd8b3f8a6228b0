"""What happens but is no state: one message each on ``vipbus.event.<aggregate>.<id>.<verb>``."""

from __future__ import annotations

from typing import ClassVar, Literal

from vipbus.contracts.event import Event
from vipbus.contracts.proxy_events import ProxyMemberChanged, ProxyRefused, ProxyReloaded, ProxyRequestTold
from vipbus.contracts.revisions import How


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
    warnings: tuple[str, ...] = ()
    """``file:line: what``: what the file says and vipbus goes without, or reads otherwise."""
    by: str = ""
    how: How = "file"
    why: str = ""
    over: str = ""
    """What was said at run time and is taken away by it: ``revision 7 (apply by root@lb-a)``."""


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


class DualMasterOver(Event, frozen=True, kw_only=True):
    """The other master fell silent or yielded; this one has announced its addresses again."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "dual-master-over"
    instance: str
    other: str
    lasted: float
    """Seconds from the first to the last advertisement of the other."""


class AddressYielded(Event, frozen=True, kw_only=True):
    """A virtual address vanished from its interface, and the instance left the role to another router."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "address-yielded"
    instance: str
    address: str


class SteppedDown(Event, frozen=True, kw_only=True):
    """This router was stalled for longer than the others wait, and gave up its role before it spoke."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "stepped-down"
    instance: str
    late: float
    """Seconds between the last advertisement and the moment at which the stall was noticed."""


class HandedOver(Event, frozen=True, kw_only=True):
    """An operator's handover began: priority 0 was sent, the addresses wait for the successor."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "handed-over"
    instance: str
    to: str | None
    """The router that was asked to follow; None: whoever is next."""


class TrackChanged(Event, frozen=True, kw_only=True):
    """A tracked source went up or down, or its value changed."""

    aggregate: ClassVar[str] = "track"
    verb: ClassVar[str] = "changed"
    kind: str
    """interface, script, file, process, verdict, service, proxy."""
    name: str
    up: bool
    value: int = 0
    """Of a file, or a script's weight where it has one."""
    cause: str
    """In words: ``exit status 1``, ``timed out after 2 s``, ``killed by SIGSEGV``."""


class ObjectRestored(Event, frozen=True, kw_only=True):
    """A route or rule that somebody removed was put back."""

    aggregate: ClassVar[str] = "instance"
    verb: ClassVar[str] = "object-restored"
    instance: str
    what: str
    """As iproute2 would print it."""


class PoolHeld(Event, frozen=True, kw_only=True):
    """Too much of a pool went down at once: the last state is kept, since the probers may be blind."""

    aggregate: ClassVar[str] = "pool"
    verb: ClassVar[str] = "held"
    virtual_server: str
    down: tuple[str, ...]
    """Tokens of the real servers that are down and kept."""
    of: int
    """How many real servers of the pool are checked."""


class PoolReleased(Event, frozen=True, kw_only=True):
    """A pool that was held follows its verdicts again."""

    aggregate: ClassVar[str] = "pool"
    verb: ClassVar[str] = "released"
    virtual_server: str
    cause: str


class DestinationSuspected(Event, frozen=True, kw_only=True):
    """The kernel counts inactive connections to a real server and no active one: it may be dead."""

    aggregate: ClassVar[str] = "destination"
    verb: ClassVar[str] = "suspected"
    virtual_server: str
    real_server: str
    inactive: int


class QuorumChanged(Event, frozen=True, kw_only=True):
    """A pool's weight reached its quorum, or fell below it (keepalived.conf(5), quorum and hysteresis)."""

    aggregate: ClassVar[str] = "pool"
    verb: ClassVar[str] = "quorum-changed"
    virtual_server: str
    met: bool
    weight: int
    """Of all that is up."""
    quorum: int
    hysteresis: int
    sorry_server: str = ""
    """The token of what serves now instead; empty: none."""
    cause: str


class DrainBegun(Event, frozen=True, kw_only=True):
    """A real server left the configuration and takes no new connections; it goes when its last has ended."""

    aggregate: ClassVar[str] = "destination"
    verb: ClassVar[str] = "drain-begun"
    virtual_server: str
    real_server: str
    connections: int
    until: str
    """RFC 3339: when it goes at the latest."""
    cause: str


class DrainEnded(Event, frozen=True, kw_only=True):
    """A drain is over."""

    aggregate: ClassVar[str] = "destination"
    verb: ClassVar[str] = "drain-ended"
    virtual_server: str
    real_server: str
    outcome: Literal["empty", "deadline", "cancelled"]
    """cancelled: it is in the configuration again."""
    connections: int
    """That it still had."""


class SyncDaemonChanged(Event, frozen=True, kw_only=True):
    """The kernel's connection synchronisation was started, stopped, or changed direction."""

    aggregate: ClassVar[str] = "table"
    verb: ClassVar[str] = "sync-daemon-changed"
    running: tuple[Literal["master", "backup"], ...]
    """What runs now."""
    interface: str
    sync_id: int
    cause: str


class SettingChanged(Event, frozen=True, kw_only=True):
    """A kernel setting was set, or found to be another than was asked for."""

    aggregate: ClassVar[str] = "table"
    verb: ClassVar[str] = "setting-changed"
    name: str
    before: str
    value: str
    set: bool
    """False: it was only looked at, and is wrong."""


class NotifyFailed(Event, frozen=True, kw_only=True):
    """A program of a real server or a quorum could not be run, or failed."""

    aggregate: ClassVar[str] = "pool"
    verb: ClassVar[str] = "notify-failed"
    virtual_server: str
    program: str
    reason: str
    """``exit status 1``, ``killed by SIGSEGV``, ``no such file``."""


EVENTS: tuple[type[Event], ...] = (
    DriftRepaired,
    ConfigAccepted,
    ConfigRefused,
    ServiceRestarted,
    AddressRestored,
    DualMasterSeen,
    DualMasterOver,
    AddressYielded,
    SteppedDown,
    HandedOver,
    TrackChanged,
    ObjectRestored,
    PoolHeld,
    PoolReleased,
    DestinationSuspected,
    QuorumChanged,
    DrainBegun,
    DrainEnded,
    SyncDaemonChanged,
    SettingChanged,
    NotifyFailed,
    ProxyMemberChanged,
    ProxyReloaded,
    ProxyRefused,
    ProxyRequestTold,
)
"""Every event there is."""
