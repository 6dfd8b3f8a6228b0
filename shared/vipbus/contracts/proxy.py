"""The layer-7 tier: what a router's HAProxy listens on, and the pools that it balances over.

A pool's members are `RealServer` documents whose ``virtual_server`` is the pool's token, so checks, verdicts,
drains and weights are the same words for both tiers. Durations are seconds. What stands here reaches a file
and a command line: no field takes white space, quotes or anything else that means something there.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from vipbus.contracts.limits import Counter, Name, Port, Seconds, check_address
from vipbus.contracts.tokens import name_token

Word = Annotated[str, msgspec.Meta(pattern=r"\A[^\s\x00-\x1f\x7f-\x9f\"'\\#;<>`${}]{1,1024}\Z")]
"""One word of HAProxy's configuration or of a command: nothing in it can end the word or begin another."""
Mode = Literal["http", "tcp"]
Connections = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
ProxyWeight = Annotated[int, msgspec.Meta(ge=0, le=256)]
Algorithm = Literal[
    "roundrobin",
    "static-rr",
    "leastconn",
    "first",
    "source",
    "uri",
    "url-param",
    "header",
    "random",
    "rdp-cookie",
]
"""configuration.txt, ``balance``."""


class ProxyBind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that a proxy listens on, whether it is on this router yet or not."""

    address: str
    port: Port = 0
    accept_proxy: bool = False
    """True: connections begin with a PROXY protocol header (proxy-protocol.txt), and others are refused."""

    def __post_init__(self) -> None:
        check_address(self.address)
        if not self.port:
            raise ValueError(f"{self.address} has no port")


class ProxyTimeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long is waited (configuration.txt, ``timeout``)."""

    connect: Seconds = 5.0
    client: Seconds = 50.0
    server: Seconds = 50.0
    http_request: Seconds = 10.0
    """For a whole request's header."""
    http_keep_alive: Seconds = 10.0
    queue: Seconds = 30.0
    tunnel: Seconds = 3600.0
    """Of a connection that was upgraded, or of mode tcp once both sides have spoken."""


class Balance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a pool chooses."""

    algorithm: Algorithm = "roundrobin"
    parameter: Word | None = None
    """Of url-param, header and rdp-cookie: its name."""
    hash: Literal["map-based", "consistent"] = "map-based"
    """consistent: a member that comes or goes moves only its own share of the clients."""

    def __post_init__(self) -> None:
        needs = self.algorithm in ("url-param", "header", "rdp-cookie")
        if needs and self.parameter is None:
            raise ValueError(f"{self.algorithm} needs a parameter, the name that it looks for")
        if not needs and self.parameter is not None:
            raise ValueError(f"{self.algorithm} takes no parameter")


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
    monitor: Word | None = None
    """A path that answers 200 while the pool has somebody to serve, and 503 otherwise (monitor-uri)."""
    instance: str | None = None
    """The instance that owns an address of it on this router."""

    def __post_init__(self) -> None:
        if not self.bind:
            raise ValueError("there is no bind, so it listens nowhere")

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


class ProxyPool(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="proxy-pool"
):
    """Real servers behind proxies (configuration.txt, ``backend``)."""

    router: Name
    name: Name
    mode: Mode = "http"
    balance: Balance = Balance()
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    """Attempts to connect beyond the first; the last goes to another member."""
    max_connections: Connections | None = None
    """Of each member; more wait in its queue. None: there is no limit."""
    send_proxy: Literal["", "v1", "v2"] = ""
    """Tell members who the client is by a PROXY protocol header."""
    drain_timeout: Seconds = 300.0
    """A member that leaves the configuration goes when its last connection has ended, at the latest after
    this time; 0: at once."""
    slots: Annotated[int, msgspec.Meta(ge=0, le=65536)] = 0
    """Members that there is room for without a reload; 0: twice as many as there are, 8 at least."""

    keys: ClassVar[str] = "<router>.proxy-pool.<pool>"
    """How `key` is built."""

    @property
    def id(self) -> str:
        """Its token: the ``virtual_server`` of its members, and its name in HAProxy."""
        return pool_token(self.name)

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.proxy-pool.{name_token(self.name)}"


def pool_token(name: str) -> str:
    """Name a pool where virtual servers are named: ``pool-web``; no virtual server has such a token.

    Raises:
        ValueError: the name is empty.
    """
    return f"pool-{name_token(name)}"


MemberState = Literal["up", "down", "drain", "disabled", "draining"]
"""draining: it has left the configuration, and its connections end."""


class ProxyMember(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member as HAProxy has it."""

    address: str
    port: Port
    slot: str
    """Its name in HAProxy."""
    state: MemberState
    weight: ProxyWeight
    sessions: Counter = 0


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
