"""The runs of ``make bench-prober``: one program at a rate, and groups with as much as they carry."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.checkers import Checker, Kind, Place, Program, Work
from tests.bench.figures import Distribution
from tests.bench.gain import computed
from tests.bench.prober_engine import quantile
from tests.bench.syns import Syns, lateness
from tests.support.waiting import eventually

LOOP = "a loop"
INTERVAL = 1.0
"""Seconds between two checks of a target at a rate: there are as many targets as checks a second."""
MANY = 10_000
"""Targets that each processor is flooded with: half of them, twice as often, would be other checks."""
TOO_MANY = {"tcp": 60_000, "http": 30_000}
"""Checks a second that no processor carries."""
_HELD = 0.85
"""Share of what was asked that a program makes at least that can hold it: HAProxy begins its interval when a
check has ended, and so makes some hundredths fewer by design."""
_FOUND_WITHIN = 30.0
"""Seconds in which every target is found up by a program that can hold the rate."""
_WHOLE = 0.95
"""Share of its processors that a program had at least that was alone there, with its targets and its work."""
_TRIES = 3
"""Times that a flood is made until it is alone there;"""
_SHORT = 1.0
"""one that lasts so many seconds is only to run."""
_SETTLES = 1.0
"""Seconds until it runs evenly then."""


@dataclass(frozen=True)
class Run:
    """One program for a while."""

    kind: Kind
    program: str
    asked: int
    """Checks a second."""
    carried: float
    cpu: float
    """Seconds on a processor for a check."""
    late: float = 0.0
    """Seconds, at p99, at the targets."""
    counted: float | None = None
    """Seconds, at p99, by the program's own count; None: nobody tells."""
    skipped: float = 0.0
    """Rounds a second that were left out."""
    replicas: int = 1
    """Of the program, each held on a processor where it is flooded."""
    had: float = 0.0
    """Processors that the program and its targets were on."""
    found: bool = True
    """Every target was found up."""

    @property
    def held(self) -> bool:
        """True: it made what was asked of it, so that its figures are those of this rate."""
        return self.found and self.carried >= _HELD * self.asked

    @property
    def whole(self) -> bool:
        """True: it had the processors that it was flooded on, so that its figures are those of them."""
        return self.had >= _WHOLE * self.replicas


class _Meter:
    """What one checker does, from when this was made."""

    def __init__(self, place: Place, checker: Checker) -> None:
        self._place = place
        self._checker = checker
        self._before = self._now()

    def _now(self) -> tuple[float, ...]:
        return time.monotonic(), self._place.begun(), self._checker.cpu, self._place.cpu

    def read(self) -> _Read:
        """Give what it did since."""
        assert self._checker.process.poll() is None, "a program that checks has ended"
        time_, begun, cpu, targets = (
            after - before for before, after in zip(self._before, self._now(), strict=True)
        )
        return _Read(begun / time_, cpu / time_, (cpu + targets) / time_)


@dataclass(frozen=True)
class _Read:
    """What was done in each second."""

    checks: float
    cpu: float
    """Seconds on a processor, of the program that checks."""
    had: float
    """As that, and of its targets."""


def _found(checker: Checker, targets: int) -> bool:
    """Wait until a program has found every target up; False: it does not."""
    try:
        eventually(lambda: checker.up == targets, "all are up", within=_FOUND_WITHIN, every=0.2)
    except AssertionError:
        assert checker.process.poll() is None, "a program that checks has ended"
        return False
    return True


