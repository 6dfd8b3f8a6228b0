"""A router's configuration as consumers see it: always one whole revision, never half of the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import attrgetter

import msgspec

from vipbus.contracts import (
    Head,
    IpvsSettings,
    Pool,
    Proxy,
    ProxyPeers,
    ProxyPool,
    ProxySettings,
    RealServer,
    SyncGroup,
    TrackFile,
    TrackProcess,
    UnreadPool,
    VirtualServer,
    VrrpConfiguration,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
    name_token,
)
from vipbus.runtime.held import Entry, Held
from vipbus.telemetry.trace import TraceContext

_pool = attrgetter("virtual_server")


class Revision(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One whole accepted configuration of one router."""

    head: Head
    vrrp: VrrpConfiguration
    virtual_servers: tuple[VirtualServer, ...]
    real_servers: tuple[RealServer, ...]
    ipvs: IpvsSettings | None = None
    """None: nothing was said of the table as a whole."""
    proxies: tuple[Proxy, ...] = ()
    proxy_pools: tuple[ProxyPool, ...] = ()
    unread: tuple[UnreadPool, ...] = ()
    """The pools of one that was taken from `ConfigOutline`: then it has no virtual and no real servers."""
    proxy_settings: ProxySettings | None = None
    """None: nothing was said of HAProxy as a whole."""
    proxy_peers: ProxyPeers | None = None
    trace: TraceContext | None = None
    """Of the head's write."""

    @cached_property
    def members(self) -> Mapping[str, tuple[RealServer, ...]]:
        """Give the real servers by their `RealServer.virtual_server`; one that nobody names has none here."""
        found: dict[str, tuple[RealServer, ...]] = {}
        for pool, each in itertools.groupby(self.real_servers, _pool):
            found[pool] = (*found.get(pool, ()), *each)
        return found

    def pool(self, token: str) -> tuple[RealServer, ...]:
        """Give the real servers of one `RealServer.virtual_server`, read or unread."""
        unread = [each for pool in self.unread if pool.pool == token for each in pool.members()]
        return (*self.members.get(token, ()), *unread)

    @property
    def router(self) -> str:
        """Whose configuration it is, as the operator wrote the name."""
        return self.head.router

    @property
    def instances(self) -> tuple[VrrpInstance, ...]:
        """The instances, by key."""
        return self.vrrp.instances


class Revisions:
    """The last whole revision of each router, taken from the entries of the bucket ``config``.

    While a revision is being written the documents differ from what the head names; until the head comes
    whose digest fits, the revision before stays. It also stays when the head is not there: a bus that lost
    its store looks empty, and that is no reason to give up an address.
    """

    def __init__(self) -> None:
        self._whole: dict[str, Revision] = {}
        self._seen: dict[str, int] = {}
        self._held: dict[str, Held] = {}
        self.waiting = False
        """True while a head is there whose revision is not whole: any further document may complete it."""

    @property
    def routers(self) -> Mapping[str, Revision]:
        """Each router's last whole revision, by router token."""
        return self._whole

    def numbers(self) -> dict[str, int]:
        """Each router's revision number, by router name."""
        # asked from the endpoint's thread too, while another router's may be coming
        return {revision.router: revision.head.revision for revision in list(self._whole.values())}

    def update(self, entries: Mapping[str, Entry], router: str | None = None) -> set[str]:
        """Take what is new and whole; return the tokens of the routers that changed.

        ``router`` limits the work to one router.
        """
        if router is not None:
            token = name_token(router)
            # asked for at each of thousands of changes: it must not look at all that there is
            head = entries.get(f"{token}.head")
            heads = {} if head is None else {token: head}
        else:
            heads = {key[: -len(".head")]: entry for key, entry in entries.items() if key.endswith(".head")}
        changed: set[str] = set()
        new = {token: entry for token, entry in heads.items() if self._seen.get(token) != entry.revision}
        for token, entry in new.items():
            held = self._held.setdefault(token, Held(token))
            held.move(entries)
            revision = _whole_revision(entry, held)
            if revision is not None:
                self._whole[token] = revision
                self._seen[token] = entry.revision
                changed.add(token)
        self.waiting = len(new) > len(changed)
        return changed


def _whole_revision(head_entry: Entry, held: Held) -> Revision | None:
    head = head_entry.value
    if not isinstance(head, Head) or held.digest != head.digest:
        return None
    pools: list[Pool] = []
    unread: list[UnreadPool] = []
    others: list[object] = []
    for value in held.documents:
        if isinstance(value, Pool):
            pools.append(value)
        elif isinstance(value, UnreadPool):
            unread.append(value)
        else:
            others.append(value)
    return Revision(
        head=head,
        vrrp=vrrp_configuration(head.router, head.revision, others),
        virtual_servers=tuple([pool.virtual_server for pool in pools if pool.virtual_server is not None]),
        real_servers=tuple(itertools.chain.from_iterable(pool.real_servers for pool in pools)),
        ipvs=next((value for value in others if isinstance(value, IpvsSettings)), None),
        proxies=tuple([value for value in others if isinstance(value, Proxy)]),
        proxy_peers=next((value for value in others if isinstance(value, ProxyPeers)), None),
        proxy_pools=tuple([value for value in others if isinstance(value, ProxyPool)]),
        unread=tuple(unread),
        proxy_settings=next((value for value in others if isinstance(value, ProxySettings)), None),
        trace=head_entry.trace,
    )


def vrrp_configuration(router: str, revision: int, values: Iterable[object]) -> VrrpConfiguration:
    """Gather what vrrp-agent works from, out of a router's entities; defaults where no settings are given."""
    values = tuple(values)
    settings = [value for value in values if isinstance(value, VrrpSettings)]
    return VrrpConfiguration(
        router=router,
        revision=revision,
        settings=settings[0] if settings else VrrpSettings(router=router),
        instances=tuple(value for value in values if isinstance(value, VrrpInstance)),
        groups=tuple(value for value in values if isinstance(value, SyncGroup)),
        scripts=tuple(value for value in values if isinstance(value, VrrpScript)),
        files=tuple(value for value in values if isinstance(value, TrackFile)),
        processes=tuple(value for value in values if isinstance(value, TrackProcess)),
    )
