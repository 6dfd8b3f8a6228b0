"""What happens in the layer-7 tier but is no state."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from vipbus.contracts.event import Event
from vipbus.contracts.limits import Counter, Time

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None


class ProxyMemberChanged(Event, frozen=True, kw_only=True):
    """HAProxy's own checks or an agent changed what a member is; of other pools the verdicts tell."""

    aggregate: ClassVar[str] = "proxy"
    verb: ClassVar[str] = "member-changed"
    pool: str
    member: str
    """``10.1.0.21:8080``"""
    state: str
    """As in the pool's document: up, down, drain or disabled."""
    weight: int
    cause: str
    """In HAProxy's words: ``Layer4 connection problem: Connection refused``."""


class ProxyReloaded(Event, frozen=True, kw_only=True):
    """A router's HAProxy has a new structure; what could be changed by command needs no reload."""

    aggregate: ClassVar[str] = "proxy"
    verb: ClassVar[str] = "reloaded"
    cause: str
    seconds: float
    """From the check of the new file to the new worker's answer."""


class ProxyRefused(Event, frozen=True, kw_only=True):
    """HAProxy refuses a configuration; what ran goes on."""

    aggregate: ClassVar[str] = "proxy"
    verb: ClassVar[str] = "refused"
    cause: str
    reason: str
    """In HAProxy's words."""


class ProxyRequestTold(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A request, or a connection, that a proxy was asked to tell of (`vipbus.contracts.proxy_log`).

    What the client sent is text without control characters and cut short; octets that are no UTF-8 are
    written as a backslash, an x and two digits. Times are seconds, None where it did not come so far.
    """

    aggregate: ClassVar[str] = "proxy"
    verb: ClassVar[str] = "request"
    proxy: str
    at: Time
    """When it came."""
    client: str
    client_port: int = 0
    error: bool = False
    """True: it did not go well; False: it is one of a sample."""
    outcome: str
    """In words: ``no connection to a real server within the retries``, ``answered``."""
    ended: str = ""
    """How the session ended, as HAProxy says it (configuration.txt, Session state at disconnection)."""
    pool: str = ""
    """Empty: none was chosen."""
    real_server: str = ""
    """``10.1.0.21:8080``; empty: none was chosen."""
    method: str = ""
    host: str = ""
    path: str = ""
    """Without its query, which may hold what is nobody's business."""
    status: int = 0
    """Of the answer; 0: there was none, or it is a connection of mode tcp."""
    queued: _Seconds = None
    connected: _Seconds = None
    responded: _Seconds = None
    """Until the answer's header came."""
    total: _Seconds = None
    bytes_in: Counter = 0
    bytes_out: Counter = 0
    retries: Counter = 0
    redispatched: bool = False
    """True: its last attempt went to another real server."""
