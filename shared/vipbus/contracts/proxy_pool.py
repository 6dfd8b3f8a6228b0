"""Pools of the layer-7 tier: how they choose, wait and queue (configuration.txt, ``backend``)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from vipbus.contracts.limits import Name, Seconds
from vipbus.contracts.proxy_checks import AgentCheck, HaproxyCheck
from vipbus.contracts.proxy_content import Cache, Compression
from vipbus.contracts.proxy_persistence import CookiePersistence, Persistence
from vipbus.contracts.proxy_snippet import Snippet, check_snippet
from vipbus.contracts.proxy_tls import PoolTls
from vipbus.contracts.proxy_words import Connections, Mode, Token
from vipbus.contracts.tokens import name_token

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
_NAMED: Final = ("url-param", "header", "rdp-cookie")
_HASHED: Final = ("source", "uri", *_NAMED)
_OF_REQUESTS: Final = ("uri", "url-param", "header")


class Balance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a pool chooses."""

    algorithm: Algorithm = "roundrobin"
    parameter: Token | None = None
    """Of url-param, header and rdp-cookie: its name."""
    hash: Literal["map-based", "consistent"] = "map-based"
    """consistent: a member that comes or goes moves only its own share of the clients."""

    def __post_init__(self) -> None:
        needs = self.algorithm in _NAMED
        if needs and self.parameter is None:
            raise ValueError(f"{self.algorithm} needs a parameter, the name that it looks for")
        if not needs and self.parameter is not None:
            raise ValueError(f"{self.algorithm} takes no parameter")
        if self.hash != "map-based" and self.algorithm not in _HASHED:
            raise ValueError(f"{self.algorithm} has no hash; it is one of {', '.join(_HASHED)} that does")

    @property
    def static(self) -> bool:
        """True: HAProxy takes another weight than a member's own or 0 by a reload alone."""
        return self.algorithm == "static-rr" or (self.algorithm in _HASHED and self.hash == "map-based")


class PoolTimeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long members are waited for (configuration.txt, ``timeout``)."""

    connect: Seconds = 5.0
    server: Seconds = 50.0
    """For an answer, and between two parts of one."""
    queue: Seconds = 30.0
    """For a place at a member with `ProxyPool.max_connections`; then the answer is 503."""
    tunnel: Seconds = 3600.0
    """Without a word from either side on a connection that was upgraded or is of mode tcp; the client's and
    the server's timeouts mean nothing there."""


class ProxyPool(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="proxy-pool"
):
    """Real servers behind proxies (configuration.txt, ``backend``)."""

    router: Name
    name: Name
    mode: Mode = "http"
    balance: Balance = Balance()
    timeouts: PoolTimeouts = PoolTimeouts()
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    """Attempts to connect beyond the first; the last goes to another member."""
    max_connections: Connections | None = None
    """Of each member; more wait in its queue. None: there is no limit."""
    max_queue: Connections | None = None
    """That wait for one member, to which they keep; more go to another. None: there is no limit."""
    persistence: Persistence | None = None
    """None: each request is balanced by itself."""
    fallback: Name | None = None
    """The pool that has the requests while nobody here can serve them."""
    slow_start: Seconds = 0.0
    """A member that comes up, or is new, gets its share of clients little by little in this time."""
    tls: PoolTls | None = None
    """None: members speak plain."""
    haproxy_check: HaproxyCheck | None = None
    """HAProxy checks members by itself. None: the probers do, by the members' own checks."""
    agent_check: AgentCheck | None = None
    """HAProxy asks an agent on each member; its weight and its drain count, and no prober checks it."""
    send_proxy: Literal["", "v1", "v2"] = ""
    """Tell members who the client is by a PROXY protocol header."""
    drain_timeout: Seconds = 300.0
    """A member that leaves the configuration goes when its last connection has ended, at the latest after
    this time; 0: at once."""
    slots: Annotated[int, msgspec.Meta(ge=0, le=65536)] = 0
    """Members that there is room for without a reload; 0: twice as many as there are, 8 at least, 256
    more than there are at most."""
    compression: Compression | None = None
    cache: Cache | None = None
    """Its own: another one than those of proxies that hand to it."""
    snippet: Snippet | None = None
    """Lines of HAProxy's own for its ``backend``, after all else and before its servers."""

    def __post_init__(self) -> None:
        check_snippet(self.snippet or "")
        if self.mode == "tcp" and (self.compression is not None or self.cache is not None):
            raise ValueError("compression and cache are of mode http alone")
        algorithm = self.balance.algorithm
        if algorithm == "first" and self.max_connections is None:
            raise ValueError("first needs max_connections: without it everything goes to one member")
        if self.slow_start and (self.balance.static or algorithm == "first"):
            raise ValueError(
                f"slow_start changes weights, and {algorithm} here takes none; choose roundrobin"
            )
        if self.mode == "tcp" and isinstance(self.persistence, CookiePersistence):
            raise ValueError("cookies are of mode http alone")
        if self.fallback is not None and name_token(self.fallback) == name_token(self.name):
            raise ValueError("it cannot be its own fallback")
        if self.mode == "tcp" and algorithm in _OF_REQUESTS:
            raise ValueError(f"{algorithm} is of mode http alone")
        if self.max_queue is not None and self.max_connections is None:
            raise ValueError("max_queue means nothing without max_connections: nobody waits")

    keys: ClassVar[str] = "<router>.proxy-pool.<pool>"
    """How `key` is built."""

    @property
    def checks_itself(self) -> bool:
        """True: HAProxy says who is up, and nobody tells it."""
        return self.haproxy_check is not None or self.agent_check is not None

    @property
    def fixed_weights(self) -> bool:
        """True: members weigh what the file says: HAProxy takes no other, or an agent's share is of it."""
        return self.balance.static or self.agent_check is not None

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
