"""``make bench-proxy``: from an event to the request that obeys it, beside a file written and reloaded."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.figures import Distribution, milliseconds, ratio, table
from tests.bench.machine import Busy, describe
from tests.bench.proxy_ours import Ours
from tests.bench.proxy_plain import Plain
from tests.bench.proxy_shape import MANY, Shape, obeyed
from tests.bench.report import write_section
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import Programmer, haproxy
from tests.support.proxy_nginx import nginx
from tests.support.wrk import Wrk
from vipbus.bus import Bus, BusAddress

NAME = "bench-proxy"
BATCHES = (1, 10, 100, MANY)
_INTRODUCTION = """\
## Proxies
A HAProxy with a pool of two members that answer and one of {many:,}. `vipbus`: haproxy-programmer, told on
the bus by the same documents that probers and config-service write; nats-server, programmer and HAProxy are
processes of their own. `file and reload`: what a script does with a template and `systemctl reload`, without
anything between: write the whole file, `haproxy -c`, signal the master. One after the other, alone on the
machine. Obeyed: from the event, or the script's start, to the first answer that shows it, each request on a
new connection. Reload: a part of the structure changes, until the new worker answers. Batches: from the
revision's head, the first of the verdicts, or the moment at which the bus had the last, to the last command
that HAProxy acknowledged; for the file, to the new worker's answer. The ratio is vipbus over that row.
Under wrk: meanwhile eight clients ask the proxy {load:,.0f} times a second in all, and no request fails.
"""
_LOADED = ", under wrk"
_PAUSE = 4
"""Milliseconds that each client of the load rests: without a rest they would take two processors."""


@dataclass(frozen=True)
class Row:
    """One thing that was done over and over; seconds."""

    what: str
    program: str
    seconds: tuple[float, ...]

    @property
    def found(self) -> Distribution:
        """Its distribution."""
        return Distribution.of(self.seconds)


def plain_rows(shape: Shape, rounds: int) -> list[Row]:
    """Measure file and reload."""
    program = "file and reload"
    rows = []
    with Plain(replace(shape, up=[True, True], weights=[1] * MANY)) as plain:
        for what, up in (("member down, obeyed", False), ("member up, obeyed", True)):
            spans = []
            for _ in range(rounds):
                plain.shape.up[0] = not up
                plain.new_worker(plain.change())
                plain.alone()
                plain.shape.up[0] = up
                began = time.monotonic_ns()
                plain.change()
                spans.append((obeyed(plain.shape) - began) * 1e-9)
                plain.alone()
            rows.append(Row(what, program, tuple(spans)))
        spans = []
        for number in range(rounds):
            plain.shape.retries = 4 + number
            plain.alone()
            began = time.monotonic_ns()
            spans.append((plain.new_worker(plain.change()) - began) * 1e-9)
        rows.append(Row("reload", program, tuple(spans)))
        for count in BATCHES:
            spans = []
            for number in range(rounds):
                plain.shape.weights[:count] = [2 + number % 100] * count
                plain.alone()
                began = time.monotonic_ns()
                spans.append((plain.new_worker(plain.change()) - began) * 1e-9)
            rows.append(Row(f"{count:,} members", program, tuple(spans)))
    return rows


async def our_rows(ours: Ours, rounds: int, reloads: int) -> tuple[list[Row], float]:
    """Measure vipbus; give the requests a second that were its load, too.

    Raises:
        AssertionError: HAProxy does not hold what was said, or a request of the load failed.
    """
    rows = []
    shape = ours.shape
    await ours.begin()
    for what, up in (("member down, obeyed", False), ("member up, obeyed", True)):
        spans = []
        for _ in range(rounds):
            shape.up[0] = not up
            await ours.tell()
            obeyed(shape)
            await ours.read_back()
            shape.up[0] = up
            began = await ours.tell()
            spans.append((obeyed(shape) - began) * 1e-9)
        rows.append(Row(what, "vipbus", tuple(spans)))
    spans = []
    for number in range(reloads):
        await ours.alone()
        shape.retries = 4 + number
        before = ours.worker()
        began = await ours.publish()
        spans.append((ours.new_worker(before) - began) * 1e-9)
    rows.append(Row("reload", "vipbus", tuple(spans)))
    for count in BATCHES:
        rows += await _weights(ours, count, rounds)
    for count in BATCHES:
        rows += await _verdicts(ours, count, rounds)
    load = Wrk(shape.port, [str(port) for port in shape.members], keep=True, pause=_PAUSE)
    began_at = time.monotonic()
    try:
        for row in (*await _weights(ours, MANY, rounds), *await _verdicts(ours, MANY, rounds)):
            rows.append(replace(row, what=f"{row.what}{_LOADED}"))
        seconds = time.monotonic() - began_at
        found = load.end()
    finally:
        load.kill()
    assert found.failed == 0, found
    return rows, found.requests / seconds


async def _weights(ours: Ours, count: int, rounds: int) -> list[Row]:
    spans = []
    for _ in range(rounds):
        await ours.read_back()
        ours.shape.weights[:count] = [2 + (ours.shape.weights[0] - 1) % 100] * count  # another one each time
        began = await ours.publish()
        spans.append((ours.taken(began, count) - began) * 1e-9)
    ours.check()
    return [Row(f"{count:,} weights, one revision", "vipbus", tuple(spans))]


async def _verdicts(ours: Ours, count: int, rounds: int) -> list[Row]:
    spans = []
    after = []
    for _ in range(rounds):
        await ours.read_back()
        began, ended = await ours.flip(count)
        taken = ours.taken(began, count)
        spans.append((taken - began) * 1e-9)
        after.append(max(0, taken - ended) * 1e-9)
    ours.check()
    return [
        Row(f"{count:,} verdicts", "vipbus", tuple(spans)),
        Row(f"{count:,} verdicts, from the last", "vipbus", tuple(after)),
    ]


def show(ours: Sequence[Row], plain: Sequence[Row]) -> str:
    """Make the table: each of ours, then what it is compared with."""
    lines: list[tuple[str, ...]] = []
    by_what = {row.what: row for row in plain}

    def line(row: Row, *shares: str) -> None:
        found = row.found
        figures = (milliseconds(each) for each in (found.median, found.p99, found.maximum))
        lines.append((row.what, row.program, str(len(row.seconds)), *figures, *shares))

    for row in ours:
        line(row, "", "")
        peer = by_what.get(row.what) or by_what.get(f"{row.what.split()[0]} members")
        if peer is not None and not row.what.endswith(_LOADED):
            line(
                replace(peer, what=row.what),
                ratio(row.found.median, peer.found.median),
                ratio(row.found.p99, peer.found.p99),
            )
    header = ("what", "program", "times", "p50 ms", "p99 ms", "max ms", "ratio, p50", "ratio, p99")
    return table(header, lines)


def measure(rounds: int, reloads: int) -> tuple[list[Row], list[Row], float]:
    """Measure both, one after the other; and give the requests a second of the load."""
    with ExitStack() as stack:
        first, second = stack.enter_context(nginx(2))
        shape = Shape(free_port(), (first, second))
        plain = plain_rows(shape, reloads)
        directory = Path(tempfile.mkdtemp(prefix="haproxy-"))
        stack.callback(shutil.rmtree, directory)
        server = NatsServer(directory)
        server.start()
        stack.callback(server.kill)
        notes = directory / "notes"
        notes.touch()
        programmer = Programmer(directory, server, ("-m", "tests.bench.proxy_programmer", str(notes)))
        stack.callback(programmer.close)
        programmer.start("--reload-interval", "0.1")
        shape = Shape(programmer.port, (first, second))

        async def whole() -> tuple[list[Row], float]:
            bus = Bus(BusAddress(url=server.url), source="bench")
            bus.start()
            try:
                await bus.usable(10)
                return await our_rows(Ours(shape, bus, programmer, notes), rounds, reloads)
            finally:
                await bus.close()

        ours, load = asyncio.run(whole())
        return ours, plain, load


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how often each event is sent (100)")
    parser.add_argument("--reloads", type=int, default=30, help="how often each reload is done (30)")
    parser.add_argument("--short", action="store_true", help="3 of each")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    rounds, reloads = (3, 3) if options.short else (options.rounds, options.reloads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    busy = Busy()
    ours, plain, load = measure(rounds, reloads)
    shown = show(ours, plain)
    print(f"{shown}\n\nwrk: {load:,.0f} requests a second")
    if options.write:
        told = subprocess.run([haproxy(), "-v"], capture_output=True, text=True, check=True).stdout
        machine = f"Machine: {describe()}, HAProxy {told.split()[2].partition('-')[0]}. "
        machine += f"It was busy {busy.share():.0%}."
        introduction = _INTRODUCTION.format(many=MANY, load=load).strip()
        write_section(options.write, NAME, f"{introduction}\n\n{shown}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
