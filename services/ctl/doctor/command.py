"""``vipbus doctor``: look at host, bus and routers, and print what was found."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ctl import supervisor_file
from ctl.doctor import host as hosts
from ctl.doctor.arp_probe import Answers, arp, ask
from ctl.doctor.bus import BusState, bus, look
from ctl.doctor.clock import clock
from ctl.doctor.election import election
from ctl.doctor.finding import Finding, advice
from ctl.doctor.host import Host
from ctl.doctor.kernel import kernel, privileges
from ctl.doctor.network import interfaces, real_server, sysctls
from ctl.doctor.render import render
from ctl.election import SERVICE
from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.probe_ask import FileRefusedError, entities_of
from ctl.vrrp_show import ask_report
from vipbus.bus import Bus, BusAwayError, NoBusError, conditions
from vipbus.bus.address import find
from vipbus.contracts import (
    CONFIG,
    Entity,
    Head,
    IpvsSettings,
    RealServer,
    VirtualServer,
    VrrpReport,
    name_token,
)
from vipbus.contracts.limits import check_address
from vipbus.runtime.ending import run_to_end
from vipbus.runtime.revision import Revision, Revisions, vrrp_configuration
from vipbus.runtime.settings import default_router
from vipbus.telemetry.logs import plain

_BUS_WITHIN: Final = 3.0
_READ_WITHIN: Final = 10.0
_ASKED_AT_MOST: Final = 16
"""Addresses that are asked about by ARP: each takes half a second."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says."""

    state: BusState
    revision: Revision | None = None
    """Of this host's router; None: the bus has none."""
    reports: tuple[VrrpReport, ...] = ()


def main(
    *,
    bus_url: str | None,
    state_dir: Path,
    file: Path | None,
    router: str | None,
    real: str | None,
    as_json: bool,
) -> int:
    """Print the findings; return 0, 2 for a question that makes no sense, 3 when there is a problem."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    try:
        if real is not None:
            check_address(real)
            findings = list(real_server(real, hosts.read(), hosts.setting))
        else:
            findings = list(_all(bus_url, state_dir, file, router))
    except FileRefusedError as error:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in error.lines))
        return EXIT_WRONG
    except ValueError as error:
        return complain("doctor", str(error), EXIT_WRONG)
    _print(findings, as_json=as_json)
    return EXIT_NOT_DONE if any(each.level == "problem" for each in findings) else 0


def _print(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        write_json(findings)
    else:
        write(render(findings, colour=coloured()))


def _all(bus_url: str | None, state_dir: Path, file: Path | None, router: str | None) -> Iterator[Finding]:
    running = supervisor_file.read(state_dir)
    name = router or (running.router if running is not None else default_router())
    host = hosts.read()
    try:
        address = find(bus_url, state_dir)
    except NoBusError as error:
        seen = Seen(state=BusState(url="", problem=str(error)))
    else:
        seen = run_to_end(_see(address.url, Bus(address, source="vipbus-doctor"), name))
    revision = seen.revision
    if file is not None:
        revision = _as_revision(name, str(file), run_to_end(entities_of(file, router)))
    yield from privileges(host)
    yield from kernel(host, revision)
    if revision is None:
        yield advice(
            "interfaces",
            f"no configuration of {name} is known, so what it needs was not looked at",
            "name a file with -f FILE, or a router with --router NAME",
        )
    else:
        yield from interfaces(host, revision)
        yield from sysctls(host, revision, hosts.setting)
        yield from arp(_answers(revision, host))
    yield from election(seen.reports)
    yield from clock(synchronised=host.synchronised, ahead=seen.state.ahead)
    yield from bus(seen.state)


def _as_revision(router: str, source: str, entities: Iterable[Entity]) -> Revision:
    """Make a revision, that nobody has accepted yet, of what a file says."""
    entities = tuple(entities)
    head = Head(
        router=router,
        revision=0,
        entities=len(entities),
        digest="",
        source=source,
        accepted_at=datetime.now(UTC),
    )
    return Revision(
        head=head,
        vrrp=vrrp_configuration(router, 0, entities),
        virtual_servers=tuple(each for each in entities if isinstance(each, VirtualServer)),
        real_servers=tuple(each for each in entities if isinstance(each, RealServer)),
        ipvs=next((each for each in entities if isinstance(each, IpvsSettings)), None),
    )


def _answers(revision: Revision, host: Host) -> Iterator[Answers]:
    """Ask about the addresses of direct routing, where their interface is here."""
    direct = {each.address for each in revision.virtual_servers if each.forwarding == "DR"}
    there = {each.name for each in host.interfaces if each.up and each.arp}
    asked = sorted(
        {
            (virtual.address, virtual.dev)
            for instance in revision.instances
            for virtual in (*instance.virtual_ipaddress, *instance.virtual_ipaddress_excluded)
        }
    )
    wanted = [each for each in asked if each[0] in direct and ":" not in each[0] and each[1] in there]
    if os.geteuid() != 0:
        wanted = wanted[:1]  # one line says that it takes root
    for address, interface in wanted[:_ASKED_AT_MOST]:
        yield ask(address, interface, here=address in host.addresses)


async def _see(url: str, connection: Bus, router: str) -> Seen:
    """Read what the bus knows of this router, and ask all of them."""
    token = name_token(router)
    changed = asyncio.Event()
    config = connection.follow(CONFIG, f"{token}.>", on_change=changed.set)
    connection.start()
    try:
        await connection.usable(_BUS_WITHIN)
        async with asyncio.timeout(_READ_WITHIN):
            while not config.live:
                changed.clear()
                await changed.wait()
        agents = await conditions(connection, SERVICE)
        names = sorted({each.router for each in agents if each.router})
        answers = await asyncio.gather(*(ask_report(connection, each, None) for each in names))
        state = await look(connection, url)
    except BusAwayError:
        return Seen(state=BusState(url=url, problem=connection.problem))
    except TimeoutError:
        return Seen(state=BusState(url=url, problem=f"{router} could not be read within {_READ_WITHIN:g} s"))
    finally:
        await connection.close()
    revisions = Revisions()
    revisions.update(config.entries, router)
    return Seen(
        state=state,
        revision=revisions.routers.get(token),
        reports=tuple(each for each in answers if isinstance(each, VrrpReport)),
    )
