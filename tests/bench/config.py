"""``make bench-config``: 37,298 real servers in one revision, then one changed; until all have it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from tests.bench.companions import Companions
from tests.bench.figures import Distribution, milliseconds, table
from tests.bench.machine import describe
from tests.bench.report import write_section
from tests.bench.table_shape import ROUTER, Shape
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.bus.packed import unpack
from vipbus.contracts import CONFIG, Head, ReloadConfig, ReloadResult
from vipbus.contracts.config_commands import ChangeServer, ConfigResult

NAME = "bench-config"
CONSUMERS = 3
"""As a router has: agent, programmer, prober."""
_ANSWER_WITHIN = 60.0
_INTRODUCTION = """\
## Configuration
{real:,} real servers in {virtual:,} virtual servers are one revision; then the weight of one real server is
changed {rounds} times by `vipbus server set-weight` and {rounds} times in the file, with a reload.
nats-server, config-service and {consumers} consumers are processes of their own; a consumer holds a revision
when it has put it together and compared its digest, as the services do. Time: from the command's request to
each consumer, and to the last. Written: keys of the bucket and their octets, the head among them, without the
record of what was.
"""


class Run:
    """One run: a bus, config-service, consumers."""

    def __init__(self, server: NatsServer, directory: Path, shape: Shape) -> None:
        self.file = directory / "lb.conf"
        self.shape = shape
        self._server = server
        self._directory = directory
        self.companions = Companions()
        self.bus = Bus(BusAddress(url=server.url), source="bench")
        self.all = self.bus.follow(CONFIG, f"{ROUTER}.>")
        self._held = [directory / f"held-{number}" for number in range(CONSUMERS)]

    @property
    def revision(self) -> int:
        """The one that runs."""
        entry = self.all.entries.get(f"{ROUTER}.head")
        return entry.value.revision if entry is not None and isinstance(entry.value, Head) else 0

    def start(self) -> None:
        """Start every process."""
        for held in self._held:
            held.touch()
            arguments = (self._server.url, ROUTER, str(held))
            self.companions.start("tests.bench.config_consumer", *arguments, log=self._directory / "log")
        self.companions.start(
            *("config_service", "--bus", self._server.url, "--state-dir", str(self._directory)),
            *("--file", f"{ROUTER}={self.file}"),
            log=self._directory / "log",
        )

    def held(self, revision: int) -> list[int]:
        """Say when consumers held a revision: nanoseconds of the monotonic clock."""
        lines = [line.split() for held in self._held for line in held.read_text().splitlines()]
        return [int(when) for when, number in lines if int(number) == revision]

    async def change(self, do: Callable[[], Awaitable[None]]) -> tuple[list[float], int, int]:
        """Change something; give seconds to each consumer, keys written, octets of them."""
        before = {key: entry.revision for key, entry in self.all.entries.items()}
        wanted = self.revision + 1
        began = time.monotonic_ns()
        await do()
        await eventually_async(lambda: len(self.held(wanted)) == CONSUMERS, "all hold it", within=120)
        await eventually_async(lambda: self.revision == wanted, "it is seen")
        new = [entry for key, entry in self.all.entries.items() if before.get(key) != entry.revision]
        return [(when - began) * 1e-9 for when in self.held(wanted)], len(new), sum(len(e.body) for e in new)

    async def by_command(self, weight: int) -> None:
        """Have one real server's weight changed by command."""
        virtual, pool = next(iter(self.shape.pools()))
        asked = ChangeServer(
            verb="set-weight",
            virtual_server=f"{virtual.address}:{virtual.port}",
            real_server=f"{pool[0].address}:{pool[0].port}",
            weight=weight,
            by="bench",
        )
        body = msgspec.json.encode(asked)
        subject = f"vipbus.cmd.config-service.server.{ROUTER}"
        answer = await self.bus.request(subject, body, timeout=_ANSWER_WITHIN)
        result = msgspec.json.decode(unpack(answer), type=ConfigResult)
        assert result.accepted, result.reason

    async def by_file(self) -> None:
        """Have the file read again."""
        subject, body = "vipbus.cmd.config-service.reload", msgspec.json.encode(ReloadConfig())
        answer = await self.bus.request(subject, body, timeout=_ANSWER_WITHIN)
        result = msgspec.json.decode(answer, type=ReloadResult)
        assert result.accepted, result.reason


async def measured(run: Run, rounds: int) -> list[tuple[str, ...]]:
    """Run it; give the rows of the table.

    Raises:
        AssertionError: more was written than what changed.
    """
    rows: list[tuple[str, ...]] = []

    def row(what: str, found: list[tuple[list[float], int, int]]) -> None:
        each = Distribution.of(seconds for spans, _, _ in found for seconds in spans)
        last = Distribution.of(max(spans) for spans, _, _ in found)
        keys, octets = {keys for _, keys, _ in found}, max(octets for _, _, octets in found)
        figures = (each.median, last.median, last.maximum)
        shown = "/".join(map(str, sorted(keys)))
        rows.append((what, str(len(found)), *(milliseconds(one) for one in figures), shown, f"{octets:,}"))

    run.bus.start()
    await run.bus.usable(10)
    run.file.write_text(run.shape.keepalived_conf())

    async def start() -> None:
        run.start()

    row("first revision, from exec", [await run.change(start)])
    changes = [partial(run.by_command, 100 + number) for number in range(rounds)]
    row("one weight, by command", [await run.change(each) for each in changes])
    found = []
    for number in range(rounds):
        run.file.write_text(run.shape.keepalived_conf({(0, 1): 100 + number}))
        found.append(await run.change(run.by_file))
    row("one weight, by file", found)
    for what, _, _, _, _, keys, _ in rows[1:]:
        # by file the first takes back what was said by command, too
        assert keys in ("2", "2/3"), f"{what} wrote {keys} keys"
    return rows


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often one weight is changed (20)")
    parser.add_argument("--short", action="store_true", help="2 rounds with 1,000 real servers")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    shape, rounds = (Shape(100, 1000), 2) if options.short else (Shape(2300, 37_298), options.rounds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = NatsServer(directory)
        server.start()
        stack.callback(server.kill)

        async def whole() -> list[tuple[str, ...]]:
            run = Run(server, directory, shape)
            try:
                return await measured(run, rounds)
            finally:
                run.companions.end()
                await run.bus.close()

        rows = asyncio.run(whole())
    header = ("what", "times", "p50 ms", "last p50 ms", "last max ms", "keys", "octets")
    shown = table(header, rows)
    print(shown)
    if options.write:
        introduction = _INTRODUCTION.format(
            real=shape.real, virtual=shape.virtual, rounds=rounds, consumers=CONSUMERS
        ).strip()
        write_section(options.write, NAME, f"{introduction}\n\n{shown}\n\nMachine: {describe()}.")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
