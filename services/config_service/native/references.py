"""What a document names must be there: members, tracked sources, virtual servers by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from config_service.keepalived.values import missing, near
from config_service.native.misplaced import Misplaced
from config_service.native.secrets import Warn
from config_service.problems import quoted
from vipbus.contracts import (
    RealServer,
    SyncGroup,
    Track,
    TrackFile,
    TrackProcess,
    VirtualServer,
    VrrpEntity,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
    name_token,
)
from vipbus.contracts.vrrp_checks import fault
from vipbus.runtime.naming import means

Found = Mapping[str, VrrpEntity]
"""Entities by the path of their table."""
_SOURCES: Final[Mapping[str, tuple[str, type[VrrpScript | TrackFile | TrackProcess]]]] = {
    "script": ("vrrp_script", VrrpScript),
    "file": ("track_file", TrackFile),
    "process": ("track_process", TrackProcess),
}
_REAL_SERVER: Final = re.compile(r"(.+)\.([0-9a-f-]+_[0-9]{1,5})")


def judge_names(found: Found, warn: Warn) -> None:
    """Look at all that is named among the entities of the election.

    Raises:
        Misplaced: there is none of such a name, or two, or two instances cannot be told apart on the wire.
    """
    _refuse_doubles(found)
    instances = {place: one for place, one in found.items() if isinstance(one, VrrpInstance)}
    before: list[VrrpInstance] = []
    for place, instance in instances.items():
        if (found_wrong := fault(instance, before)) is not None:
            raise Misplaced(f"{place}.{found_wrong.field}", found_wrong.text)
        before.append(instance)
    names = [one.name for one in instances.values()]
    groups = {place: one for place, one in found.items() if isinstance(one, SyncGroup)}
    _judge_groups(groups, names, warn)
    for place, instance in instances.items():
        for at, track in enumerate(instance.tracks):
            _judge_source(track, found.values(), f"{place}.tracks[{at}].name")
    known = (*names, *(one.name for one in groups.values()))
    for place, settings in found.items():
        if isinstance(settings, VrrpSettings):
            _judge_followers(settings, place, known)


def _refuse_doubles(found: Found) -> None:
    seen: dict[str, str] = {}
    for place, entity in found.items():
        if not isinstance(entity, VrrpSettings) and seen.setdefault(entity.key, place) != place:
            raise Misplaced(
                f"{place}.name", f"there are two of the name {name_token(entity.name)}; rename one"
            )


def _judge_groups(groups: Mapping[str, SyncGroup], names: Collection[str], warn: Warn) -> None:
    whose: dict[str, str] = {}
    for place, group in groups.items():
        for at, member in enumerate(group.members):
            path = f"{place}.members[{at}]"
            if member not in names:
                raise Misplaced(path, missing("vrrp_instance", member, names))
            if member in whose:
                raise Misplaced(
                    path,
                    f"{quoted(member)} is in vrrp_sync_group {quoted(whose[member])} already; an instance "
                    "has one group",
                )
            whose[member] = group.name
        if not group.members:
            raise Misplaced(f"{place}.members", "there is none; name the instances that move together")
        if len(group.members) == 1:
            warn(f"{place}.members", "there is one only, which moves with nobody")


def _judge_source(track: Track, entities: Iterable[VrrpEntity], path: str) -> None:
    if track.kind not in _SOURCES:
        return
    noun, kind = _SOURCES[track.kind]
    known = [one.name for one in entities if isinstance(one, kind)]
    if track.name not in known:
        raise Misplaced(path, missing(noun, track.name, known))


def _judge_followers(settings: VrrpSettings, place: str, known: Collection[str]) -> None:
    for key in ("static_addresses", "static_routes", "static_rules"):
        for at, each in enumerate(getattr(settings, key)):
            if each.track_group is not None and each.track_group not in known:
                raise Misplaced(
                    f"{place}.{key}[{at}].track_group",
                    missing("vrrp_instance or vrrp_sync_group", each.track_group, known),
                )


def judge_proxies(instances: Mapping[str, VrrpInstance], known: Collection[str]) -> None:
    """Look at the proxies that instances track; ``known`` are this router's, by name.

    Raises:
        Misplaced: there is none of such a name.
    """
    for place, instance in instances.items():
        for at, track in enumerate(instance.tracks):
            if track.kind == "proxy" and track.name not in known:
                raise Misplaced(f"{place}.tracks[{at}].name", missing("proxy", track.name, known))


def with_verdicts(found: Found, servers: Sequence[VirtualServer | RealServer]) -> list[VrrpEntity]:
    """Write the tokens of virtual servers into what follows their verdicts by name.

    Raises:
        Misplaced: there is none of that name, or it is not the only one.
    """
    return [
        _with_verdicts(one, place, servers) if isinstance(one, VrrpInstance) else one
        for place, one in found.items()
    ]


def _with_verdicts(
    instance: VrrpInstance, place: str, servers: Sequence[VirtualServer | RealServer]
) -> VrrpInstance:
    if not any(track.kind == "verdict" for track in instance.tracks):
        return instance
    tracks = [
        msgspec.structs.replace(track, name=_verdict(track.name, servers, f"{place}.tracks[{at}]"))
        if track.kind == "verdict"
        else track
        for at, track in enumerate(instance.tracks)
    ]
    return msgspec.structs.replace(instance, tracks=tuple(tracks))


def _verdict(name: str, servers: Sequence[VirtualServer | RealServer], path: str) -> str:
    of_one = _REAL_SERVER.fullmatch(name)
    wanted, real = (of_one[1], of_one[2]) if of_one is not None else (name, "")
    virtuals = [one for one in servers if isinstance(one, VirtualServer)]
    found = [one for one in virtuals if means(wanted, one)]
    if not found:
        known = [word for one in virtuals for word in (one.name, one.group, one.words) if word]
        raise Misplaced(
            f"{path}.name", f"there is no virtual_server {quoted(wanted)}{near(wanted, known)}; add it"
        )
    if len(found) > 1:
        raise Misplaced(
            f"{path}.name", f"{quoted(wanted)} is {len(found)} virtual servers; name one, as {found[0].words}"
        )
    token = found[0].id
    if not real:
        return token
    if not any(
        isinstance(one, RealServer) and (one.virtual_server, one.id) == (token, real) for one in servers
    ):
        raise Misplaced(f"{path}.real_server", f"{found[0].words} has no such real server; correct it")
    return f"{token}.{real}"
