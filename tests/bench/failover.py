"""``make bench-failover``: how long a client is without its address, and what a stop costs others."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench.connections import Leave, Seen, leave_under_load
from tests.bench.figures import Distribution, milliseconds, ratio, table
from tests.bench.machine import describe
from tests.bench.pair import PROGRAMS, Program
from tests.bench.report import write_section
from tests.bench.rounds import FAULTS, Round, measure

NAME = "bench-failover"
_INTRODUCTION = """\
## Failover
Two routers, priorities 150 and 100, version 3, and a client on one switch. A crash cuts the active router's
cable and kills what it runs (-9) in the same moment; a stop is SIGTERM. The client asks the virtual address
by ICMP echo every 1, 0.5 or 0.25 ms, and the outage is the longest time between two answers, by the kernel's
time stamps, less the time between two questions. Crashes are spread evenly over the advertisement interval,
at the same moments for every program, and the programs take turns. A round in which the machine itself stood
still (a watch of the highest priority on each processor says so) is done again. `keepalived` is configured as
it comes, `keepalived-rt` with `vrrp_rt_priority` and `vrrp_no_swap`, which is what vipbus asks for by itself.
The ratio is vipbus over that row.
"""
_DETECTION = """\
The same crashes, taken apart: from the last advertisement of the one router to the first of the other (the
protocol asks for 3.609 s, 360.9 ms and 36.1 ms), and from there to the client's next answer.
"""
_CONNECTIONS = """\
## New connections while the active router leaves
A thousand new TCP connections a second, in the middle of which the active router is stopped, or hands
over (`vipbus handover`; keepalived has no such thing). Refused: no connection within 0.9 s. Broken: the
connection was made, and reset before its one byte of answer came. The gap is the longest time between
two connections that were made. Left out: begun when the machine stood still (5 ms or more), or within a
second after; a stop in such a second is done again.
"""


_LEAVES: tuple[tuple[Program, Leave], ...] = (
    ("vipbus", "stop"),
    ("vipbus", "handover"),
    ("keepalived", "stop"),
)


def _of(
    found: Iterable[Round], program: Program, fault: str, value: Callable[[Round], float]
) -> Distribution:
    return Distribution.of(value(each) for each in found if (each.program, each.fault) == (program, fault))


def outages(found: list[Round]) -> str:
    """Show how long the client had no answer."""
    rows = []
    for interval in dict.fromkeys(each.interval for each in found):
        at = [each for each in found if each.interval == interval]
        for fault in FAULTS:
            ours = _of(at, "vipbus", fault, lambda each: each.takeover.outage)
            for program in dict.fromkeys(each.program for each in at):
                theirs = _of(at, program, fault, lambda each: each.takeover.outage)
                compared = program != "vipbus"
                again = sum(each.repeated for each in at if (each.program, each.fault) == (program, fault))
                rows.append(
                    (
                        f"{interval:g} s",
                        fault,
                        program,
                        str(len(theirs.values)),
                        str(again),
                        *map(milliseconds, (theirs.median, theirs.p95, theirs.maximum)),
                        ratio(ours.median, theirs.median) if compared else "",
                        ratio(ours.p95, theirs.p95) if compared else "",
                    )
                )
    header = ("interval", "by", "program", "rounds", "again", "median ms", "p95 ms", "max ms")
    return table((*header, "ratio, median", "ratio, p95"), rows)


def detections(found: list[Round]) -> str:
    """Show what the crashes' outages consist of."""
    rows = []
    for interval in dict.fromkeys(each.interval for each in found):
        at = [each for each in found if each.interval == interval]
        for program in dict.fromkeys(each.program for each in at):
            parts = (
                _of(at, program, "crash", lambda each: each.takeover.detection),
                _of(at, program, "crash", lambda each: each.takeover.work),
            )
            # tenths of a millisecond are what is compared here, also in seconds
            figures = [f"{value * 1000:.2f}" for part in parts for value in (part.median, part.p95)]
            rows.append((f"{interval:g} s", program, *figures))
    header = ("interval", "program", "detection ms", "p95 ms", "takeover ms", "p95 ms")
    return table(header, rows)


def connections(found: list[Seen]) -> str:
    """Show what new connections noticed."""
    rows = (
        (
            f"{each.interval:g} s",
            each.leave,
            each.program,
            str(each.connections),
            str(each.refused),
            str(each.broken),
            milliseconds(each.gap),
            str(each.left_out),
            str(each.left_out_failed),
            milliseconds(each.whole_gap),
        )
        for each in found
    )
    return table(
        (
            "interval",
            "by",
            "program",
            "connections",
            "refused",
            "broken",
            "gap ms",
            "left out",
            "of these failed",
            "whole gap ms",
        ),
        rows,
    )


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="failovers of each kind (30)")
    parser.add_argument("--intervals", default="1,0.1,0.01", help="advertisement intervals in seconds")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--stops", type=int, default=3, help="stops under new connections, each (3)")
    parser.add_argument("--connections", type=int, default=10_000, help="of each such stop (10,000)")
    parser.add_argument(
        "--short", action="store_true", help="2 rounds at 100 ms, a stop under 2,000 connections"
    )
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.intervals, options.stops, options.connections = 2, "0.1", 1, 2000
    intervals = [float(each) for each in options.intervals.split(",")]
    programs = tuple(program for program in PROGRAMS if program in options.programs.split(","))
    sys.setswitchinterval(0.0005)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    rounds: list[Round] = []
    busy = []
    for interval in intervals if options.rounds else ():
        found, share = measure(interval, options.rounds, programs)
        print(outages(found), detections(found), sep="\n\n", flush=True)
        rounds += found
        busy.append(f"{share:.0%} at {interval:g} s")
    seen = [
        leave_under_load(program, leave, interval, options.connections)
        for interval in intervals
        for _ in range(options.stops)
        for program, leave in _LEAVES
        if program in programs
    ]
    print(connections(seen))
    machine = f"Machine: {describe()}."
    if options.write and rounds:
        loaded = f"{machine} It was busy {', '.join(busy)}, this benchmark's clients included."
        parts: tuple[str, ...] = (_INTRODUCTION, outages(rounds), _DETECTION, detections(rounds), loaded)
        write_section(options.write, NAME, "\n".join(f"{part.strip()}\n" for part in parts))
    if options.write and seen:
        parts = (_CONNECTIONS, connections(seen), machine)
        write_section(options.write, f"{NAME}, connections", "\n".join(f"{part.strip()}\n" for part in parts))
    if options.write:
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
