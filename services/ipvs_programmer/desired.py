"""What the table should be: a revision, verdicts, what operators say, active instances, the time. Pure.

Unknown is never down: only a verdict ``down`` takes a real server out, and one that is alpha comes in by a
verdict ``up``. A real server without a check always counts as up. An operator's word outranks all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from ipvs_programmer.drain import Drain
from ipvs_programmer.hold import Hold
from ipvs_programmer.place import Place, place_of
from ipvs_programmer.quorum import is_met
from ipvs_programmer.ramp import ramped
from ipvs_programmer.table import Destination, DestinationKey, Key, Pool, Service
from ipvs_programmer.translate import (
    canonical,
    key_of,
    service_of,
    sorry_destination,
)
from ipvs_programmer.weights import Origin, checked_weight, effective_weight
from vipbus.contracts import (
    OperatorState,
    RealServer,
    Role,
    Standby,
    Verdict,
    VirtualServer,
    VrrpInstance,
    name_token,
)
from vipbus.runtime.revision import Revision

NO_TIME = datetime.fromtimestamp(0, UTC)
"""Of a picture that is not asked for slow starts: all of them are over."""


class Configured(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One virtual server of a revision with its real servers, and its identity in the kernel."""

    key: Key
    virtual_server: VirtualServer
    real_servers: tuple[RealServer, ...]
    leaving: Service | None = None
    """As it stands in the kernel, where it has left the configuration and its real servers drain."""

    @property
    def instance(self) -> str:
        """The token of the instance that owns the address; empty when none does."""
        return name_token(self.virtual_server.instance) if self.virtual_server.instance else ""

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Give the real servers with what follows from the configuration alone."""
        return tuple(place_of(self.virtual_server, real) for real in self.real_servers)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of the real servers, and what goes on."""

    verdicts: Mapping[str, Verdict] = {}
    """By their bucket key."""
    operators: Mapping[str, OperatorState] = {}
    """By their bucket key, which is a verdict's."""
    holds: Mapping[str, Hold] = {}
    """By the virtual server's token."""
    kept: Mapping[Key, Pool] | None = None
    """Given while no verdict was ever read: a checked destination that the kernel has then keeps its weight,
    whoever set it."""
    quorums: Mapping[str, bool] = {}
    """Whether a quorum was met when last looked at, by the virtual server's token."""
    drains: Mapping[Key, Mapping[DestinationKey, Drain]] = {}
    now: datetime = NO_TIME


