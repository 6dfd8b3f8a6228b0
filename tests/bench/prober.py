"""``make bench-prober``: what a check costs, how many a processor carries, and how evenly they begin."""

from __future__ import annotations

import argparse
import math
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.checkers import Checker, Kind, Place, Program
from tests.bench.figures import Distribution, milliseconds, ratio, table
from tests.bench.machine import Busy, describe
from tests.bench.prober_engine import quantile
from tests.bench.report import write_section
from tests.bench.syns import Syns, unevenness
from tests.lab.namespace import command
from tests.support.waiting import eventually

NAME = "bench-prober"
KINDS: tuple[Kind, ...] = ("tcp", "http")
PROGRAMS: tuple[Program, ...] = ("vipbus", "haproxy")
TARGETS = 1000
RATES = (1_000, 10_000)
"""Checks a second."""
TOO_MANY = {"tcp": 60_000, "http": 30_000}
"""Checks a second that no processor carries."""
_SETTLES = 1.0
"""Seconds until a program that has found every target up runs evenly."""
_INTRODUCTION = """\
## Probing
Checks of {targets} targets on loopback, vipbus's engine and HAProxy's checker in turn, {rounds} times each,
{seconds:g} s each time; the figures are medians. TCP: a connect that ends with a reset. HTTP: GET over
HTTP/1.1, and a status of 200; the targets are a HAProxy of their own. CPU is what all threads of the program
that checks spent on a processor for each check (clock_getcpuclockid(3)), the kernel's work for its packets
included: on loopback that is the target's kernel's too. Uneven: by how much the time between two checks of a
target, by the kernel's time stamps of its SYNs, is not the interval, at p99. Late: how long after its time a
check began, as vipbus counts it, at p99. The ratio is vipbus over that row.
"""
_CARRIED = """\
As many checks as a program held on one processor can make (asked for more than it can), and two replicas of
vipbus on two processors with half the targets each, over one:
"""


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
    uneven: float = 0.0
    """Seconds, at p99."""
    late: float | None = None
    """Seconds, at p99; None: nobody tells."""
    skipped: float = 0.0
    """Rounds a second that were left out."""


def _settled(place: Place, checkers: Sequence[Checker], targets: int) -> None:
    """Wait until programs run evenly.

    Raises:
        AssertionError: one has ended, or does not find every target up.
    """
    before = place.begun()
    eventually(lambda: place.begun() >= before + targets, "every target is checked", within=60)
    if checkers[0].tells:
        eventually(
            lambda: sum(checker.counted().up for checker in checkers) == targets, "all are up", within=60
        )
    time.sleep(_SETTLES)  # what it does at its start is not what is measured
    assert all(checker.process.poll() is None for checker in checkers), "a program that checks has ended"


def paced(place: Place, program: Program, rate: int, seconds: float) -> Run:
    """Run a program at a rate that it can carry."""
    interval = TARGETS / rate
    checker = place.start(program, range(TARGETS), interval)
    try:
        _settled(place, [checker], TARGETS)
        before = checker.counted() if checker.tells else None
        began, cpu, begun = time.monotonic(), checker.cpu, place.begun()
        time.sleep(seconds)
        checks = place.begun() - begun
        cpu, lasted = checker.cpu - cpu, time.monotonic() - began
        late = skipped = None
        if before is not None:
            after = checker.counted()
            late = quantile([b - a for a, b in zip(before.lateness, after.lateness, strict=True)], 0.99)
            skipped = (after.skipped - before.skipped) / lasted
        times = Syns(place.namespace).gather(max(2.5 * interval, seconds / 2))
        assert checker.process.poll() is None, f"{program} has ended"
        return Run(
            kind=place.kind,
            program=program,
            asked=rate,
            carried=checks / lasted,
            cpu=cpu / checks,
            uneven=Distribution.of(unevenness(times.values(), interval) or [math.inf]).p99,
            late=late,
            skipped=skipped or 0.0,
        )
    finally:
        checker.stop()


def saturated(place: Place, program: Program, replicas: int, seconds: float) -> Run:
    """Run replicas of a program, each held on a processor of its own, with more than they carry."""
    interval = TARGETS / TOO_MANY[place.kind]
    share = TARGETS // replicas
    checkers = [
        place.start(program, range(number * share, (number + 1) * share), interval, number)
        for number in range(replicas)
    ]
    try:
        _settled(place, checkers, TARGETS)
        began, cpu, begun = time.monotonic(), sum(each.cpu for each in checkers), place.begun()
        time.sleep(seconds)
        checks = place.begun() - begun
        cpu, lasted = sum(each.cpu for each in checkers) - cpu, time.monotonic() - began
    finally:
        for checker in checkers:
            checker.stop()
    name = program if replicas == 1 else f"{replicas} x {program}"
    return Run(place.kind, name, TOO_MANY[place.kind], checks / lasted, cpu / checks)