def paced(place: Place, program: Program, rate: int, seconds: float) -> Run:
    """Run a program at a rate."""
    checker = place.start(program, Work(targets=rate, interval=INTERVAL))
    try:
        found = _found(checker, rate)
        time.sleep(_SETTLES)  # what it does at its start is not what is measured
        before = checker.counted() if checker.tells else None
        meter = _Meter(place, checker)
        time.sleep(seconds)
        read = meter.read()
        counted, skipped = None, 0.0
        if before is not None:
            after = checker.counted()
            counts = [b - a for a, b in zip(before.lateness, after.lateness, strict=True)]
            counted = quantile(counts, 0.99)
            skipped = (after.skipped - before.skipped) / seconds
        times = Syns(place.namespace).gather(max(2.5 * INTERVAL, seconds / 2))
        late = Distribution.of(lateness(times.values(), INTERVAL) or [math.inf]).p99
    finally:
        checker.stop()
    return Run(
        kind=place.kind,
        program=program,
        asked=rate,
        carried=read.checks,
        cpu=_each([read]),
        late=late,
        counted=counted,
        skipped=skipped,
        found=found,
    )


def flooded(groups: Sequence[Place], program: Program, seconds: float) -> Run:
    """Run a program beside its targets on each processor, with more than it carries.

    Several replicas of vipbus share the targets of all; each has as many as one alone, as often. It is done
    again where others were on these processors meanwhile.
    """
    runs: list[Run] = []
    tries = _TRIES if seconds > _SHORT else 1
    while len(runs) < tries and not any(run.whole for run in runs):
        runs.append(_flooded(groups, program, seconds))
    return max(runs, key=lambda run: run.had)


def _flooded(groups: Sequence[Place], program: Program, seconds: float) -> Run:
    kind, replicas = groups[0].kind, len(groups)
    interval = MANY / TOO_MANY[kind]
    works = [
        Work(MANY * replicas, interval, replica, replicas) if program == "vipbus" else Work(MANY, interval)
        for replica in range(replicas)
    ]
    checkers = [place.start(program, work) for place, work in zip(groups, works, strict=True)]
    try:
        before = [place.begun() for place in groups]
        for place, begun in zip(groups, before, strict=True):
            eventually(
                lambda place=place, begun=begun: place.begun() >= begun + 2 * MANY,  # type: ignore[misc]  # bound
                "every target is checked",
                within=60,
            )
        time.sleep(_SETTLES)
        meters = [_Meter(*each) for each in zip(groups, checkers, strict=True)]
        time.sleep(seconds)
        read = [meter.read() for meter in meters]
    finally:
        for checker in checkers:
            checker.stop()
    return Run(
        kind=kind,
        program=_several(replicas, program),
        asked=replicas * TOO_MANY[kind],
        replicas=replicas,
        carried=sum(each.checks for each in read),
        cpu=_each(read),
        had=sum(each.had for each in read),
    )


def looped(kind: Kind, processors: Sequence[int], seconds: float) -> Run:
    """Compute on these processors beside the floods of one kind: what any program can gain there."""
    found = computed(processors, seconds)
    return Run(
        kind=kind,
        program=_several(len(processors), LOOP),
        asked=0,
        replicas=len(processors),
        carried=found.pieces,
        cpu=found.had / found.pieces,
        had=found.had,
    )


def _several(replicas: int, program: str) -> str:
    return program if replicas == 1 else f"{replicas} x {program}"


def _each(read: Sequence[_Read]) -> float:
    """Give the seconds on a processor for a check."""
    checks = sum(each.checks for each in read)
    return sum(each.cpu for each in read) / checks if checks else math.inf


def median(runs: Iterable[Run]) -> Run:
    """Take the median of each figure of runs of the same thing."""
    found = list(runs)
    counted = [run.counted for run in found if run.counted is not None]
    return Run(
        kind=found[0].kind,
        program=found[0].program,
        asked=found[0].asked,
        carried=statistics.median(run.carried for run in found),
        cpu=statistics.median(run.cpu for run in found),
        late=statistics.median(run.late for run in found),
        counted=statistics.median(counted) if counted else None,
        skipped=statistics.median(run.skipped for run in found),
        replicas=found[0].replicas,
        had=statistics.median(run.had for run in found),
        found=all(run.found for run in found),
    )
