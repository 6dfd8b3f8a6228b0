"""Replicas with all of the prober's own code, the store between them, and the targets they see or not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import msgspec

from health_prober import service
from health_prober.service import WAITS_FOR, Prober
from tests.unit.health_prober.simulation.bus import SimulatedBus
from tests.unit.health_prober.simulation.engine import SimulatedEngine
from tests.unit.health_prober.simulation.loop import PROCESS, Process, SimulatedLoop
from tests.unit.health_prober.simulation.rules import Rules
from tests.unit.health_prober.simulation.store import Store
from vipbus.contracts import (
    Check,
    Damping,
    Entity,
    Head,
    RealServer,
    TcpCheck,
    Verdict,
    encoded,
    revision_digest,
)
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import TraceContext

VIRTUAL_SERVERS = ("10-9-0-1_80_tcp", "10-9-0-2_80_tcp")


@dataclass(frozen=True)
class Plan:
    """What a seed stands for."""

    vantages: tuple[tuple[int, ...], ...]
    """For each address what each of its virtual servers wants."""
    check: TcpCheck
    """But for its address."""
    damping: Damping | None


@dataclass
class Replica:
    """One process."""

    name: str
    bus: SimulatedBus
    prober: Prober
    engine: SimulatedEngine
    process: Process
    stopping: asyncio.Event
    task: asyncio.Task[None]
    voting: dict[str, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    """Whom it takes for the voters on a key, and since when."""


@dataclass
class World:
    """Everything there is, and what was said."""

    chance: random.Random
    plan: Plan
    say: Callable[[str], None]
    store: Store = field(default_factory=Store)
    replicas: dict[str, Replica] = field(default_factory=dict)
    processes: dict[str, Replica] = field(default_factory=dict)
    """Those that have ended, too."""
    dead: set[str] = field(default_factory=set)
    """Addresses of targets that answer nobody."""
    blind: set[tuple[str, str]] = field(default_factory=set)
    """Replica and address: this one does not see that."""
    started: int = 0

    def __post_init__(self) -> None:
        self.rules = Rules(self)
        self.store.on_write = self.rules.written
        self._servers = [
            RealServer(
                router="r1",
                virtual_server=virtual_server,
                address=address,
                port=80,
                vantages=vantages,
                damping=self.plan.damping,
                checks=(msgspec.structs.replace(self.plan.check, address=address),),
            )
            for address, wanted in zip(self.addresses, self.plan.vantages, strict=True)
            for virtual_server, vantages in zip(VIRTUAL_SERVERS, wanted, strict=False)
        ]
        self._places = {f"{server.virtual_server}.{server.id}": server.address for server in self._servers}

    # ---- ask

    @property
    def addresses(self) -> list[str]:
        return [f"10.9.1.{number}" for number in range(1, len(self.plan.vantages) + 1)]

    @property
    def keys(self) -> list[str]:
        return list(self._places)

    @property
    def settling(self) -> float:
        return self.plan.check.interval + self.plan.check.timeout

    def address_of(self, key: str) -> str:
        return self._places[key]

    def vantages(self, address: str) -> int:
        return max(self.plan.vantages[self.addresses.index(address)])

    def sees(self, replica: str, address: str) -> bool:
        return address not in self.dead and (replica, address) not in self.blind

    def tell(self, text: str) -> None:
        self.say(f"{asyncio.get_running_loop().time():7.3f} s {text}")

    # ---- act

    def configure(self) -> None:
        entities: list[Entity] = [*self._servers]
        bodies = encoded(entities)
        head = Head(
            router="r1",
            revision=1,
            entities=len(bodies),
            digest=revision_digest(bodies),
            source="simulation",
            accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        bodies[head.key] = msgspec.json.encode(head)
        for key, body in bodies.items():
            self.store.write("config", key, body, last=0, ttl=None, writer="config-service")

    def start(self) -> Replica:
        self.started += 1
        process, context = Process(), copy_context()
        context.run(PROCESS.set, process)
        replica = context.run(self._replica, f"p{self.started}", process)
        self.replicas[replica.name] = self.processes[replica.name] = replica
        self._listen(replica)
        replica.bus.heal()
        self.tell(f"{replica.name} starts")
        return replica

    def _replica(self, name: str, process: Process) -> Replica:
        bus = SimulatedBus(self.store, name, random.Random(self.chance.random()))
        stopping = asyncio.Event()
        engines: list[SimulatedEngine] = []

        def engine_for(*, on_outcomes: Callable[[list[Any]], None], **_other: object) -> SimulatedEngine:
            engine = SimulatedEngine(
                random.Random(self.chance.random()),
                sees=lambda check: self.sees(name, check.address),
                saw=lambda check, good: self._saw(name, check, good=good),
                on_outcomes=on_outcomes,
            )
            engines.append(engine)
            return engine

        life = SimpleNamespace(
            bus=bus,
            settings=SimpleNamespace(state_dir=Path("/nonexistent")),
            readiness=Readiness("health-prober", None, waits_for=WAITS_FOR),
            stopping=stopping,
        )
        with patch.object(service.engine, "Engine", engine_for):
            prober = Prober(cast("Any", life), name)
        task = asyncio.ensure_future(prober.run())
        return Replica(name, bus, prober, engines[0], process, stopping, task)

    async def kill(self, replica: Replica) -> None:
        del self.replicas[replica.name]
        self.go_on(replica)
        replica.bus.connected = False
        replica.bus.die()
        replica.task.cancel()
        await asyncio.gather(replica.task, return_exceptions=True)

    async def stop(self, replica: Replica) -> None:
        del self.replicas[replica.name]
        self.go_on(replica)
        replica.stopping.set()
        await replica.task
        replica.bus.die()

    def stand_still(self, replica: Replica) -> None:
        """Stop a process as SIGSTOP does."""
        replica.process.stopped = True

    def go_on(self, replica: Replica) -> None:
        cast("SimulatedLoop", asyncio.get_running_loop()).go_on(replica.process)

    def _saw(self, name: str, check: Check, *, good: bool) -> None:
        now = asyncio.get_running_loop().time()
        self.rules.saw[name, check.address, "up" if good else "down"] = now

    def _listen(self, replica: Replica) -> None:
        said = replica.prober._publisher._said
        say = said.say

        def overheard(key: str, value: Verdict | None, trace: TraceContext) -> None:
            self.rules.says(replica, key, said.standing(key), value)
            say(key, value, trace)

        share = replica.prober._share

        def shared(members: frozenset[str]) -> None:
            share(members)
            self.rules.shares(replica)

        replica.prober._share = shared  # type: ignore[method-assign]  # to be told when it has
        said.say = overheard  # type: ignore[method-assign]  # to hear it before it is on its way