def median(runs: Iterable[Run]) -> Run:
    """Take the median of each figure of runs of the same thing."""
    found = list(runs)
    late = [run.late for run in found if run.late is not None]
    return Run(
        kind=found[0].kind,
        program=found[0].program,
        asked=found[0].asked,
        carried=statistics.median(run.carried for run in found),
        cpu=statistics.median(run.cpu for run in found),
        uneven=statistics.median(run.uneven for run in found),
        late=statistics.median(late) if late else None,
        skipped=statistics.median(run.skipped for run in found),
    )


def in_turn(place: Place, rounds: int, seconds: float, rates: Sequence[int]) -> tuple[list[Run], list[Run]]:
    """Run everything of one kind, the programs in turn; give what was paced and what was saturated."""
    paces: dict[tuple[int, Program], list[Run]] = {}
    floods: dict[tuple[Program, int], list[Run]] = {}
    for number in range(rounds):
        order = PROGRAMS[:: -1 if number % 2 else 1]
        for rate in rates:
            for program in order:
                paces.setdefault((rate, program), []).append(paced(place, program, rate, seconds))
        for program in order:
            for replicas in (1, 2) if program == "vipbus" else (1,):
                run = saturated(place, program, replicas, seconds)
                floods.setdefault((program, replicas), []).append(run)
    by_rate = sorted(paces, key=lambda key: (key[0], PROGRAMS.index(key[1])))
    by_program = sorted(floods, key=lambda key: (PROGRAMS.index(key[0]), key[1]))
    return [median(paces[key]) for key in by_rate], [median(floods[key]) for key in by_program]


def show_paced(runs: Sequence[Run]) -> str:
    """Make the table of what a program can carry."""
    ours = {(run.kind, run.asked): run for run in runs if run.program == "vipbus"}
    rows = [
        (
            run.kind,
            str(run.asked),
            run.program,
            f"{run.carried:.0f}",
            f"{run.cpu * 1e6:.1f}",
            ratio(ours[run.kind, run.asked].cpu, run.cpu) if run.program != "vipbus" else "",
            milliseconds(run.uneven),
            milliseconds(run.late) if run.late is not None else "",
            f"{run.skipped:.0f}" if run.late is not None else "",
        )
        for run in runs
    ]
    header = (
        "check",
        "asked a s",
        "program",
        "made a s",
        "CPU us",
        "ratio",
        "uneven ms",
        "late ms",
        "left out a s",
    )
    return table(header, rows)


def show_saturated(runs: Sequence[Run]) -> str:
    """Make the table of what a processor carries."""
    one = {run.kind: run for run in runs if run.program == "vipbus"}
    rows = [
        (
            run.kind,
            run.program,
            f"{run.carried:.0f}",
            f"{run.cpu * 1e6:.1f}",
            ratio(run.carried, one[run.kind].carried) if run.program.endswith(" vipbus") else "",
            ratio(one[run.kind].carried, run.carried) if run.program == "haproxy" else "",
        )
        for run in runs
    ]
    return table(("check", "program", "made a s", "CPU us", "of one replica", "vipbus over it"), rows)


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each (5)")
    parser.add_argument("--seconds", type=float, default=5, help="how long each time (5)")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--short", action="store_true", help="once, 1 second, at 1000 a second")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    rounds, seconds, rates = (
        (1, 1.0, RATES[:1]) if options.short else (options.rounds, options.seconds, RATES)
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    busy = Busy()
    paces: list[Run] = []
    floods: list[Run] = []
    for kind in KINDS:
        if kind in options.kinds.split(","):
            with tempfile.TemporaryDirectory() as directory, Place(kind, Path(directory)) as place:
                some, more = in_turn(place, rounds, seconds, rates)
            paces += some
            floods += more
    shown = f"{show_paced(paces)}\n\n{_CARRIED}\n{show_saturated(floods)}"
    print(shown)
    if options.write:
        introduction = _INTRODUCTION.format(targets=TARGETS, rounds=rounds, seconds=seconds).strip()
        haproxy = command("haproxy", "-v").split()[2].partition("-")[0]
        machine = f"Machine: {describe()}, HAProxy {haproxy}. It was busy {busy.share():.0%}."
        write_section(options.write, NAME, f"{introduction}\n\n{shown}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
