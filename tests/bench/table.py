"""``make bench-table``: a router's table written, started with and changed, beside ipvsadm and keepalived."""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ipvs_programmer.plan import plan
from tests.bench.figures import milliseconds, ratio, table
from tests.bench.machine import Busy, describe
from tests.bench.report import write_section
from tests.bench.table_guest import Changed, Figures, Whole
from tests.bench.table_replay import replayed
from tests.bench.table_shape import Shape

NAME = "bench-table"
_INTRODUCTION = """\
## The table
On a kernel with IPVS (the lab's guest where this machine's has none: one processor, on which a system call
is dear, so that only the ratios mean something). The real servers have no checks and the router no VRRP
instance: what is measured is the way from a file to the kernel. A row is the median of its rounds; the ratio
is the first row of its kind over that row.
"""


@dataclass(frozen=True)
class Reading:
    """A dump and its plan, outside the guest; seconds on a processor."""

    services: int
    destinations: int
    dump: float
    plan: float


def read(dump: Path, shape: Shape, rounds: int) -> Reading:
    """Read a recorded dump and plan from it, as often as asked; the median counts.

    Raises:
        AssertionError: what was recorded is not the table of this shape.
    """
    dumps: list[float] = []
    plans: list[float] = []
    desired = shape.desired()
    for _ in range(rounds):
        kernel = replayed(dump)
        began = time.process_time()
        observed = kernel.read()
        between = time.process_time()
        operations = plan(desired, observed, set(desired))
        dumps.append(between - began)
        plans.append(time.process_time() - between)
        assert not operations, f"{len(operations)} operations where the table is as it should be"
    return Reading(
        services=shape.virtual,
        destinations=shape.real,
        dump=statistics.median(dumps),
        plan=statistics.median(plans),
    )


def _row(what: str, program: str, seconds: Sequence[float], base: float, operations: str = "") -> list[str]:
    middle = statistics.median(seconds)
    share = "" if middle == base else ratio(base, middle)
    return [
        what,
        program,
        str(len(seconds)),
        milliseconds(middle),
        milliseconds(max(seconds)),
        share,
        operations,
    ]


def _sent(changed: Changed) -> str:
    return ", ".join(sorted({str(count) for count in changed.operations}))


def show_times(found: Figures, small: Shape, large: Shape) -> str:
    """Make the table of times."""
    rows: list[list[str]] = []
    if found.write:
        what = f"{small.virtual + small.real} operations"
        base = statistics.median(found.write)
        rows += [
            _row(what, "vipbus, plan to done", found.write, base),
            _row(what, "ipvsadm --restore", found.restore, base),
            _row(what, "keepalived, exec to whole", found.load, base),
        ]
    if found.ours is not None and found.theirs is not None:
        ours, theirs = found.ours, found.theirs
        what = f"exec to whole, {large.real} real servers"
        rows += [
            _row(what, "vipbus run", (ours.seconds,), ours.seconds),
            _row(what, "keepalived", (theirs.seconds,), ours.seconds),
        ]
        reload = theirs.by_file.seconds
        for what, program, changed in (
            ("one changed", "vipbus, drain and enable, from the request", ours.by_request),
            ("one changed", "vipbus, drain and enable, from the command's exec", ours.by_command),
            ("one changed", "vipbus, weight in the file, from SIGHUP", ours.by_file),
        ):
            if changed is not None:
                share = ratio(changed.median, theirs.by_file.median)
                row = _row(what, program, changed.seconds, changed.median, _sent(changed))
                rows.append([*row[:5], f"{share} of the reload", row[6]])
        rows.append(
            [*_row("one changed", "keepalived, weight in the file, from SIGHUP", reload, 0.0)[:5], "", ""]
        )
    return table(("what", "program", "rounds", "median ms", "max ms", "ratio", "operations sent"), rows)


def show_processes(found: Figures) -> str:
    """Make the table of processes."""
    rows: list[tuple[str, ...]] = []
    for side in (found.ours, found.theirs):
        if side is not None:
            rows += _processes(side)
    header = ("process", "CPU s, when whole", "CPU s, when calm", "resident MB", "share MB")
    return table(header, rows)


def _processes(side: Whole) -> list[tuple[str, ...]]:
    busy = [f"{each.seconds:.2f}" for each in side.busy]
    rows = [
        (
            each.name,
            busy[place] if len(busy) == len(side.settled) else "",
            f"{each.seconds:.2f}",
            f"{each.resident / 1e6:.1f}",
            f"{each.shared / 1e6:.1f}",
        )
        for place, each in enumerate(side.settled)
    ]
    rows.append(
        (
            "together",
            f"{sum(each.seconds for each in side.busy):.2f}",
            f"{sum(each.seconds for each in side.settled):.2f}",
            f"{sum(each.resident for each in side.settled) / 1e6:.1f}",
            f"{sum(each.shared for each in side.settled) / 1e6:.1f}",
        )
    )
    return rows


def show_reading(found: Reading) -> str:
    """Say what a dump and its plan cost."""
    return (
        f"Outside the guest, from the bytes that its kernel sent: {found.services} services with "
        f"{found.destinations} destinations are read in {found.dump:.2f} s and planned in {found.plan:.2f} s "
        "on a processor."
    )


def measure(small: str, large: str, rounds: int, changes: int, directory: Path) -> Figures:
    """Have it measured where the kernel has IPVS.

    Raises:
        SystemExit: it was not.
    """
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / "figures.json"
    output.unlink(missing_ok=True)
    (directory / "dump").unlink(missing_ok=True)
    guest = [sys.executable, "-m", "tests.lab.guest", "--seconds", "3600", "--"]
    inside = [
        sys.executable,
        "-m",
        "tests.bench.table_guest",
        str(output),
        "--small",
        small,
        "--large",
        large,
    ]
    more = ["--rounds", str(rounds), "--changes", str(changes), "--dump", str(directory / "dump")]
    done = subprocess.run([*guest, *inside, *more], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return msgspec.json.decode(output.read_bytes(), type=Figures)


def _shape(text: str) -> Shape:
    virtual, _, real = text.partition("x")
    return Shape(int(virtual), int(real))


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", default="100x4900", help="virtual x real servers written alone (100x4900)")
    parser.add_argument(
        "--large", default="2284x37298", help="virtual x real servers of the file (2284x37298)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of the writing alone (5)")
    parser.add_argument("--changes", type=int, default=5, help="of one real server (5)")
    parser.add_argument("--short", action="store_true", help="tables of a few hundred, one round")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    small, large = options.small, options.large
    rounds, changes = options.rounds, options.changes
    if options.short:
        small, large, rounds, changes = "10x190", "20x300", 1, 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    busy = Busy()
    directory = Path("artifacts/bench-table").absolute()
    found = measure(small, large, rounds, changes, directory)
    machine = f"Machine: {describe()}. It was busy {busy.share():.0%}."
    parts = [show_times(found, _shape(small), _shape(large)), show_processes(found)]
    if found.ours is None:
        parts.append(
            "`vipbus run` did not write the whole table, or not what was asked of it; the log says why."
        )
    else:
        parts.append(show_reading(read(directory / "dump", _shape(large), rounds)))
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        write_section(options.write, NAME, f"{_INTRODUCTION.strip()}\n\n{text}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
