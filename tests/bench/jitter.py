"""``make bench-jitter``: how late advertisements are on a busy machine, and whether a backup falls for it.

Lateness is what a backup sees: the time between two advertisements as the switch has them, less the
interval, or 0 where that is negative. So it is the same for a program that keeps to a schedule and for one
that counts from its last advertisement.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.figures import Distribution, milliseconds, ratio, table
from tests.bench.load import Load
from tests.bench.machine import Busy, describe
from tests.bench.pair import IDENTIFIERS, PROGRAMS, Pair, Program
from tests.bench.report import write_section
from tests.bench.stalls import Stalls
from tests.bench.wire import Heard, Listener
from tests.support.vrrp import Network

NAME = "bench-jitter"
INTERVAL = 0.1
_INTRODUCTION = """\
## Jitter
An active router and a backup of each program on one switch, all at the same time, advertising every 100 ms;
a process that computes for every processor and one that writes to the disk and takes memory keep the
machine busy, at ordinary priority. Lateness is the time between two advertisements of the active router as
the switch has them (the kernel's time stamps), less the interval, or 0 where that is negative: what a
backup sees. A false failover is an advertisement of the backup. The ratio is vipbus over that row.
"""


@dataclass(frozen=True)
class Kept:
    """How one program kept to its interval."""

    program: Program
    lateness: Distribution
    """Seconds."""
    left_out: int
    """Advertisements that are not in it, because the machine stood still."""
    false_failovers: int


def lateness(heard: Sequence[Heard], interval: float, stalls: Sequence[tuple[int, int]]) -> list[float]:
    """Give by how many seconds each advertisement was late for a backup.

    Args:
        heard: of one router, in the order of the wire.
        interval: seconds.
        stalls: when the machine stood still; what was on its way meanwhile is left out.
    """
    return [
        max(0.0, (after.at - before.at) / 1e9 - interval)
        for before, after in pairwise(heard)
        if not any(begin <= after.at and end >= before.at for begin, end in stalls)
    ]


def takeovers(heard: Iterable[Heard], backup: str) -> int:
    """Count how often a backup began to advertise."""
    count, speaking = 0, False
    for each in heard:
        count += each.source == backup and not speaking
        speaking = each.source == backup
    return count


def measure(seconds: float, programs: tuple[Program, ...], *, tolerated: float) -> tuple[list[Kept], float]:
    """Listen for so many seconds; also give the share of the machine that was busy.

    Args:
        seconds: how long.
        programs: all at the same time.
        tolerated: seconds that the machine may stand still without a mention.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        network = stack.enter_context(Network(directory, "jt"))
        listener = stack.enter_context(Listener(network.switch))
        pairs = [Pair(program, network, listener, INTERVAL) for program in programs]
        for pair in pairs:
            stack.callback(pair.close)
            pair.start()
        stalls = stack.enter_context(Stalls())
        stack.enter_context(Load())
        busy, began = Busy(), time.time_ns()
        listener.lost()
        time.sleep(seconds)  # this is what is measured, not a wait for something
        until, share = time.time_ns(), busy.share()
        assert listener.lost() == 0, "the listener's buffer was full: a lost advertisement would look late"
        spans = stalls.spans(began, tolerated)
        found = [each for each in listener.heard_since(began) if each.at < until]
        return [kept(pair, found, spans) for pair in pairs], share


def kept(pair: Pair, found: Sequence[Heard], spans: Sequence[tuple[int, int]]) -> Kept:
    """Pick one program's advertisements out of all."""
    mine = [each for each in found if each.virtual_router_id == IDENTIFIERS[pair.program]]
    active = [each for each in mine if each.source == pair.active.address]
    late = lateness(active, pair.interval, spans)
    assert late, f"{pair.program} did not advertise, or the machine never ran: {pair.said()}"
    return Kept(
        program=pair.program,
        lateness=Distribution.of(late),
        left_out=max(0, len(active) - 1 - len(late)),
        false_failovers=takeovers(mine, pair.backup.address),
    )


def show(found: Sequence[Kept]) -> str:
    """Make the table."""
    ours = next((each.lateness for each in found if each.program == "vipbus"), None)
    rows = [
        (
            each.program,
            str(len(each.lateness.values)),
            str(each.left_out),
            *map(milliseconds, (each.lateness.median, each.lateness.p99, each.lateness.maximum)),
            ratio(ours.p99, each.lateness.p99) if ours is not None and each.program != "vipbus" else "",
            str(each.false_failovers),
        )
        for each in found
    ]
    header = ("program", "advertisements", "left out", "p50 ms", "p99 ms", "max ms", "ratio, p99")
    return table((*header, "false failovers"), rows)


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long (300)")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--short", action="store_true", help="3 seconds")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    seconds = 3.0 if options.short else options.seconds
    programs = tuple(program for program in PROGRAMS if program in options.programs.split(","))
    sys.setswitchinterval(0.0005)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    found, busy = measure(seconds, programs, tolerated=0.002)
    print(show(found))
    if options.write:
        explained = (
            "Left out: what was on its way while the machine itself stood still for 2 ms or more, by a watch "
            "of the highest priority on each processor."
        )
        machine = f"Machine: {describe()}. It was busy {busy:.0%}, for {seconds:g} s."
        write_section(
            options.write, NAME, f"{_INTRODUCTION.strip()}\n{explained}\n\n{show(found)}\n\n{machine}"
        )
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
