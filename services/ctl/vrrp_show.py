"""``vipbus vrrp show``: ask every router's vrrp-agent what its instances do and have counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ctl.election import SERVICE, looked_at
from ctl.exits import EXIT_NOT_DONE, EXIT_WRONG
from ctl.output import coloured, complain, write, write_json
from ctl.vrrp_render import render
from ctl.words import listed
from vipbus.bus import Bus, BusAwayError, NoBusError, RefusedError
from vipbus.bus.address import BusAddress, find
from vipbus.contracts import ShowVrrp, VrrpReport, command_subject, name_token, per_router
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.ending import run_to_end

_COMMAND = "vrrp show"
_ANSWER_WITHIN = 3.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the question."""

    reports: tuple[VrrpReport, ...] = ()
    """Of the routers that answered and have what was asked for, by name."""
    missing: tuple[str, ...] = ()
    """Who did not answer as it should, a line each."""
    known: tuple[str, ...] = ()
    """The instances that the bus knows of."""
    routers: tuple[str, ...] = ()
    """The routers that were asked."""


def main(*, bus: str | None, state_dir: Path, instance: str | None, router: str | None, as_json: bool) -> int:
    """Print the reports; return 0, 2 when there is no such thing, 3 when not every router answered."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is to be said is said here
    if instance == "" or router == "":
        return complain(_COMMAND, "an empty name names nothing", EXIT_WRONG)
    try:
        found = run_to_end(_ask_all(find(bus, state_dir), instance, router))
    except (NoBusError, BusAwayError) as error:
        return complain(_COMMAND, str(error), EXIT_NOT_DONE)
    if found.reports:
        _print(found.reports, as_json=as_json)
    for text in found.missing:
        complain(_COMMAND, text, EXIT_NOT_DONE)
    if found.missing:
        return EXIT_NOT_DONE
    if not found.reports:
        status = EXIT_WRONG if found.routers else EXIT_NOT_DONE
        return complain(_COMMAND, _nothing(found, instance), status)
    return 0


def _print(reports: Sequence[VrrpReport], *, as_json: bool) -> None:
    if as_json:
        write_json(reports)
    else:
        write(render(reports, datetime.now(UTC), colour=coloured()))


def _nothing(found: Found, instance: str | None) -> str:
    if not found.routers:
        return "no vrrp-agent is on this bus: start `vipbus run -f FILE`"
    there = f"; there is {listed(found.known, 20)}" if found.known else ""
    return f"no instance {instance!r} on {listed(found.routers)}{there}"


async def _ask_all(address: BusAddress, instance: str | None, router: str | None) -> Found:
    async with looked_at(address, "vipbus-vrrp") as election:
        # by token: who has never had a role answers all the same, and who is gone has left one
        names = (*(role.router for role in election.roles), *election.answering)
        routers = {name_token(name): name for name in names}
        if router is not None:
            token = name_token(router)
            routers = {token: routers.get(token, router)}
        asked = sorted(routers.values())
        answers = await asyncio.gather(*(ask_report(election.bus, each, instance) for each in asked))
        known = {role.instance for role in election.roles}
    reports = [answer for answer in answers if isinstance(answer, VrrpReport)]
    return Found(
        reports=tuple(report for report in reports if report.instances or instance is None),
        missing=tuple(answer for answer in answers if isinstance(answer, str)),
        known=tuple(sorted(known)),
        routers=tuple(asked),
    )


async def ask_report(bus: Bus, router: str, instance: str | None) -> VrrpReport | str:
    """Ask one router; return its report, or in words why there is none."""
    subject = command_subject(SERVICE, per_router("show", name_token(router)))
    body = msgspec.json.encode(ShowVrrp(instance=instance))
    try:
        return msgspec.json.decode(await bus.request(subject, body, timeout=_ANSWER_WITHIN), type=VrrpReport)
    except BusAwayError:
        return f"{router}: vrrp-agent does not answer; is `vipbus run` running on {router}?"
    except RefusedError as error:
        return f"{router}: {error}"
    except UNREADABLE as error:
        return f"{router}: vrrp-agent answered what is not understood: {error}"
