"""Tries checks now and tells each step.

A process of its own, ``python -m health_prober.probe_now``, so that nothing it does or meets can disturb a
verdict: it reads an array of `ProbeTarget` and writes a `ProbeReport`, both JSON. It ends by itself within
`PROBE_BEGINS_WITHIN` + `PROBE_LONGEST` and a little.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Final

import msgspec

from health_prober import causes
from health_prober.attempt import Steps, attempt_for, kind_of
from health_prober.check import Event, Failed, Succeeded, Unproven
from health_prober.trying import tried
from health_prober.whereabouts import whereabouts
from vipbus.contracts import (
    PROBE_BEGINS_WITHIN,
    PROBE_LONGEST,
    Check,
    GrpcCheck,
    HttpCheck,
    ProbeAttempt,
    ProbeReport,
    ProbeStep,
    ProbeTarget,
    SmtpCheck,
    TlsCheck,
)
from vipbus.contracts.limits import UNREADABLE
from vipbus.runtime.ending import run_to_end
from vipbus.runtime.life import EXIT_USAGE
from vipbus.telemetry.logs import plain

_AT_ONCE: Final = 64
"""Attempts in flight."""
_APART: Final = 0.01
"""Seconds between the first of them: what one does as it begins, a library of its own to start, would be in
the times of all others."""
_OVERDUE: Final = 2.0
"""Seconds beyond its timeout after which an attempt is given up: its library hangs."""
_STEPS: Final = 100
"""Told of an attempt: a server may make it take thousands."""
_WORDS: Final = 300
"""Characters of one step."""


async def probed(
    targets: Iterable[ProbeTarget],
    *,
    begins_within: float = PROBE_BEGINS_WITHIN,
    longest: float = PROBE_LONGEST,
    at_once: int = _AT_ONCE,
) -> ProbeReport:
    """Try every check once, many at a time, and none that would begin too late; times in seconds."""
    jobs = [(target.real_server, check) for target in targets for check in target.checks]
    lacking = _lacking(check for _, check in jobs)
    waiting = deque(enumerate(jobs))
    found: dict[int, ProbeAttempt] = {}
    until = time.monotonic() + begins_within

    async def work() -> None:
        while waiting and time.monotonic() < until:
            number, (real_server, check) = waiting.popleft()
            found[number] = await _attempted(real_server, check, lacking, longest)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(jobs))):
            group.create_task(work())
            await asyncio.sleep(_APART)
            if not waiting:
                break
    return ProbeReport(
        prober="", attempts=tuple(found[number] for number in sorted(found)), left_out=len(waiting)
    )


def _lacking(checks: Iterable[Check]) -> dict[str, str]:
    """Import what the checks need, which takes longer than some of them; say of each kind what is missing."""
    lacking: dict[str, str] = {}
    for check in checks:
        try:
            attempt_for(check)
        except ImportError as error:
            lacking[kind_of(check)] = _not_installed(error)
        for name in _imported_late(check):
            with contextlib.suppress(ImportError):  # who needs it will say so
                import_module(name)
    return lacking


def _imported_late(check: Check) -> Iterator[str]:
    """Name what a prober does not load before a check needs it."""
    if isinstance(check, HttpCheck):
        yield "health_prober.http2" if check.version == "2" else "health_prober.lean_http"
    if isinstance(check, HttpCheck | TlsCheck | GrpcCheck | SmtpCheck) and check.tls is not None:
        yield "cryptography.x509"


def _not_installed(error: ImportError) -> str:
    return f"{error.name or error} is not installed here: pip install vipbus[health-prober]"


async def _attempted(real_server: str, check: Check, lacking: dict[str, str], longest: float) -> ProbeAttempt:
    kind = kind_of(check)
    steps = Steps(keeps=True)
    began = time.monotonic()
    event: Event = Unproven(began, lacking[kind]) if kind in lacking else await _ended(check, steps, longest)
    seconds = time.monotonic() - began
    attempt = ProbeAttempt(
        real_server=real_server,
        kind=kind,
        where=whereabouts(check),
        result="local",
        cause="",
        seconds=seconds,
        steps=_told(steps.taken),
    )
    match event:
        case Succeeded():
            passed, answered = event.passed, causes.answered(seconds)
            return msgspec.structs.replace(
                attempt,
                result="success",
                cause=f"{passed.note}, {answered}" if passed.note else answered,
                weight=passed.weight,
                weight_added=passed.weight_added,
                warning=passed.warning,
            )
        case Failed():
            return msgspec.structs.replace(attempt, result="failure", cause=event.cause)
        case Unproven():
            return msgspec.structs.replace(attempt, cause=event.trouble)


async def _ended(check: Check, steps: Steps, longest: float) -> Event:
    """Try a check, and come back in time whatever its library does."""
    began = time.monotonic()
    trying = asyncio.ensure_future(tried(check, steps))
    try:
        await asyncio.wait({trying}, timeout=min(check.timeout + _OVERDUE, longest))
    finally:
        late = not trying.done()
        trying.cancel()
    if late:
        await asyncio.wait({trying}, timeout=_OVERDUE)
        return Unproven(began, _why_late(check, steps, longest))
    if trying.cancelled():
        return Unproven(began, "a fault of this program: the check broke itself off")
    error = trying.exception()
    if isinstance(error, ImportError):  # only some checks of the kind need it
        return Unproven(began, _not_installed(error))
    if error is not None:
        text = f"{type(error).__name__}: {error}"[:_WORDS]
        return Unproven(began, f"a fault of this program: {plain(text)}")
    return trying.result()


def _why_late(check: Check, steps: Steps, longest: float) -> str:
    if check.timeout + _OVERDUE > longest:
        waiting = f" ({steps.waiting})" if steps.waiting else ""
        patience = f"its check has {check.timeout:g} s, a probe on demand {longest:g} s"
        return f"no end in sight{waiting}: {patience}"
    return f"a fault of this program: the check did not end with its timeout of {check.timeout:g} s"


def _told(taken: Sequence[ProbeStep]) -> tuple[ProbeStep, ...]:
    """Bound what a server made of the steps, in number and in length."""
    kept = [ProbeStep(at=step.at, what=plain(step.what[:_WORDS])) for step in taken[:_STEPS]]
    if len(taken) > _STEPS:
        kept[-1] = ProbeStep(at=taken[-1].at, what=f"{len(taken) - _STEPS + 1} more steps")
    return tuple(kept)


async def _until_told(targets: Sequence[ProbeTarget]) -> ProbeReport | None:
    """Probe; None when a signal came first, which breaks the attempts off so that they leave nothing."""
    probing = asyncio.ensure_future(probed(targets))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, probing.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        return await probing
    return None


def main() -> int:
    """Answer one question; return the exit status."""
    try:
        targets = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[ProbeTarget, ...])
    except UNREADABLE as error:
        sys.stderr.write(f"health_prober.probe_now: this is no array of ProbeTarget: {plain(str(error))}\n")
        return EXIT_USAGE
    report = run_to_end(_until_told(targets))
    if report is None:
        return 128 + signal.SIGTERM
    sys.stdout.buffer.write(msgspec.json.encode(report))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    ended = main()
    sys.stderr.flush()
    os._exit(ended)  # the interpreter's own end would wait for a thread in which a library hangs
