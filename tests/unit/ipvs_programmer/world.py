"""A programmer with a fake kernel and fake addresses, on a real bus that the test may kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.fake_sysctls import FakeSysctls
from ipvs_programmer.loop import work
from ipvs_programmer.options import Options
from ipvs_programmer.table import Key
from tests.support.nats import NatsServer
from tests.support.waiting import eventually_async
from tests.unit.ipvs_programmer.rules import FakeRules
from vipbus.bus import Bus, BusAddress, Follow, StateWriter
from vipbus.contracts import (
    CONFIG,
    HEALTH,
    OPERATOR,
    ROLE,
    TABLE,
    Entity,
    Head,
    InstanceTable,
    OperatorState,
    OperatorStateName,
    RealServer,
    Role,
    TableDocument,
    TcpCheck,
    Verdict,
    VirtualAddress,
    VirtualServer,
    VirtualServerTable,
    VrrpInstance,
    encoded,
    revision_digest,
)
from vipbus.runtime.life import Life
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vipbus.telemetry.trace import TraceContext, record

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def virtual_server(address: str = "10.9.0.1", port: int = 80, **settings: Any) -> VirtualServer:
    settings = {
        "protocol": "TCP",
        "scheduler": "rr",
        "forwarding": "NAT",
        "instance": "VI_1",
    } | settings
    return VirtualServer(router="router-a", address=address, port=port, **settings)


def real_server(
    address: str, *, of: VirtualServer | None = None, weight: int = 1, checked: bool = True
) -> RealServer:
    return RealServer(
        router="router-a",
        virtual_server=(of or virtual_server()).id,
        address=address,
        port=80,
        weight=weight,
        checks=(TcpCheck(address=address, port=80),) if checked else (),
    )


def instance(*addresses: str) -> VrrpInstance:
    return VrrpInstance(
        router="router-a",
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        virtual_ipaddress=tuple(
            VirtualAddress(address=address, prefix=32, dev="eth0") for address in addresses or ("10.9.0.1",)
        ),
    )


USUAL: tuple[Entity, ...] = (
    instance(),
    virtual_server(),
    real_server("10.9.0.21"),
    real_server("10.9.0.22"),
)


class FakeAddresses:
    """Addresses that a test adds and removes."""

    def __init__(self, *present: str) -> None:
        self._present = frozenset(present)
        self._on_change: Callable[[], None] = lambda: None

    @property
    def present(self) -> frozenset[str]:
        return self._present

    def start(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def close(self) -> None:
        self._on_change = lambda: None

    def set(self, *present: str) -> None:
        self._present = frozenset(present)
        self._on_change()


_CONFIG = msgspec.structs.replace(CONFIG, document=msgspec.Raw)
"""As it was encoded: a digest is over that."""


class World:
    """The bus as the other services see it, and the programmer under test."""

    def __init__(self, server: NatsServer, state_dir: Path) -> None:
        self.server = server
        self.state_dir = state_dir
        self.kernel = FakeKernel()
        self.sysctls = FakeSysctls()
        self.rules = FakeRules()
        self.addresses = FakeAddresses()
        self.bus = Bus(BusAddress(url=server.url), source="world")
        self.life: Life | None = None
        self._working: asyncio.Task[None] | None = None
        self._writers: dict[str, StateWriter[Any]] = {}
        self._revision = 0
        self._keys: set[str] = set()
        self.tables: Follow[TableDocument] = self.bus.follow(TABLE)
        self.said: Follow[OperatorState] = self.bus.follow(OPERATOR)

    async def start(self) -> None:
        self.bus.start()
        await self.bus.usable(30)
        self._writers = {
            bucket.name: StateWriter(self.bus, bucket) for bucket in (_CONFIG, HEALTH, OPERATOR, ROLE)
        }

    # ---- what the other services do

    def configure(self, *entities: Entity) -> TraceContext:
        """Publish a revision whole, as config-service does: entities, then the head."""
        trace = record("test")
        writer = self._writers["config"]
        self._revision += 1
        entities = entities or USUAL
        bodies = encoded(entities)
        for key, body in bodies.items():
            writer.set(key, msgspec.Raw(body), trace)
        for gone in self._keys - bodies.keys():
            writer.delete(gone, trace)
        self._keys = set(bodies)
        head = Head(
            router="router-a",
            revision=self._revision,
            entities=len(entities),
            digest=revision_digest(bodies),
            source="test",
            accepted_at=EPOCH,
            cause="test",
        )
        writer.set(head.key, msgspec.Raw(msgspec.json.encode(head)), trace)
        return trace

    def verdict(
        self,
        name: str,
        address: str = "10.9.0.21",
        cause: str = "test",
        server: VirtualServer | None = None,
        **more: Any,
    ) -> TraceContext:
        trace = record("test")
        document = Verdict(
            virtual_server=(server or virtual_server()).id,
            real_server=real_server(address).id,
            verdict=name,  # type: ignore[arg-type]  # the tests name only verdicts
            cause=cause,
            prober="p1",
            lease=1,
            **({"since": EPOCH} | more),
        )
        self._writers["health"].set(document.key, document, trace)
        return trace

    def operator(
        self, state: OperatorStateName | None, address: str = "10.9.0.21", why: str = ""
    ) -> TraceContext:
        """Say what config-service says for an operator; None: enable."""
        trace = record("test")
        document = OperatorState(
            virtual_server=virtual_server().id,
            real_server=real_server(address).id,
            state=state or "drain",
            by="ann",
            since=EPOCH,
            why=why,
        )
        writer = self._writers["operator"]
        if state is None:
            writer.delete(document.key, trace)
        else:
            writer.set(document.key, document, trace)
        return trace

    def role(self, name: str, epoch: int) -> TraceContext:
        trace = record("test")
        document = Role(
            router="router-a",
            instance="VI_1",
            role=name,  # type: ignore[arg-type]  # the tests name only roles
            epoch=epoch,
            priority=100,
            virtual_router_id=51,
            interface="eth0",
            addresses=("10.9.0.1",),
            revision=1,
            since=EPOCH,
            cause="test",
        )
        self._writers["role"].set(document.key, document, trace)
        return trace

    def hush(self) -> None:
        """Say nothing of operators again when the bus is back: config-service does not either."""
        for entry in self.said.values():
            self._writers["operator"].forget(entry.key)

    async def settled(self) -> None:
        """Wait until everything said above is on the bus."""
        for writer in self._writers.values():
            assert await writer.flushed(10)

    # ---- the programmer

    def run(self, **options: Any) -> None:
        settings = Settings(
            router="router-a", state_dir=self.state_dir, bus=self.server.url, log="line", listen=None
        )
        bus = Bus(BusAddress(url=self.server.url), source="ipvs-programmer/router-a")
        self.life = Life(
            settings=settings,
            readiness=Readiness(
                "ipvs-programmer", "router-a", waits_for=("a configuration", "the first write")
            ),
            bus=bus,
        )
        bus.start()
        self._working = asyncio.ensure_future(
            work(
                self.life,
                Options(router="router-a", **options),
                kernel=self.kernel,
                addresses=self.addresses,
                sysctls=self.sysctls,
                places={"nft": self.rules},
            )
        )

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        assert self.life is not None
        assert self._working is not None
        self.life.stopping.set()
        await self._working
        await self.life.bus.close()
        self.life = None

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing is tidied up."""
        if self.life is None or self._working is None:
            return
        follows = self.life.bus._follows
        # a kill within those milliseconds goes on with what was before, and is a story of its own
        if not self._working.done():
            await self.until(lambda: not any(each._saving for each in follows), "what was read is kept")
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)
        await self.life.bus.close()
        self.life = None

    async def until(self, condition: Callable[[], object], what: str, within: float = 10.0) -> float:
        """Wait for a condition; a programmer that ended fails the test with its own error."""

        def holds() -> object:
            if self._working is not None and self._working.done():
                self._working.result()
            return condition()

        return await eventually_async(holds, what, within=within)

    async def close(self) -> None:
        await self.kill()
        for writer in self._writers.values():
            await writer.close()
        await self.bus.close()

    # ---- what came of it

    def held(self) -> dict[str, list[str]]:
        """The kernel's table in words: service -> destinations with weights."""
        return {
            str(key): sorted(f"{each} {destination.weight}" for each, destination in pool.items())
            for key, pool in self.kernel.destinations.items()
        }

    def document(self, server: VirtualServer | None = None) -> VirtualServerTable | None:
        """The virtual server's document on the bus."""
        entry = self.tables.entries.get(f"router-a.virtual-server.{(server or virtual_server()).id}")
        return entry.value if entry is not None and isinstance(entry.value, VirtualServerTable) else None

    def armed(self) -> InstanceTable | None:
        """The instance's document on the bus."""
        entry = self.tables.entries.get("router-a.instance.vi_1")
        return entry.value if entry is not None and isinstance(entry.value, InstanceTable) else None

    def trace_of(self, key: str) -> TraceContext | None:
        """The trace in which a table document was written."""
        entry = self.tables.entries.get(f"router-a.{key}")
        return entry.trace if entry is not None else None

    def operations(self) -> list[str]:
        """Every operation asked of the kernel, in words."""
        return [str(operation) for batch in self.kernel.batches for operation in batch]

    def problems(self) -> str:
        assert self.life is not None
        return " | ".join(self.life.readiness.problems)


Story = Callable[[World], Awaitable[None]]


@asynccontextmanager
async def world(server: NatsServer, state_dir: Path) -> AsyncIterator[World]:
    made = World(server, state_dir)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def keys(held: Iterable[Key]) -> list[str]:
    return sorted(str(key) for key in held)
