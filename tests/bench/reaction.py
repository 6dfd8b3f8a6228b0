"""``make bench-reaction``: from a target's close to the verdict on the bus, and to the programmer's send."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from health_prober.check import round_begins, round_of, rules_of
from tests.bench.companions import Companions
from tests.bench.figures import Distribution, milliseconds, table
from tests.bench.floor import Seen, floor
from tests.bench.machine import Busy, describe
from tests.bench.prober_engine import address
from tests.bench.report import write_section
from tests.bench.stalls import Stalls
from tests.support.config import publish_config_on
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from vipbus.bus import Bus, BusAddress
from vipbus.contracts import HEALTH, Entity, RealServer, TcpCheck, VirtualServer

NAME = "bench-reaction"
TARGETS = 1000
INTERVAL = 1.0
"""Seconds between two checks of a target."""
POOLS = 10
"""Virtual servers that share the targets."""
ROUTER = "r1"
_TOLERATED = 0.001
"""Seconds that the machine may stand still while a figure is taken."""
_AFTER = int(0.02 * 1e9)
"""Nanoseconds after a stall in which what it held up is still being worked off."""
_SEED = 9568
_INTRODUCTION = """\
## Reaction
{targets} targets on loopback in {pools} virtual servers, each checked every {interval:g} s by TCP without a
retry; a nats-server, health-prober and ipvs-programmer as processes of their own. {closes} targets close
one after the other, every 10 to 50 ms. To the verdict: until an observer on the bus has it. To the decision:
the prober's, by the time in the verdict. To the send: until the programmer hands the change to its port to
the kernel, where this one looks at the clock instead of sending. Beyond the check: from the moment at which,
by its schedule, the target's next check after the close was due; so it counts the check's lateness, its
refusal, the decision, the bus and the plan. A close during which, or within 20 ms after which, a processor
stood still for 1 ms or more, or took five times as long as usual for the same little work, is left out and
counted: the machine's figure, not a program's. The bus alone: from the writing of a value to the moment at
which a watcher in the same process has it, with nats-py as it comes, meanwhile, on the same server.
"""


@dataclass
class Close:
    """A target's close and what came of it; times in seconds on the monotonic clock."""

    check: TcpCheck
    closed: float
    closed_ns: int
    """Since 1970."""
    decided: float = 0.0
    """When the prober decided, by the verdict's own time."""
    verdict: float = 0.0
    sent: float = 0.0
    ended_ns: int = 0
    """When the later of both was seen, since 1970."""

    def beyond(self, until: float) -> float:
        """Give the seconds until then that were not spent waiting for the target's next check."""
        rules = rules_of(self.check)
        due = round_begins(rules, round_of(rules, until))
        # a check that was under way when the target closed may have been refused by the close
        return until - max(due, self.closed)


@dataclass
class Targets:
    """Listening sockets, an address each."""

    port: int = 0
    _open: dict[str, socket.socket] = field(default_factory=dict)

    def listen(self, count: int) -> None:
        """Open them all, on one port."""
        for number in range(count):
            listener = self._open[address(number)] = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address(number), self.port))
            listener.listen(128)
            self.port = listener.getsockname()[1]

    def entities(self) -> list[Entity]:
        """Describe them as pools of virtual servers."""
        entities: list[Entity] = []
        for pool in range(POOLS):
            served = VirtualServer(
                router=ROUTER,
                address=f"10.9.0.{pool + 1}",
                port=80,
                protocol="TCP",
                scheduler="rr",
                forwarding="NAT",
            )
            entities.append(served)
            entities += [
                RealServer(
                    router=ROUTER,
                    virtual_server=served.id,
                    address=where,
                    port=self.port,
                    checks=(self.check(where),),
                )
                for where in list(self._open)[pool::POOLS]
            ]
        return entities

    def check(self, where: str) -> TcpCheck:
        """Give a target's check."""
        return TcpCheck(address=where, port=self.port, interval=INTERVAL, timeout=1.0, retry=0)

    def close(self, where: str) -> Close:
        """Close one."""
        closing = self._open.pop(where)
        close = Close(self.check(where), time.monotonic(), time.time_ns())
        closing.close()
        return close

    def close_all(self) -> None:
        """Close the rest."""
        while self._open:
            self._open.popitem()[1].close()


