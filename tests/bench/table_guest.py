"""What ``make bench-table`` does where the kernel has IPVS: ``python -m tests.bench.table_guest OUTPUT``."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from ipvs_programmer.ipvs import IpvsKernel
from ipvs_programmer.keeper import Keeper
from tests.bench.table_replay import record
from tests.bench.table_shape import WEIGHT, Real, Shape
from tests.bench.table_sides import Side, Used, command, keepalived, operate, operations, vipbus
from vipbus.telemetry import trace

CHANGES = 5
"""Changes of one real server, of which the median counts."""


class Changed(msgspec.Struct, frozen=True):
    """One real server changed, several times; seconds, and how many operations each took."""

    seconds: tuple[float, ...]
    operations: tuple[int, ...] = ()

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A program and a large table."""

    seconds: float
    """From exec to the whole table."""
    busy: tuple[Used, ...]
    """What each process had used by then."""
    settled: tuple[Used, ...]
    """What each has used once nothing was left to do, with its memory."""
    by_file: Changed
    by_request: Changed | None = None
    by_command: Changed | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; times in seconds."""

    write: tuple[float, ...]
    """Ours, from plan to done."""
    restore: tuple[float, ...]
    load: tuple[float, ...]
    ours: Whole | None = None
    theirs: Whole | None = None


def write(shape: Shape, directory: Path) -> float:
    """Measure the programmer's own step from the plan to the kernel's acknowledgement."""
    with Side("write", shape, directory / "w") as side, side.namespace.entered():
        keeper = Keeper(IpvsKernel())
        desired = shape.desired()
        keeper.read(list(desired)[:1])
        keeper.want(list(desired), desired)
        began = time.monotonic()
        written = keeper.write(list(desired), trace.record("bench"))
        took = time.monotonic() - began
        assert not keeper.errors, keeper.errors
        assert len(written.operations) == shape.virtual + shape.real
        side.check()
        return took


def restore(shape: Shape, directory: Path) -> float:
    """Measure ``ipvsadm --restore``, from exec to its end."""
    with Side("restore", shape, directory / "w") as side:
        rules = side.directory / "rules"
        rules.write_text(shape.rules())
        began = time.monotonic()
        side.namespace.run("sh", "-c", f"exec ipvsadm --restore < {rules}")
        took = time.monotonic() - began
        side.check()
        return took


def load(shape: Shape, directory: Path) -> float:
    """Measure keepalived, from exec to the whole table."""
    with Side("load", shape, directory / "w") as side:
        return side.seconds_to_whole(*keepalived(side))


def reals(shape: Shape, count: int) -> list[Real]:
    """Choose real servers all over the table."""
    return [(shape.virtual * (2 * each + 1) // (2 * count), each % 3) for each in range(count)]


def theirs(shape: Shape, directory: Path, changes: int) -> Whole:
    """Measure keepalived with a large table, then with one weight of it changed."""
    with Side("theirs", shape, directory) as side:
        seconds = side.seconds_to_whole(*keepalived(side))
        busy = side.used()
        side.calm()
        settled = side.used(memory=True)
        by_file = []
        for real in reals(shape, changes):
            by_file.append(side.reload(real, WEIGHT + 1))
            side.calm()
        return Whole(
            seconds=seconds, busy=tuple(busy), settled=tuple(settled), by_file=Changed(tuple(by_file))
        )


def ours(shape: Shape, directory: Path, changes: int, dump: Path | None) -> Whole:
    """Measure ``vipbus run`` with the same."""
    with Side("ours", shape, directory) as side:
        seconds = side.seconds_to_whole(*vipbus(side))
        busy = side.used()
        side.calm()
        settled = side.used(memory=True)
        if dump is not None:
            with side.namespace.entered():
                record(dump)
        requested: list[float] = []
        commanded: list[float] = []
        filed: list[float] = []
        counts: dict[str, list[int]] = {"request": [], "command": [], "file": []}
        for real in reals(shape, changes):
            for state in ("drain", None):
                before = operations(side)
                requested.append(operate(side, real, state))  # type: ignore[arg-type]  # one of both
                side.calm()
                counts["request"].append(operations(side) - before)
        for real in reals(shape, changes)[:2]:
            for verb, weight in (("drain", 0), ("enable", WEIGHT)):
                before = operations(side)
                commanded.append(command(side, verb, real, weight))
                side.calm()
                counts["command"].append(operations(side) - before)
        previous: Real | None = None
        for real in reals(shape, changes):
            before = operations(side)
            filed.append(side.reload(real, WEIGHT + 1))
            side.calm()
            # the one that was changed before goes back in the same revision
            counts["file"].append(operations(side) - before - (previous is not None))
            previous = real
        return Whole(
            seconds=seconds,
            busy=tuple(busy),
            settled=tuple(settled),
            by_file=Changed(tuple(filed), tuple(counts["file"])),
            by_request=Changed(tuple(requested), tuple(counts["request"])),
            by_command=Changed(tuple(commanded), tuple(counts["command"])),
        )


def main() -> None:
    """Measure and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--small", default="100x4900")
    parser.add_argument("--large", default="2284x37298")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--only", default="small,theirs,ours")
    options = parser.parse_args()
    small, large = (Shape(*map(int, each.split("x"))) for each in (options.small, options.large))
    found: dict[str, list[float]] = {"write": [], "restore": [], "load": []}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if "small" in options.only:
            for number in range(options.rounds):
                for measure in (write, restore, load):
                    here = directory / f"{number}-{measure.__name__}"
                    (here / "w").mkdir(parents=True)
                    found[measure.__name__].append(measure(small, here))
            print(found, file=sys.stderr)
        them = theirs(large, directory, options.changes) if "theirs" in options.only else None
        print(them, file=sys.stderr)
        us = None
        if "ours" in options.only:
            try:
                us = ours(large, directory, options.changes, options.dump)
            except AssertionError as error:
                # the figures of the others are there, and this one is said where it is missing
                print(f"vipbus run: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        print(us, file=sys.stderr)
    figures = Figures(
        write=tuple(found["write"]),
        restore=tuple(found["restore"]),
        load=tuple(found["load"]),
        ours=us,
        theirs=them,
    )
    options.output.write_bytes(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()
