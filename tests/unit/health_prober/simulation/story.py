"""The story of one seed: replicas come and go, lines are cut and stand still, targets die and come back."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from unittest.mock import patch

from health_prober import lease, publisher, service
from tests.unit.health_prober.simulation.bus import NOTICED_WITHIN
from tests.unit.health_prober.simulation.engine import now_ns
from tests.unit.health_prober.simulation.loop import SimulatedLoop
from tests.unit.health_prober.simulation.rules import BrokenRuleError
from tests.unit.health_prober.simulation.world import Plan, Replica, World
from vipbus.contracts import Damping, TcpCheck

T = TypeVar("T")

TROUBLE = 12.0
"""Seconds of trouble."""
CALM = 8.0
"""Seconds after it, in which everything must become right: a line that stands still, a lease, some rounds."""
_MOST = 5
"""Replicas."""


def play(seed: int, say: Callable[[str], None] = lambda _line: None) -> World:
    """Play a seed.

    Raises:
        BrokenRuleError: a rule was broken.
    """
    return simulated(_Story(seed, say).play)


def simulated(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a story in simulated time."""
    loop = SimulatedLoop()
    asyncio.set_event_loop(loop)
    with _simulated_clocks():
        try:
            return loop.run_until_complete(story())
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 60))
            asyncio.set_event_loop(None)
            loop.close()


@contextmanager
def _simulated_clocks() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch.object(lease, "_clock", lambda: asyncio.get_running_loop().time()),
            patch.object(publisher, "_now", lambda: datetime.fromtimestamp(now_ns() / 1e9, UTC)),
            patch.object(service.engine, "raise_descriptor_limit", lambda: 1000),
        ):
            yield
    finally:
        logging.disable(disabled)


class _Story:
    def __init__(self, seed: int, say: Callable[[str], None]) -> None:
        self.chance = random.Random(seed)
        self.quiet = seed % 3 == 0
        """Nothing happens to the targets: a verdict must not change because one changed hands."""
        self.torn = seed % 3 == 1
        """Nor here, but some replicas do not see some of them."""
        self.world = World(self.chance, self._plan(), say)
        self.faults: list[BaseException] = []

    def _plan(self) -> Plan:
        chance = self.chance
        most = chance.choice((1, 1, 2, 3, 3, 5))
        damping = Damping(penalty=1000.0, suppress=900.0, reuse=700.0, half_life=8.0)
        return Plan(
            vantages=tuple(
                (most, *((chance.randint(1, 3),) * chance.randint(0, 1))) for _ in range(chance.randint(1, 3))
            ),
            check=TcpCheck(
                address="10.9.1.0",
                port=80,
                interval=1.0,
                timeout=0.5,
                retry=chance.choice((0, 0, 1)),
                delay_before_retry=0.2,
                rise=chance.choice((1, 1, 2)),
                fall=chance.choice((1, 1, 2)),
            ),
            damping=damping if chance.random() < 0.6 else None,
        )

    async def play(self) -> World:
        world, loop = self.world, asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: self.faults.append(context.get("exception") or RuntimeError(str(context)))
        )
        world.tell(str(world.plan))
        world.configure()
        for _ in range(self.chance.randint(1, 4)):
            self._start()
        while loop.time() < TROUBLE:
            await asyncio.sleep(self.chance.expovariate(0.8))
            await self._trouble()
        for replica in world.replicas.values():
            self.world.go_on(replica)
            replica.bus.heal()
        if not world.replicas:
            self._start()
        world.tell("all is calm")
        await asyncio.sleep(CALM)
        self._judge()
        for replica in list(world.replicas.values()):
            await world.kill(replica)
        return world

    def _judge(self) -> None:
        if self.world.rules.broken:
            raise self.world.rules.broken[0]
        if self.faults:
            raise self.faults[0]
        for replica in self.world.replicas.values():
            if replica.task.done():
                replica.task.result()
        self.world.rules.judge()
        if self.quiet:
            for key, said in self.world.rules.verdicts.items():
                if len(said) > 1:
                    raise BrokenRuleError(f"{key} went {' '.join(said)}, and nothing had happened to it")

    # ---- trouble

    async def _trouble(self) -> None:
        kinds = [
            self._come,
            self._end,
            self._line,
            self._line,
            self._all_lines,
            self._slow_line,
            self._stand_still,
        ]
        if not self.quiet and not self.torn:
            kinds += [self._target] * 4
        await self.chance.choice(kinds)()

    def _start(self) -> None:
        if len(self.world.replicas) < _MOST:
            replica = self.world.start()
            for address in self.world.addresses if self.torn else ():
                if self.chance.random() < 0.3:
                    self.world.blind.add((replica.name, address))
                    self.world.tell(f"{replica.name} does not see {address}")

    async def _come(self) -> None:
        self._start()

    def _one(self) -> Replica | None:
        replicas = list(self.world.replicas.values())
        return self.chance.choice(replicas) if replicas else None

    async def _end(self) -> None:
        if (replica := self._one()) is not None:
            dies = self.chance.random() < 0.5
            self.world.tell(f"{replica.name} {'dies' if dies else 'stops'}")
            await (self.world.kill(replica) if dies else self.world.stop(replica))

    async def _line(self) -> None:
        if (replica := self._one()) is not None:
            self._cut_or_heal([replica])

    async def _all_lines(self) -> None:
        self._cut_or_heal(list(self.world.replicas.values()))

    def _cut_or_heal(self, replicas: list[Replica]) -> None:
        cut = self.chance.random() < 0.5
        for replica in replicas:
            self.world.tell(f"the line of {replica.name} is {'cut' if cut else 'whole'}")
            (replica.bus.cut if cut else replica.bus.heal)()

    async def _stand_still(self) -> None:
        if (replica := self._one()) is not None:
            self.world.tell(f"{replica.name} {'goes on' if replica.process.stopped else 'stands still'}")
            (self.world.go_on if replica.process.stopped else self.world.stand_still)(replica)

    async def _slow_line(self) -> None:
        if (replica := self._one()) is not None:
            seconds = self.chance.uniform(0.1, NOTICED_WITHIN)
            self.world.tell(f"the line of {replica.name} stands still for {seconds:.3f} s")
            replica.bus.stand_still(seconds)

    async def _target(self) -> None:
        world, address, replica = self.world, self.chance.choice(self.world.addresses), self._one()
        if self.chance.random() < 0.5 or replica is None:
            world.dead ^= {address}
            world.tell(f"{address} is {'dead' if address in world.dead else 'alive'}")
        else:
            world.blind ^= {(replica.name, address)}
            sees = (replica.name, address) not in world.blind
            world.tell(f"{replica.name} {'sees' if sees else 'does not see'} {address}")
