"""haproxy-programmer with its bus and its haproxy, told by what config-service and probers write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from haproxy_programmer.observed import QUESTION, Server, observed
from haproxy_programmer.wanted import MAINT
from tests.bench.proxy_shape import MANY, Shape, address, worker
from tests.support.config import publish_config_on
from tests.support.proxy import ROUTER, Programmer, member, pool, proxy
from tests.support.proxy_socket import ask
from tests.support.waiting import eventually, eventually_async
from vipbus.bus import Bus
from vipbus.contracts import HEALTH, PROXY, Entity, ProxyMember, RealServer, Verdict
from vipbus.contracts.state import VerdictName
from vipbus.telemetry import trace

_WITHIN = 30.0


class Ours:
    """One; ``notes`` is where its programmer notes the batches that were taken."""

    def __init__(self, shape: Shape, bus: Bus, programmer: Programmer, notes: Path) -> None:
        self.shape = shape
        self._bus = bus
        self._programmer = programmer
        self._notes = notes
        self._web = [member(port) for port in shape.members]
        self._revisions: dict[str, int] = {}
        self._down: set[int] = set()
        self._tables = bus.follow(PROXY)
        self._read = 0
        """Octets of the notes that were read: to read all of them each millisecond would be measured too."""

    async def begin(self) -> None:
        """Publish the first revision and wait until HAProxy has all of it."""
        await self.publish()
        await eventually_async(lambda: len(self._weights()) == MANY, "haproxy has the pool", within=_WITHIN)

    async def read_back(self) -> None:
        """Wait until what was told is done and said, so that nothing of it meets what is told next."""
        await eventually_async(self._is_said, "HAProxy holds what was told, and that is said", within=_WITHIN)

    async def alone(self) -> None:
        """Wait until the workers of before have ended: a master takes no reload while one is under way."""
        await eventually_async(lambda: len(self._programmer.workers()) == 1, "one worker", within=_WITHIN)

    def _is_said(self) -> bool:
        said = {entry.value.pool: entry.value.members for entry in self._tables.entries.values()}
        up = dict(zip(self.shape.members, self.shape.up, strict=True))
        many = {
            address(number): (weight, number not in self._down)
            for number, weight in enumerate(self.shape.weights)
        }
        return {each.port: _is_up(each) for each in said.get("web", ())} == up and many == {
            each.address: (each.weight, _is_up(each)) for each in said.get("many", ())
        }

    async def publish(self) -> int:
        """Publish the shape as it is now; give when its head was written (ns of the monotonic clock)."""
        began: list[int] = []
        await publish_config_on(
            self._bus, self._entities(), ROUTER, before_head=lambda: began.append(time.monotonic_ns())
        )
        return began[0]

    async def tell(self) -> int:
        """Tell who of the two is up; give when (ns of the monotonic clock)."""
        said = [self._verdict(real, up) for real, up in zip(self._web, self.shape.up, strict=True)]
        began, _ = await self._write(said)
        return began

    async def flip(self, count: int) -> tuple[int, int]:
        """Turn the verdicts of so many members of the large pool.

        Give when the first was written, and when the bus had the last (ns of the monotonic clock).
        """
        self._down ^= set(range(count))
        members = self._many()
        return await self._write(
            [self._verdict(members[number], number not in self._down) for number in range(count)]
        )

    def taken(self, since: int, count: int) -> int:
        """Wait until so many commands were acknowledged since; give when the last was."""
        left = count
        when = 0

        def enough() -> bool:
            nonlocal left, when
            with self._notes.open() as notes:
                notes.seek(self._read)
                while left > 0 and (line := notes.readline()).endswith("\n"):
                    self._read = notes.tell()
                    when, many = map(int, line.split())
                    left -= many if when > since else 0
            return left <= 0

        eventually(enough, f"{count} commands are taken", within=_WITHIN, every=0.001)
        return when

    def worker(self) -> int:
        """Give the process id of the worker that answers."""
        return worker(ask(self._programmer.haproxy / "stats.sock", "show info"))

    def new_worker(self, before: int) -> int:
        """Wait for another worker; give when it answered."""
        eventually(lambda: self.worker() not in (0, before), "another worker", within=_WITHIN, every=0.002)
        return time.monotonic_ns()

    def check(self) -> None:
        """Compare what HAProxy holds with what was said.

        Raises:
            AssertionError: it is something else.
        """
        assert self._weights() == {address(n): each for n, each in enumerate(self.shape.weights)}
        down = {each.address for each in self._servers() if each.operational == 0}
        assert down == {address(number) for number in self._down}

    def _weights(self) -> dict[str, int]:
        return {each.address: each.weight for each in self._servers()}

    def _servers(self) -> list[Server]:
        said = ask(self._programmer.haproxy / "stats.sock", QUESTION)
        if not said:
            return []
        found = observed(said).servers
        return [
            each for (backend, _), each in found.items() if backend == "pool-many" and not each.admin & MAINT
        ]

    def _entities(self) -> list[Entity]:
        shape = self.shape
        pools = [pool(retries=shape.retries), pool(name="many")]
        return [proxy(shape.port), *pools, *self._web, *self._many()]

    def _many(self) -> list[RealServer]:
        return [
            member(80, address(number), virtual_server="pool-many", weight=weight)
            for number, weight in enumerate(self.shape.weights)
        ]

    def _verdict(self, real: RealServer, up: bool) -> Verdict:
        word: VerdictName = "up" if up else "down"
        return Verdict(
            virtual_server=real.virtual_server,
            real_server=real.id,
            verdict=word,
            cause="said by the benchmark",
            since=datetime.now(UTC),
            prober="bench",
            lease=1,
        )

    async def _write(self, said: Sequence[Verdict]) -> tuple[int, int]:
        """Write verdicts; give when the first was sent, and when the bus had the last (ns)."""
        writes = [(each.key, msgspec.json.encode(each), self._revisions.get(each.key, 0)) for each in said]
        context = trace.record("bench")
        now = datetime.now(UTC)
        began = time.monotonic_ns()
        revisions = await self._bus.write_many(HEALTH, writes, trace=context, time=now)
        ended = time.monotonic_ns()
        for (key, _, _), revision in zip(writes, revisions, strict=True):
            assert revision is not None, f"somebody else wrote {key}"
            self._revisions[key] = revision
        return began, ended


def _is_up(member: ProxyMember) -> bool:
    return member.state == "up"
