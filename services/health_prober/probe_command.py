"""The command ``probe``: runs the checks of a pool now, from where this replica is.

It does so in a process of its own (`health_prober.probe_now`): no verdict, no schedule and no thread of this
one has to do with it. One request is served at a time, however many come.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from health_prober.attempt import kind_of
from health_prober.targets import Target
from vipbus.contracts import (
    PROBE_BEGINS_WITHIN,
    PROBE_LONGEST,
    ProbeNow,
    ProbeReport,
    ProbeTarget,
    name_token,
    per_prober,
    token_in_words,
)
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.child import NoAnswerError, answer_of
from vipbus.telemetry.logs import plain

if TYPE_CHECKING:
    from vipbus.bus import Command

COMMAND: Final = (sys.executable, "-P", "-m", "health_prober.probe_now")
"""``-P`` keeps the current directory out of the module path."""
_START_WITHIN: Final = 5.0
"""Seconds for an interpreter and its imports on a busy machine, and for breaking off what hangs."""
_LARGEST: Final = 900_000
"""Octets of an answer; a bus takes 1 MiB unless it is told otherwise (nats-server, max_payload)."""


def commands(prober: str, targets: Callable[[], Mapping[str, Target]]) -> dict[str, Command]:
    """Give the command by its verb, to be served on the bus; ``targets`` are all of them, by key."""

    async def probe(body: bytes) -> bytes:
        asked = msgspec.json.decode(body, type=ProbeNow)
        return msgspec.json.encode(fitting(await answer(prober, targets(), asked), _LARGEST))

    return {per_prober("probe", name_token(prober)): probe}


async def answer(
    prober: str, targets: Mapping[str, Target], asked: ProbeNow, command: tuple[str, ...] = COMMAND
) -> ProbeReport:
    """Run the checks that are meant; why none were is in the report."""
    meant = chosen(targets.values(), asked)
    if not meant:
        return ProbeReport(prober=prober, reason=nothing(targets.values(), asked))
    timeout = max(check.timeout for target in meant for check in target.checks)
    within = PROBE_BEGINS_WITHIN + min(timeout, PROBE_LONGEST) + _START_WITHIN
    try:
        told = await answer_of(command, msgspec.json.encode(meant), within=within)
        report = msgspec.json.decode(told, type=ProbeReport)
    except NoAnswerError as error:
        return ProbeReport(prober=prober, reason=f"the checks could not be run: {plain(str(error))}")
    except UNREADABLE as error:
        return ProbeReport(prober=prober, reason=f"the checks could not be run: {plain(str(error))}")
    return msgspec.structs.replace(report, prober=prober)


def chosen(targets: Iterable[Target], asked: ProbeNow) -> tuple[ProbeTarget, ...]:
    """Take the real servers and checks that are asked for, by token."""
    meant = []
    for target in targets:
        if target.virtual_server != asked.virtual_server:
            continue
        if asked.real_server not in (None, target.real_server):
            continue
        checks = tuple(check for check in target.checks if asked.kind in (None, kind_of(check)))
        if checks:
            meant.append(ProbeTarget(real_server=target.real_server, checks=checks))
    return tuple(sorted(meant, key=lambda target: target.real_server))


def nothing(targets: Iterable[Target], asked: ProbeNow) -> str:
    """Say why there is nothing to try."""
    targets = tuple(targets)
    if not targets:
        return "no configuration with checks has come here yet"
    pool = [target for target in targets if target.virtual_server == asked.virtual_server]
    where = token_in_words(asked.virtual_server) or repr(asked.virtual_server[:80])
    if not pool:
        return f"no real server of {where} is checked here"
    if asked.real_server is not None:
        pool = [target for target in pool if target.real_server == asked.real_server]
        what = token_in_words(asked.real_server) or repr(asked.real_server[:80])
        if not pool:
            return f"{what} of {where} is not checked here"
        where = f"{what} of {where}"
    kinds = sorted({kind_of(check) for target in pool for check in target.checks})
    return f"{where} has no check of kind {(asked.kind or '')[:80]!r}; it has {', '.join(kinds)}"


def fitting(report: ProbeReport, largest: int) -> ProbeReport:
    """Leave out the attempts that an answer of so many octets has no room for."""
    room = largest
    for number, attempt in enumerate(report.attempts):
        room -= len(msgspec.json.encode(attempt)) + 1
        if room < 0:
            left_out = report.left_out + len(report.attempts) - number
            return msgspec.structs.replace(report, attempts=report.attempts[:number], left_out=left_out)
    return report
