"""The layer-7 tier: what a router's HAProxy listens on, and the pools that it balances over.

A pool's members are `RealServer` documents whose ``virtual_server`` is the pool's token, so checks, verdicts,
drains and weights are the same words for both tiers. Durations are seconds. What stands here reaches a file
and a command line: every text is of a type that says what it may be (`vipbus.contracts.proxy_words`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from vipbus.contracts.limits import Counter, Name, Port, Seconds, check_address
from vipbus.contracts.proxy_content import Cache, Compression
from vipbus.contracts.proxy_limits import ClientLimit, check_network
from vipbus.contracts.proxy_log import ProxyLog
from vipbus.contracts.proxy_pool import pool_token
from vipbus.contracts.proxy_rules import HeaderChange, ProxyRoute, RedirectStatus
from vipbus.contracts.proxy_snippet import Snippet, check_snippet, lines_of
from vipbus.contracts.proxy_tls import BindTls, Hsts
from vipbus.contracts.proxy_words import Connections, Mode, Word
from vipbus.contracts.tokens import name_token

ProxyWeight = Annotated[int, msgspec.Meta(ge=0, le=256)]


class ProxyBind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that a proxy listens on, whether it is on this router yet or not."""

    address: str
    port: Port = 0
    accept_proxy: bool = False
    """True: connections begin with a PROXY protocol header (proxy-protocol.txt), and others are refused."""

    tls: BindTls | None = None
    """None: it is plain."""

    def __post_init__(self) -> None:
        check_address(self.address)
        if not self.port:
            raise ValueError(f"{self.address} has no port")


class ProxyTimeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long clients are waited for (configuration.txt, ``timeout``)."""

    client: Seconds = 50.0
    http_request: Seconds = 10.0
    """For a whole request's header."""
    http_keep_alive: Seconds = 10.0


class Proxy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="proxy"):
    """What HAProxy listens on, and the pool that it hands to (configuration.txt, ``frontend``)."""

    router: Name
    name: Name
    mode: Mode = "http"
    bind: tuple[ProxyBind, ...]
    pool: Name
    """Of the default; it is named like its `ProxyPool`."""
    max_connections: Connections | None = None
    """None: as many as the process has."""
    timeouts: ProxyTimeouts = ProxyTimeouts()
    forwarded_for: bool = True
    """True: requests are given X-Forwarded-For, -Proto and -Port, in place of what they came with."""
    deny: Annotated[tuple[str, ...], msgspec.Meta(max_length=20_000)] = ()
    """Addresses and networks whose connections are closed; changed without a reload."""
    limit: ClientLimit | None = None
    redirect_https: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """Who comes without TLS is sent to this port."""
    redirect_status: RedirectStatus = 308
    """Of that answer."""
    hsts: Hsts | None = None
    route: tuple[ProxyRoute, ...] = ()
    """Requests that go elsewhere than to `pool`: of mode http alone."""
    request_header: tuple[HeaderChange, ...] = ()
    """Of every request, before its route's."""
    response_header: tuple[HeaderChange, ...] = ()
    """Of every answer, HAProxy's own included, before its route's."""
    compression: Compression | None = None
    """Of what its pools answer, where a pool says nothing of its own."""
    cache: Cache | None = None
    """Of what its pools answer."""
    monitor: Word | None = None
    """A path for whoever stands in front, a layer-4 tier say (monitor-uri). It answers 503 while the pool,
    and its fallback, has too few to serve, 200 otherwise."""
    monitor_members: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 1
    """Members of the pool that are enough for `monitor`."""
    monitor_drain: bool = False
    """True: `monitor` answers 503 too while an operator drains or disables a real server that is one of
    `bind`. For a tier in front that nobody else tells; one that takes out who is down cuts what it has."""
    log: ProxyLog | None = None
    """What of its requests is told on the bus; None: nothing."""
    instance: str | None = None
    """The instance that owns an address of it on this router."""
    snippet: Snippet | None = None
    """Lines of HAProxy's own for its ``frontend``, before its rules and after all else."""

    def __post_init__(self) -> None:
        check_snippet(self.snippet or "")
        if not self.bind and not any(line.startswith("bind ") for line in lines_of(self.snippet)):
            raise ValueError("there is no bind, so it listens nowhere")
        if self.monitor is None and (self.monitor_members != 1 or self.monitor_drain):
            raise ValueError("monitor_members and monitor_drain are for monitor, which is not there")
        for network in self.deny:
            check_network(network)
        rules = (self.route, self.request_header, self.response_header, self.redirect_https, self.hsts)
        if self.mode == "tcp" and any(rules):
            raise ValueError("routes, redirects and headers are of mode http alone")
        if self.mode == "tcp" and (self.compression is not None or self.cache is not None):
            raise ValueError("compression and cache are of mode http alone")

    keys: ClassVar[str] = "<router>.proxy.<proxy>"
    """How `key` is built."""

    @property
    def id(self) -> str:
        """Its token, and its name in HAProxy."""
        return name_token(self.name)

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.proxy.{self.id}"

    @property
    def pools(self) -> tuple[str, ...]:
        """Every pool that it hands to, by name; the default is the first."""
        routed = (each.pool for each in self.route if each.pool is not None)
        return tuple(dict.fromkeys((self.pool, *routed)))


MemberState = Literal["up", "down", "drain", "disabled", "draining"]
"""draining: it has left the configuration, and its connections end."""


class ProxyMember(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A member as HAProxy has it."""

    address: str
    port: Port
    slot: str
    """Its name in HAProxy."""
    state: MemberState
    weight: ProxyWeight


class ProxyPoolTable(msgspec.Struct, frozen=True, kw_only=True):
    """What one router's HAProxy holds for one pool, read back after the write."""

    router: Name
    pool: Name
    members: tuple[ProxyMember, ...] = ()
    slots: Counter = 0
    revision: Counter
    cause: str
    error: str = ""

    keys: ClassVar[str] = "<router>.<pool>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``proxy``."""
        return f"{name_token(self.router)}.{pool_token(self.pool)}"
