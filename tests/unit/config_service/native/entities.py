"""Whole configurations of a router by chance: entities of every kind that refer to each other."""

from __future__ import annotations

import typing
from random import Random
from typing import Any, Final

import msgspec

from config_service.native.pool import owners_of
from config_service.pools import findings
from tests.unit.config_service.native.values import INTERFACE, TUNNEL, four, of, six
from vipbus.contracts import (
    Check,
    Entity,
    FileCheck,
    Hmac,
    IpvsSettings,
    PingCheck,
    RealServer,
    ScriptCheck,
    SorryServer,
    SyncDaemon,
    SyncGroup,
    Track,
    TrackFile,
    TrackProcess,
    UnicastPeer,
    VirtualAddress,
    VirtualServer,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)
from vipbus.contracts.vrrp import HmacKey

CHECKS: Final = typing.get_args(Check)
_WITHOUT_PORT: Final = (PingCheck, ScriptCheck, FileCheck)
_SOURCES: Final = ((VrrpScript, "S"), (TrackFile, "F"), (TrackProcess, "P"))
_TRACKS: Final = (
    Track(kind="script", name="S"),
    Track(kind="file", name="F", weight=2, reverse=True),
    Track(kind="process", name="P", weight=-9),
    Track(kind="interface", name="eth3"),
    Track(kind="service", name="health-prober"),
)
replace = msgspec.structs.replace


def configuration(chance: Random, router: str = "r1") -> tuple[Entity, ...]:
    """Make all entities of a router."""
    settings: VrrpSettings = of(chance, VrrpSettings, router=router)
    members = [_instance(chance, number, router) for number in range(chance.randint(1, 2))]
    found: list[Entity] = [settings, *members]
    found += [of(chance, kind, router=router, name=name) for kind, name in _SOURCES]
    if chance.random() < 0.5:
        names = tuple(one.name for one in members)
        found.append(of(chance, SyncGroup, router=router, name="VG", members=names))
    servers = [each for at in range(chance.randint(0, 3)) for each in _pool(chance, at, settings, router)]
    ipvs = _ipvs(chance, settings, router)
    if ipvs != IpvsSettings(router=router) and (servers or ipvs.sync_daemon is not None):
        found.append(ipvs)
    elif servers and (settings.script_user or settings.script_security):
        who = {key: getattr(settings, key) for key in ("script_user", "script_group", "script_security")}
        found.append(IpvsSettings(router=router, **who))
    owners = owners_of(members)
    for each in servers:
        owned = isinstance(each, VirtualServer) and not each.mark
        found.append(replace(each, instance=owners.get(each.address)) if owned else each)
    return tuple(found)


def _ipvs(chance: Random, settings: VrrpSettings, router: str) -> IpvsSettings:
    daemon = None
    if chance.random() < 0.5:
        follows = chance.choice([None, "VI_0"])
        daemon = of(chance, SyncDaemon, instance=follows, group=chance.choice(["", "224.0.0.90"]))
        daemon = replace(daemon, both=True) if follows is None else daemon
    ipvs: IpvsSettings = of(chance, IpvsSettings, router=router, sync_daemon=daemon)
    if settings.script_user and not (ipvs.script_user and ipvs.script_group):
        ipvs = replace(ipvs, script_user=settings.script_user, script_group=settings.script_group)
    return ipvs


def _instance(chance: Random, number: int, router: str) -> VrrpInstance:
    of_six = chance.random() < 0.3
    version = 3 if of_six else chance.choice([2, 3])
    one = six if of_six else four
    peers = (
        ()
        if of_six
        else tuple(of(chance, UnicastPeer, address=f"10.0.1.{at}") for at in range(chance.randint(0, 2)))
    )
    made: VrrpInstance = of(
        chance,
        VrrpInstance,
        router=router,
        name=f"VI_{number}",
        virtual_router_id=number + 1,
        family=6 if of_six else 4,
        version=version,
        priority=chance.randint(1, 255),
        advert_int=float(chance.randint(1, 255)) if version == 2 else chance.randint(1, 4095) / 100,
        down_timer_adverts=chance.randint(1, 100),
        source=one(chance) if chance.random() < 0.5 else None,
        multicast_group=chance.choice([None, "ff02::19" if of_six else "224.0.0.19"]),
        unicast_peers=peers,
        virtual_ipaddress=(),
        virtual_ipaddress_excluded=(),
        tracks=tuple(chance.sample(_TRACKS, chance.randint(0, 3))),
    )
    texts = [
        f"fd00:{number + 1}::{at:x}" if of_six else f"192.0.2.{number * 20 + at}"
        for at in chance.sample(range(1, 12), chance.randint(0, 4))
    ]
    addresses = tuple(_address(chance, text, made.interface) for text in texts)
    cut = chance.randint(0, len(addresses))
    made = replace(made, virtual_ipaddress=addresses[:cut], virtual_ipaddress_excluded=addresses[cut:])
    secret = chance.choice(["none", "password", "hmac"])
    if secret == "hmac":
        keys = tuple(HmacKey(id=each, secret=f"{router}-key-{number}-{each}") for each in (1, 7))
        return replace(made, hmac=of(chance, Hmac, keys=keys, active_key=7))
    if secret == "password" and version == 2 and not made.strict:
        return replace(made, auth_pass=chance.choice(["shared", f"{router}-{number}"]))
    return made