async def watched(
    server: NatsServer, directory: Path, targets: Targets, closes: int
) -> tuple[list[Close], list[Seen]]:
    """Start everything, close targets, and note when each was seen to be down and taken out.

    Beside them, what the bus alone took before the first close.

    Raises:
        AssertionError: something that was to happen did not.
    """
    bus = Bus(BusAddress(url=server.url), source="bench")
    bus.start()
    await bus.usable(10)
    waiting: dict[str, Close] = {}

    def look() -> None:
        now = time.monotonic()
        for where, close in list(waiting.items()):
            entry = health.entries.get(keys[where])
            if entry is not None and entry.value.verdict == "down":
                close.verdict = now
                close.decided = close.closed + entry.value.since.timestamp() - close.closed_ns * 1e-9
                del waiting[where]

    health = bus.follow(HEALTH, on_change=look)
    companions = Companions()
    try:
        entities = targets.entities()
        servers = [entity for entity in entities if isinstance(entity, RealServer)]
        keys = {server.address: f"{server.virtual_server}.{server.id}" for server in servers}
        await publish_config_on(bus, entities, ROUTER)
        taken = directory / "taken"
        taken.touch()
        for module, *arguments in (
            ("tests.bench.reaction_programmer", str(taken), "--router", ROUTER),
            ("health_prober",),
        ):
            state, log = directory / module, directory / "log"
            state.mkdir()
            companions.start(module, *arguments, "--bus", server.url, "--state-dir", str(state), log=log)
        await eventually_async(
            lambda: sum(entry.value.verdict == "up" for entry in health.entries.values()) == len(servers),
            "every target is up",
            within=60,
        )
        await asyncio.sleep(3 * INTERVAL)  # what was done at the start is over
        alone = await floor(server.url, closes)
        chance = random.Random(_SEED)
        made: dict[str, Close] = {}
        for where in chance.sample(list(keys), closes):
            made[where] = waiting[where] = targets.close(where)
            await asyncio.sleep(chance.uniform(0.01, 0.05))
        await eventually_async(lambda: not waiting, "every verdict is there", within=30)
        await eventually_async(
            lambda: len(taken.read_text().splitlines()) >= closes, "every target is taken out", within=30
        )
        for line in taken.read_text().splitlines():
            when, where = line.split()
            made[where].sent = int(when) * 1e-9
        for close in made.values():
            lasted = max(close.verdict, close.sent) - close.closed
            close.ended_ns = close.closed_ns + int(lasted * 1e9)
        return list(made.values()), alone
    finally:
        companions.end()
        await bus.close()


def undisturbed(closes: Sequence[Close], stalls: Sequence[tuple[int, int]]) -> list[Close]:
    """Leave out closes whose reaction, from the check on, met a stall of the machine."""

    def calm(close: Close) -> bool:
        work = max(close.beyond(close.verdict), close.beyond(close.sent))
        return _meets_none(stalls, close.ended_ns - int(work * 1e9), close.ended_ns)

    return [close for close in closes if calm(close)]


def _meets_none(stalls: Sequence[tuple[int, int]], began: int, ended: int) -> bool:
    return all(end + _AFTER < began or begin > ended for begin, end in stalls)


def show(closes: Sequence[Close], alone: Sequence[Seen]) -> str:
    """Make the table."""
    spans = {
        "written to seen, the bus alone": [each.seconds for each in alone],
        "close to verdict": [close.verdict - close.closed for close in closes],
        "close to send": [close.sent - close.closed for close in closes],
        "decision beyond the check": [close.beyond(close.decided) for close in closes],
        "verdict beyond the check": [close.beyond(close.verdict) for close in closes],
        "send beyond the check": [close.beyond(close.sent) for close in closes],
    }
    rows = []
    for what, values in spans.items():
        found = Distribution.of(values)
        figures = (found.median, found.p99, found.maximum)
        rows.append((what, str(len(values)), *(milliseconds(each) for each in figures)))
    return table(("from", "times", "p50 ms", "p99 ms", "max ms"), rows)


def main() -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--closes", type=int, default=900, help="how many targets close (900)")
    parser.add_argument("--short", action="store_true", help="20 closes")
    parser.add_argument("--write", type=Path, help="the file whose section is replaced")
    options = parser.parse_args()
    closes = 20 if options.short else options.closes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it started is to end with it
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stalls = stack.enter_context(Stalls())
        targets = Targets()
        stack.callback(targets.close_all)
        targets.listen(TARGETS)
        server = NatsServer(directory)
        server.start()
        stack.callback(server.kill)
        busy, began = Busy(), time.time_ns()
        found, bare = asyncio.run(watched(server, directory, targets, closes))
        stood = stalls.spans(began, _TOLERATED)
        calm = undisturbed(found, stood)
        alone = [each for each in bare if _meets_none(stood, each.written, each.seen)]
        share = busy.share()
    left_out = f"{len(found) - len(calm)} of {len(found)} closes met a stall and are left out."
    whole = Distribution.of([close.beyond(close.sent) for close in found])
    left_out += (
        f" With them, from check to send: p50 {milliseconds(whole.median)} ms, "
        f"p99 {milliseconds(whole.p99)} ms, the longest {milliseconds(whole.maximum)} ms."
    )
    shown = show(calm, alone) if calm and alone else "every close met a stall of the machine"
    print(f"{shown}\n\n{left_out}")
    if options.write:
        introduction = _INTRODUCTION.format(
            targets=TARGETS, pools=POOLS, interval=INTERVAL, closes=closes
        ).strip()
        machine = f"Machine: {describe()}. It was busy {share:.0%}."
        write_section(options.write, NAME, f"{introduction}\n\n{shown}\n\n{left_out}\n\n{machine}")
        print(f"written to {options.write}")


if __name__ == "__main__":
    main()
