"""``vipbus probe``: run the checks of a virtual server or pool now and tell each step."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ctl.exits import EXIT_NO, EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.probe_ask import FileRefusedError, ask_here, ask_replica, entities_of
from ctl.probe_names import UnknownNameError, replica_named
from ctl.probe_plan import Plan, plan
from ctl.probe_render import HERE, render
from vipbus.bus import Bus, BusAwayError, Follow, NoBusError
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    MEMBER,
    Member,
    ProbeReport,
    ProxyPool,
    RealServer,
    Verdict,
    VirtualServer,
)
from vipbus.runtime.ending import run_to_end
from vipbus.runtime.revision import Revisions
from vipbus.telemetry.logs import plain

EVERY_REPLICA = "all"
_BUS_WITHIN = 3.0
_READ_WITHIN = 10.0
"""Seconds for the buckets; the largest known take about one."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks."""

    virtual_server: str
    real_server: str | None = None
    source: str = HERE
    """``here``, ``all``, or a replica."""
    kind: str | None = None
    file: Path | None = None
    """Where the checks come from; None: from the bus."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    plan: Plan
    reports: tuple[ProbeReport, ...]
    missing: tuple[str, ...]
    """Who did not answer as it should, a line each."""
    verdicts: Mapping[str, Verdict] | None
    """That stand, by real server's token; None: nobody was asked."""


def main(*, bus: str | None, state_dir: Path, question: Question, as_json: bool) -> int:
    """Print what was found; return 0: all succeeded, 1: some failed, 2: no such thing, 3: not all tried."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    if "" in (question.virtual_server.strip(), question.real_server, question.source, question.kind):
        return complain("probe", "an empty name names nothing", EXIT_WRONG)
    if question.file is not None and question.source != HERE:
        return complain("probe", "replicas probe what is configured: leave out -f, or --from", EXIT_WRONG)
    try:
        if question.file is not None:
            found = run_to_end(_by_file(question.file, question))
        else:
            found = run_to_end(_by_bus(find(bus, state_dir), question))
    except FileRefusedError as error:
        sys.stderr.write("".join(f"{plain(line)}\n" for line in error.lines))
        return complain("probe", str(error), EXIT_WRONG)
    except UnknownNameError as error:
        return complain("probe", str(error), EXIT_WRONG)
    except (NoBusError, BusAwayError) as error:
        return complain("probe", str(error), EXIT_NOT_DONE)
    if found.reports:
        _print(found, as_json=as_json)
    for text in found.missing:
        complain("probe", text, EXIT_NOT_DONE)
    return status(found)


def status(found: Found) -> int:
    """Make the exit status: what failed is worse to know of than what was not tried."""
    results = {attempt.result for report in found.reports for attempt in report.attempts}
    if "failure" in results:
        return EXIT_NO
    whole = results == {"success"} and not any(report.left_out for report in found.reports)
    return 0 if whole and not found.missing else EXIT_NOT_DONE


def _print(found: Found, *, as_json: bool) -> None:
    if as_json:
        write_json(found.reports)
        return
    write(render(found.reports, found.plan.words, found.verdicts, datetime.now(UTC), colour=coloured()))


async def _by_file(file: Path, question: Question) -> Found:
    entities = await entities_of(file)
    planned = _planned(
        question,
        [each for each in entities if isinstance(each, VirtualServer)],
        [each for each in entities if isinstance(each, RealServer)],
        [each for each in entities if isinstance(each, ProxyPool)],
    )
    return _found(planned, [await ask_here(planned)], None)


def _planned(
    question: Question,
    virtual_servers: Iterable[VirtualServer],
    real_servers: Iterable[RealServer],
    pools: Iterable[ProxyPool],
) -> Plan:
    return plan(
        virtual_servers,
        real_servers,
        pools,
        virtual_server=question.virtual_server,
        real_server=question.real_server,
        kind=question.kind,
    )


def _found(
    planned: Plan, answers: Iterable[ProbeReport | str], verdicts: Mapping[str, Verdict] | None
) -> Found:
    answers = tuple(answers)
    return Found(
        plan=planned,
        reports=tuple(answer for answer in answers if isinstance(answer, ProbeReport)),
        missing=tuple(answer for answer in answers if isinstance(answer, str)),
        verdicts=verdicts,
    )


async def _by_bus(address: BusAddress, question: Question) -> Found:
    bus = Bus(address, source="vipbus-probe")
    wake = asyncio.Event()
    config = bus.follow(CONFIG, on_change=wake.set)
    health = bus.follow(HEALTH, on_change=wake.set)
    member = bus.follow(MEMBER, on_change=wake.set)
    bus.start()
    try:
        await bus.usable(_BUS_WITHIN)
        try:
            async with asyncio.timeout(_READ_WITHIN):
                while not (config.live and health.live and member.live):
                    wake.clear()
                    await wake.wait()
        except TimeoutError:
            raise BusAwayError(f"the buckets were not all read within {_READ_WITHIN:g} s") from None
        revisions = Revisions()
        revisions.update(config.entries)
        planned = _planned(
            question,
            [server for each in revisions.routers.values() for server in each.virtual_servers],
            [server for each in revisions.routers.values() for server in each.real_servers],
            [pool for each in revisions.routers.values() for pool in each.proxy_pools],
        )
        answers = await _ask(bus, planned, question.source, member)
        verdicts = {
            value.real_server: value
            for value in health.values()
            if value.virtual_server == planned.virtual_server
        }
    finally:
        await bus.close()
    return _found(planned, answers, verdicts)


async def _ask(bus: Bus, planned: Plan, source: str, member: Follow[Member]) -> list[ProbeReport | str]:
    if source == HERE:
        return [await ask_here(planned)]
    asked = sorted(value.prober for value in member.values())
    if source != EVERY_REPLICA:
        asked = [replica_named(source, asked)]
    if not asked:
        raise BusAwayError("no health-prober is on this bus: start `vipbus run -f FILE`")
    return list(await asyncio.gather(*(ask_replica(bus, each, planned, member) for each in asked)))