def _address(chance: Random, text: str, dev: str) -> VirtualAddress:
    if ":" in text or chance.random() < 0.5:
        return VirtualAddress(
            address=text, prefix=chance.choice([64, 128] if ":" in text else [24, 32]), dev=dev
        )
    made: VirtualAddress = of(chance, VirtualAddress, address=text, dev=INTERFACE(chance))
    return made


def _check(chance: Random, real: RealServer, settings: VrrpSettings) -> Any:
    kind = chance.choice(CHECKS)
    one = six if ":" in real.address else four
    made = of(
        chance,
        kind,
        address=chance.choice([real.address, real.address, one(chance)]),
        port=chance.choice([real.port, 8080]) or (0 if kind in _WITHOUT_PORT else 81),
        source=chance.choice([None, one(chance)]),
    )
    if isinstance(made, ScriptCheck) and settings.script_user and made.program.user is None:
        who = replace(made.program, user=settings.script_user, group=settings.script_group)
        return replace(made, program=who)
    return made


def _pool(
    chance: Random, number: int, settings: VrrpSettings, router: str
) -> list[VirtualServer | RealServer]:
    """Make a virtual server with its pool, or those of a group."""
    kind, method = chance.choice(["address", "mark", "group"]), chance.choice(["NAT", "DR", "TUN"])
    of_six = chance.random() < 0.3
    port = 0 if kind == "mark" else chance.choice([80, 443])
    first = number * 16 + 1
    place: dict[str, Any] = {"address": "", "port": 0, "mark": number + 1, "family": 6 if of_six else 4}
    if kind != "mark":
        place = {
            "address": f"fd00:9::{first:x}" if of_six else f"192.0.2.{first}",
            "port": port,
            "mark": 0,
            "family": 4,
        }
    protocol = "TCP" if kind == "mark" else chance.choice(["TCP", "UDP", "SCTP"])
    virtual: VirtualServer = of(
        chance,
        VirtualServer,
        **place,
        router=router,
        protocol=protocol,
        name="" if kind == "group" else chance.choice(["", f"pool {number}"]),
        group=f"G{number}" if kind == "group" else "",
        forwarding=method,
        scheduler_flags=chance.choice([(), ("flag-1",), ("flag-1", "flag-2")]),
        one_packet=protocol == "UDP" and chance.random() < 0.5,
        tunnel=chance.choice([None, TUNNEL(chance)]),
        persistence_engine=chance.choice(["", "sip"]) if protocol == "UDP" else "",
        persistence_prefix=chance.choice([None, 24, 32]),
        instance=None,
        quorum=chance.randint(2, 9),
        hysteresis=chance.randint(0, 1),
        ha_suspend=kind != "mark" and chance.random() < 0.5,
        hold_below=0,
        template=None,
    )
    reals = [_real(chance, at, virtual, settings) for at in range(chance.randint(1, 3))]
    if any(real.checks for real in reals):
        virtual = replace(virtual, hold_below=chance.choice([0, 40]))
    if chance.random() < 0.5:
        virtual = replace(virtual, sorry_server=_sorry_server(chance, virtual))
    assert not [each for each in findings(virtual, reals) if each.fatal]
    made: list[VirtualServer | RealServer] = [virtual, *reals]
    for more in range(1, chance.randint(1, 6) if kind == "group" else 1):
        address = f"fd00:9::{first + more:x}" if of_six else f"192.0.2.{first + more}"
        other = replace(virtual, address=address)
        made += [other, *(replace(real, virtual_server=other.id) for real in reals)]
    return made


def _real(chance: Random, at: int, virtual: VirtualServer, settings: VrrpSettings) -> RealServer:
    of_six = ":" in virtual.address or (virtual.mark and virtual.family == 6)
    upper = chance.randint(0, 9)
    real: RealServer = of(
        chance,
        RealServer,
        router=virtual.router,
        virtual_server=virtual.id,
        address=f"fd00:a::{at + 1:x}" if of_six else f"10.1.0.{at + 1}",
        port=chance.choice([virtual.port, 8080]) if virtual.forwarding == "NAT" else virtual.port,
        forwarding=None,
        origin="",
        tunnel=chance.choice([None, TUNNEL(chance)]),
        upper_threshold=upper,
        lower_threshold=chance.randint(0, upper),
    )
    checks = tuple(_check(chance, real, settings) for _ in range(chance.randint(0, 2)))
    return replace(real, checks=checks)


def _sorry_server(chance: Random, virtual: VirtualServer) -> SorryServer:
    of_six = ":" in virtual.address or (virtual.mark and virtual.family == 6)
    return SorryServer(
        address="fd00:b::9" if of_six else "10.2.0.9",
        port=chance.choice([virtual.port, 8080]) if virtual.forwarding == "NAT" else virtual.port,
        forwarding=virtual.forwarding,
        tunnel=chance.choice([None, TUNNEL(chance)]) if virtual.forwarding == "TUN" else None,
        inhibit=chance.random() < 0.5,
    )
