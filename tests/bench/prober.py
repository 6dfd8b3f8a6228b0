"""``make bench-prober``: what a check costs, how many a processor carries, and how late they begin."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.checkers import Kind, Place, Program
from tests.bench.figures import milliseconds, ratio, table
from tests.bench.machine import Busy, describe
from tests.bench.prober_runs import INTERVAL, LOOP, MANY, Run, flooded, looped, median, paced
from tests.bench.report import write_section
from tests.lab.namespace import command

NAME = "bench-prober"
KINDS: tuple[Kind, ...] = ("tcp", "http")
PROGRAMS: tuple[Program, ...] = ("vipbus", "haproxy")
RATES = (1_000, 10_000)
"""Checks a second."""
_INTRODUCTION = """\
## Probing
Checks of targets on loopback, every {interval:g} s each, by vipbus's engine and HAProxy's checker in turn,
{rounds} times each, {seconds:g} s each time; the figures are medians. TCP: a connect that ends with a reset.
HTTP: GET over HTTP/1.1, and a status of 200; the targets are a HAProxy of their own, which has the other
processor if it needs one. CPU is what all threads of the program that checks spent on a processor for each
check (clock_getcpuclockid(3)), the kernel's work for its packets included: on loopback that is the target's
kernel's too. Late: by how much the time between two checks of a target, by the kernel's time stamps of its
SYNs, was longer than the interval, at p99. By its count: how long after its time an attempt began, as vipbus
tells it in its metric, at p99. The ratio is vipbus over that row. *Not held*: the program made less than 85 %
of the checks that it was asked for, or did not find every target up, beside the targets on this machine;
HAProxy begins its interval when a check has ended, so that it makes fewer by design.
"""
_CARRIED = """\
As many checks as a program can make that has one processor together with its targets and all of the kernel's
work for both, asked for more than that: {many} targets in a network namespace of their own, everything in it
held on one processor (sched_setaffinity(2)), each of the two in turn. Then such a group on each processor at
the same time: two replicas of vipbus share the targets of both by rendezvous hashing, two of HAProxy have
their own. Over one, it is what another processor adds. *Had* is how many processors a program and its targets
were on; what is missing went to others, and the next but one column reckons as if nothing had. *Disturbed*:
more than 5 % were missing, three times in a row. The loop computes and shares nothing, in the same rounds: no
program can gain more than that by a second processor.
"""


def in_turn(
    place: Place, groups: Sequence[Place], rounds: int, seconds: float, rates: Sequence[int]
) -> tuple[list[Run], list[Run]]:
    """Run everything of one kind, the programs in turn; give what was paced and what was flooded.

    The groups are places on one processor each.
    """
    paces: dict[tuple[int, Program], list[Run]] = {}
    floods: dict[tuple[str, int], list[Run]] = {}
    for number in range(rounds):
        order = PROGRAMS[:: -1 if number % 2 else 1]
        for rate in rates:
            for program in order:
                paces.setdefault((rate, program), []).append(paced(place, program, rate, seconds))
        for some in ([groups[0]], [groups[1]], groups):
            for program in order:
                floods.setdefault((program, len(some)), []).append(flooded(some, program, seconds))
            held = [group.processor for group in some]
            floods.setdefault((LOOP, len(some)), []).append(looped(place.kind, held, seconds))
    by_rate = sorted(paces, key=lambda key: (key[0], PROGRAMS.index(key[1])))
    by_program = sorted(floods, key=lambda key: ((*PROGRAMS, LOOP).index(key[0]), key[1]))
    return [median(paces[key]) for key in by_rate], [median(floods[key]) for key in by_program]


def show_paced(runs: Sequence[Run]) -> str:
    """Make the table of what a check costs, and how late it is."""
    ours = {(run.kind, run.asked): run for run in runs if run.program == "vipbus"}
    rows = []
    for run in runs:
        own = ours[run.kind, run.asked]
        figures = ("not held", "", "", "", "")
        if run.held:
            figures = (
                f"{run.cpu * 1e6:.1f}",
                ratio(own.cpu, run.cpu) if run is not own and own.held else "",
                milliseconds(run.late),
                ratio(own.late, run.late) if run is not own and own.held else "",
                milliseconds(run.counted) if run.counted is not None else "",
            )
        left_out = f"{run.skipped:.0f}" if run.counted is not None else ""
        rows.append((run.kind, str(run.asked), run.program, f"{run.carried:.0f}", left_out, *figures))
    header = ("check", "asked a s", "program", "made a s", "left out a s")
    return table((*header, "CPU us", "ratio", "late ms", "ratio", "by its count ms"), rows)


def show_flooded(runs: Sequence[Run]) -> str:
    """Make the table of what a processor carries."""
    ones = {(run.kind, run.program): run for run in runs if run.replicas == 1}
    rows = []
    for run in runs:
        one = ones[run.kind, run.program.removeprefix(f"{run.replicas} x ")]
        times = whole = over = ""
        if run is not one:
            times = ratio(run.carried, one.carried) if run.whole and one.whole else "disturbed"
            whole = ratio(run.replicas * run.carried / run.had, one.carried / one.had)
        elif run.program == "haproxy":
            over = ratio(ones[run.kind, "vipbus"].carried, run.carried)
        figures = (f"{run.carried:.0f}", f"{run.cpu * 1e6:.1f}", f"{run.had:.2f}", times, whole, over)
        rows.append((run.kind, run.program, *figures))
    header = ("check", "program", "made a s", "CPU us", "processors had")
    return table((*header, "over one", "had they all of both", "vipbus over it"), rows)


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each (3)")
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
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        sys.exit("two processors are needed: a replica is held on each; give this two")
    paces: list[Run] = []
    floods: list[Run] = []
    for kind in KINDS:
        if kind in options.kinds.split(","):
            with ExitStack() as held:
                directory = Path(held.enter_context(tempfile.TemporaryDirectory()))
                place, *groups = [
                    held.enter_context(Place(kind, directory, processor)) for processor in (None, *processors)
                ]
                some, more = in_turn(place, groups, rounds, seconds, rates)
            paces += some
            floods += more
    carried = _CARRIED.format(many=MANY)
    shown = f"{show_paced(paces)}\n\n{carried}\n{show_flooded(floods)}"
    print(shown)
    if options.write:
        introduction = _INTRODUCTION.format(interval=INTERVAL, rounds=rounds, seconds=seconds).strip()
        haproxy = command("haproxy", "-v").split()[2].partition("-")[0]
        machine = f"Machine: {describe()}, HAProxy {haproxy}. It was busy {busy.share():.0%}."
        write_section(options.write, NAME, f"{introduction}\n\n{shown}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
