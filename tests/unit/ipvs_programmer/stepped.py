"""A programmer that is stepped by hand: no bus, no clock, and whatever kernel it is given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from ipvs_programmer.documents import Documents
from ipvs_programmer.drains import Drains
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Change, Inputs
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.notify.teller import Teller
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.pools import Pools
from ipvs_programmer.programmer import Programmer
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.report import Report
from tests.unit.ipvs_programmer.listener import Listener
from tests.unit.ipvs_programmer.world import EPOCH, instance
from vipbus.contracts import (
    Event,
    Head,
    InstanceTable,
    RealServer,
    TableDocument,
    VirtualServer,
    VirtualServerTable,
    VrrpConfiguration,
    VrrpSettings,
)
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.revision import Revision

ADDRESS = "10.9.0.1"
"""The instance's, which this router holds."""


class _Said:
    """Takes the documents instead of the bus."""

    whole = False

    def __init__(self) -> None:
        self.documents: dict[str, TableDocument] = {}

    def instance(self, document: InstanceTable, _trace: object) -> None:
        self.documents[document.key] = document

    def virtual_server(self, document: VirtualServerTable, _cause: str, _trace: object) -> None:
        self.documents[document.key] = document


class Stepped:
    """The programmer of one active router and what it says."""

    def __init__(self, kernel: Kernel, state_dir: Path) -> None:
        self._inputs = SimpleNamespace(
            changes=self._changes,
            ready=True,
            revision=None,
            addresses=frozenset({ADDRESS}),
            live_roles={},
            roles={},
            verdicts={},
            verdicts_known=True,
            operators={},
        )
        self._renewed = 0
        self.said = _Said()
        self.events: list[Event] = []
        self.readiness = Readiness("ipvs-programmer", "router-a")
        inputs, documents, holds = cast(Inputs, self._inputs), cast(Documents, self.said), Holds()
        keeper = Keeper(kernel)
        pools = Pools(
            inputs,
            holds,
            Quorums(state_dir / "quorums.json"),
            Drains(kernel, state_dir / "drains.json", "router-a"),
            standby="clear",
        )
        self.programmer = Programmer(
            inputs,
            keeper,
            Report(inputs, keeper, documents, self.readiness, pools=pools, holds=holds),
            OwnedServices(state_dir / "owned.json"),
            self.readiness,
            pools=pools,
            teller=Teller(None, pools.state, Listener, ready=lambda: True, boot="test"),
            publish=lambda event, _trace: self.events.append(event),
        )

    def _changes(self) -> list[Change]:
        return []

    def configure(self, *entities: VirtualServer | RealServer) -> None:
        """Give it another revision; what leaves does not drain."""
        self._renewed += 1
        head: dict[str, Any] = {"source": "test", "digest": "", "entities": 0, "accepted_at": EPOCH}
        self._inputs.revision = Revision(
            head=Head(router="router-a", revision=self._renewed, **head),
            vrrp=VrrpConfiguration(
                router="router-a",
                settings=VrrpSettings(router="router-a"),
                instances=(instance(ADDRESS),),
            ),
            virtual_servers=tuple(
                msgspec.structs.replace(each, drain_timeout=0.0)
                for each in entities
                if isinstance(each, VirtualServer)
            ),
            real_servers=tuple(each for each in entities if isinstance(each, RealServer)),
        )

    def settle(self, tries: int = 8) -> int:
        """Step it as the loop does until there is nothing to do, or tries are over; return those it took."""
        self.programmer.react()
        for count in range(tries):
            while self.programmer.has_unread:
                self.programmer.read_back()
            if not self.programmer.kernel_problem and not self.programmer.has_errors:
                return count
            self.programmer.try_again()
        return tries

    @property
    def problems(self) -> str:
        """What readiness says."""
        return " | ".join(self.readiness.problems)

    def document(self, server: VirtualServer) -> VirtualServerTable:
        """Give what it says of a virtual server."""
        found = self.said.documents[f"router-a.virtual-server.{server.id}"]
        assert isinstance(found, VirtualServerTable)
        return found