class Arranged(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual server as it should stand in the kernel, and why."""

    pool: Pool
    origins: Mapping[DestinationKey, Origin]
    """Of every destination."""
    quorum: bool = True
    live_weight: int = 0
    """Of all that is up, without slow starts: what the quorum is compared with."""
    due: datetime | None = None
    """When it will be another one by the time alone: the next step of a slow start."""


class Layout:
    """A revision arranged by virtual server, by kernel key and by instance."""

    def __init__(self, revision: Revision, before: Layout | None = None) -> None:
        self.revision = revision
        known = before.servers if before is not None else {}
        self.servers: dict[str, Configured] = {}
        """By token; one that is as it was ``before`` is the same object."""
        for server in revision.virtual_servers:
            token = server.id
            reals = revision.members.get(token, ())
            same = known.get(token)
            if same is None or (same.virtual_server, same.real_servers) != (server, reals):
                same = Configured(key=key_of(server), virtual_server=server, real_servers=reals)
            self.servers[token] = same
        self.by_key: dict[Key, Configured] = {server.key: server for server in self.servers.values()}
        self.by_instance: dict[str, list[Configured]] = {
            name_token(instance.name): [] for instance in revision.instances
        }
        """By token; an instance without virtual servers is here too."""
        for configured in self.servers.values():
            if configured.instance:
                self.by_instance.setdefault(configured.instance, []).append(configured)

    def news(self, before: Layout) -> dict[Key, Configured]:
        """Find the virtual servers that are not configured as they were."""
        return {
            key: server
            for key, server in self.by_key.items()
            if (was := before.by_key.get(key)) is not server and was != server
        }


def active_instances(
    instances: Iterable[VrrpInstance], addresses: Collection[str], roles: Mapping[str, Role] | None
) -> frozenset[str]:
    """Find the instances, by token, whose table must stand.

    An address on this host is proof. Before it is added, the role on the bus asks for the table behind it;
    ``roles`` is None while the bus is away and an old role proves nothing.
    """
    active = set()
    for instance in instances:
        token = name_token(instance.name)
        role = roles.get(token) if roles is not None else None
        if (role is not None and role.role == "active") or any(
            canonical(each.address) in addresses for each in instance.virtual_ipaddress
        ):
            active.add(token)
    return frozenset(active)


def is_wanted(server: Configured, active: Collection[str], standby: Standby) -> bool:
    """Say whether a virtual server belongs into the kernel now; its own word outranks ``standby``."""
    kept = server.virtual_server.standby or standby
    return not server.instance or kept == "warm" or server.instance in active


def stands(real: RealServer, verdict: Verdict | None) -> bool:
    """Say whether a verdict, or that there is none, lets a real server stand in the table."""
    if not real.checks:
        return True
    if verdict is None or verdict.verdict == "unknown":
        return not real.alpha
    return verdict.verdict == "up"


class _Member(msgspec.Struct, frozen=True):
    """A real server that is up, to be weighed beside the others."""

    real: RealServer
    verdict: Verdict | None
    destination: Destination
    origin: Origin

    @property
    def since(self) -> datetime | None:
        """Since when it carries load; None: it always has."""
        return self.verdict.since if self.verdict is not None and self.verdict.verdict == "up" else None


def arrange(server: Configured, picture: Picture) -> Arranged:
    """Make a virtual server's service and destinations, whether it belongs into the kernel now or not."""
    virtual = server.virtual_server
    destinations: dict[DestinationKey, Destination] = {}
    origins: dict[DestinationKey, Origin] = {}
    live: list[_Member] = []
    slow = False
    weight = 0
    for member, up in _members(server, picture):
        key = member.destination.key
        destinations[key] = member.destination
        origins[key] = member.origin
        if up:
            weight += member.destination.weight
            live.append(member)
            slow = slow or member.real.slow_start is not None
    due = _slow_starts(live, picture.now, destinations, origins) if slow else None
    met = True if server.leaving is not None else _quorum(server, picture, weight)
    sorry = virtual.sorry_server
    if sorry is not None and not met:
        due = None
        if sorry.inhibit:
            for key, each in destinations.items():
                destinations[key] = msgspec.structs.replace(each, weight=0)
                origins[key] = msgspec.structs.replace(origins[key], ramp=100, reason="inhibited")
        else:
            destinations, origins = {}, {}
        stand_in = sorry_destination(sorry)
        destinations[stand_in.key] = stand_in
        origins[stand_in.key] = Origin(reason="sorry")
    for key, drain in picture.drains.get(server.key, {}).items():
        if key not in destinations:
            destinations[key] = drain.destination
            origins[key] = Origin(reason="draining", until=drain.until)
    return Arranged(
        pool=Pool(server.leaving or service_of(server.key, virtual), destinations),
        origins=origins,
        quorum=met,
        live_weight=weight,
        due=due,
    )


def _members(server: Configured, picture: Picture) -> Iterable[tuple[_Member, bool]]:
    """Give every real server that stands in the table by what is said of it alone, and whether it is up."""
    virtual = server.virtual_server
    before = picture.kept.get(server.key) if picture.kept else None
    hold = picture.holds.get(virtual.id)
    for place in server.places:
        real, destination = place.real, place.destination
        said = picture.operators.get(place.of)
        if said is not None and said.state == "disable":
            continue
        found = before.destinations.get(destination.key) if before is not None and real.checks else None
        verdict = picture.verdicts.get(place.of) if real.checks else None
        up, origin = True, place.origin
        if hold is not None and place.token in hold.held:
            weight = hold.inside[place.token].effective
            origin = Origin(configured=real.weight, checked=checked_weight(real, verdict), reason="held")
        elif found is not None:
            weight = found.weight
        elif stands(real, verdict):
            weight = effective_weight(real, verdict)
            if (checked := checked_weight(real, verdict)) is not None:
                origin = Origin(configured=real.weight, checked=checked)
        elif real.inhibit_on_failure:
            up, weight = False, 0
            origin = Origin(configured=real.weight, reason="inhibited")
        else:
            continue
        if said is not None:
            weight, origin = 0, msgspec.structs.replace(origin, operator="drain")
        if weight != destination.weight:
            destination = msgspec.structs.replace(destination, weight=weight)
        yield _Member(real, verdict, destination, origin), up


def _slow_starts(
    live: Collection[_Member],
    now: datetime,
    destinations: dict[DestinationKey, Destination],
    origins: dict[DestinationKey, Origin],
) -> datetime | None:
    """Put the weights of those that came back into the pool; return when the first of them changes.

    Whoever came up before all others found no one to carry the load meanwhile, and takes all of it at once.
    """
    loaded = [member for member in live if member.destination.weight]
    times = [member.since for member in loaded]
    first = None if None in times else min((time for time in times if time is not None), default=None)
    due: datetime | None = None
    for member in loaded:
        real, verdict, whole = member.real, member.verdict, member.destination
        came_back = verdict is not None and verdict.verdict == "up" and verdict.before == "down"
        if real.slow_start is None or not came_back or member.origin.reason:
            continue
        assert verdict is not None  # noqa: S101  # it came back
        if first is not None and verdict.since <= first:
            continue
        weight, following = ramped(real.slow_start, whole.weight, verdict.since, now)
        if following is None:
            continue
        destinations[whole.key] = msgspec.structs.replace(whole, weight=weight)
        origins[whole.key] = msgspec.structs.replace(member.origin, ramp=100 * weight // whole.weight)
        due = following if due is None else min(due, following)
    return due


def _quorum(server: Configured, picture: Picture, weight: int) -> bool:
    virtual = server.virtual_server
    before = picture.quorums.get(virtual.id, True)
    if picture.kept is not None and server.key in picture.kept:
        return before  # no verdict was ever read: what stands stays
    return is_met(before, weight, virtual.quorum, virtual.hysteresis)


def desired(
    servers: Iterable[Configured], picture: Picture, active: Collection[str], standby: Standby
) -> dict[Key, Pool]:
    """Make the table of these virtual servers; those that do not belong into the kernel now are left out."""
    return {
        server.key: arrange(server, picture).pool for server in servers if is_wanted(server, active, standby)
    }
