"""A router's pools and a fake kernel without a bus, in a time that the test makes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ipvs_programmer.desired import Configured
from ipvs_programmer.drains import Drains
from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.holds import Holds
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.pools import Pools
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.table import Counts, DestinationKey, Key
from tests.unit.ipvs_programmer.test_desired import layout
from tests.unit.ipvs_programmer.world import EPOCH
from vipbus.contracts import DrainBegun, DrainEnded, Entity, Event, Verdict
from vipbus.telemetry.trace import record


class Site:
    """What `Programmer` does with pools, one thing after another."""

    def __init__(self, state_dir: Path, port: Kernel | None = None, now: datetime = EPOCH) -> None:
        self.state_dir = state_dir
        self.kernel = port if isinstance(port, FakeKernel) else FakeKernel()
        """The table, where no other is given."""
        self.port = port if port is not None else self.kernel
        self.now = now
        self.events: list[Event] = []
        self.inputs: Any = SimpleNamespace(
            verdicts={}, operators={}, verdicts_known=True, addresses={"10.9.0.1"}
        )
        self.active = frozenset(["vi_1"])
        self._entities: tuple[Entity, ...] = ()
        self._start()

    def _start(self) -> None:
        self.keeper = Keeper(self.port)
        self.keeper.read(list(self.port.read()))
        self.drains = Drains(self.port, self.state_dir / "drains.json", "router-a")
        self.quorums = Quorums(self.state_dir / "quorums.json")
        self.pools = Pools(
            self.inputs, Holds(), self.quorums, self.drains, standby="clear", now=lambda: self.now
        )

    def restart(self) -> None:
        """End as SIGKILL does, and start from what is saved and what the kernel has."""
        self._start()
        if self._entities:
            self.configure(*self._entities)

    def configure(self, *entities: Entity) -> None:
        """Take in a whole configuration."""
        self._entities = entities
        self.layout = layout(*entities)
        self.pools.configure(self.layout)
        self._reconcile(self.layout.servers.values(), list(self.keeper.believed), renewed=True)

    def say(self, verdicts: Iterable[Verdict]) -> None:
        """Take in verdicts."""
        self.inputs.verdicts |= {verdict.key: verdict for verdict in verdicts}
        self._reconcile(self.layout.servers.values(), [])

    def count(self) -> None:
        """Count what drains, as is done about once a second."""
        told, ended = self.drains.count(self.keeper.believed, self.now, lambda: 0.0)
        self.events += told
        keys = {each.key for each in ended}
        by_key = self.layout.by_key | dict(self.pools.leaving)
        self._reconcile([by_key[key] for key in keys if key in by_key], list(keys))
        self.events += map(self.drains.event, ended)

    def _reconcile(self, servers: Iterable[Configured], keys: list[Key], *, renewed: bool = False) -> None:
        servers = list(servers)
        desired = self.pools.look(
            servers,
            self.keeper.believed,
            self.pools.active(self.layout, self.active),
            renewed=self.layout if renewed else None,
            cause=lambda _: "test",
        )
        keys = list(dict.fromkeys((*keys, *(server.key for server in servers))))
        self.keeper.want(keys, desired)
        self.keeper.write(keys, record("test"))
        self.events += self.pools.news(servers, self.active, lambda _: "test")
        self.pools.save()

    def connect(self, key: Key, of: DestinationKey, active: int, inactive: int = 0) -> None:
        """Say how many connections there are."""
        self.kernel.connections[key, of] = Counts(active, inactive)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    def held(self) -> dict[str, dict[str, int]]:
        """The kernel's table in words."""
        return {
            str(key): {str(of): each.weight for of, each in sorted(pool.destinations.items())}
            for key, pool in self.port.read().items()
        }

    def told(self) -> list[str]:
        """The events in words, and forget them."""
        words = []
        for event in self.events:
            if isinstance(event, DrainBegun):
                words.append(f"begun {event.real_server} with {event.connections} until {event.until}")
            elif isinstance(event, DrainEnded):
                words.append(f"ended {event.real_server} with {event.connections}: {event.outcome}")
            else:
                words.append(str(event))
        self.events.clear()
        return words
