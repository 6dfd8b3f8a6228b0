"""Tells the world about the table: documents on the bus, readiness, gauges, a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Collection

from ipvs_programmer.causes import Causes
from ipvs_programmer.desired import Configured, Layout
from ipvs_programmer.documents import Documents, document_keys, instance_table, virtual_server_table
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Inputs
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.metrics import DESTINATIONS, SERVICES
from ipvs_programmer.plan import Operation
from ipvs_programmer.pools import Pools
from ipvs_programmer.table import Key
from vipbus.contracts import name_token
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

_LINES_LOGGED = 10
"""Operations of one write that get a line each; more are only counted."""


class Report:
    """What is believed, said; nothing is decided here."""

    def __init__(
        self,
        inputs: Inputs,
        keeper: Keeper,
        documents: Documents,
        readiness: Readiness,
        *,
        pools: Pools,
        holds: Holds,
    ) -> None:
        self.layout: Layout | None = None
        self.kernel_problem = ""
        """Why the kernel's table is out of reach, in words; empty while it is not."""
        self._inputs = inputs
        self._keeper = keeper
        self._pools = pools
        self._holds = holds
        self._documents = documents
        self._readiness = readiness
        self._swept_for: tuple[Layout, frozenset[Key]] | None = None

    def kernel(self, problem: str) -> None:
        """Say whether the kernel's table is within reach; an empty problem says that it is."""
        self.kernel_problem = problem
        self._readiness.problem("kernel", problem)

    def server(self, server: Configured, cause: str, trace: TraceContext) -> None:
        """Say what the kernel holds for a virtual server."""
        assert self.layout is not None  # noqa: S101  # the server came from it
        role = self._inputs.roles.get(server.instance) if server.instance else None
        hold = self._holds.by_server.get(server.virtual_server.id)
        document = virtual_server_table(
            server,
            self._keeper.believed.get(server.key),
            self._pools.arranged.get(server.key),
            revision=self.layout.revision.head.revision,
            epoch=role.epoch if role is not None else 0,
            error=self.kernel_problem or self._keeper.errors.get(server.key, ""),
            held=hold.held if hold is not None else (),
        )
        self._documents.virtual_server(document, cause, trace)

    def instances(self, trace: TraceContext) -> None:
        """Say of every instance whose role is known whether its table stands."""
        if self.layout is None:
            return
        for instance in self.layout.revision.instances:
            token = name_token(instance.name)
            role = self._inputs.roles.get(token)
            if role is None:
                continue  # nobody asked yet
            servers = self.layout.by_instance[token]
            errors = (self._keeper.errors.get(server.key, "") for server in servers)
            document = instance_table(
                instance.router,
                instance.name,
                [self._keeper.believed.get(server.key) for server in servers],
                epoch=role.epoch,
                revision=self.layout.revision.head.revision,
                # addresses without a virtual server need no kernel behind them
                error=(self.kernel_problem if servers else "") or next(filter(None, errors), ""),
            )
            self._documents.instance(document, trace)

    def condition(self) -> None:
        """Bring readiness and gauges up to date."""
        errors = list(dict.fromkeys(self._keeper.errors.values()))
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        self._readiness.problem("table", f"{errors[0]}{more}" if errors else "")
        self._readiness.problem("hold", self._holds.problem())
        SERVICES.set(len(self._keeper.believed))
        DESTINATIONS.set(sum(len(pool.destinations) for pool in self._keeper.believed.values()))

    def log(self, operations: Collection[Operation], causes: Causes) -> None:
        """Log what was done and why."""
        by_key = self.layout.by_key if self.layout is not None else {}
        for operation in list(operations)[:_LINES_LOGGED]:
            log.info("%s (%s)", operation, causes.of(by_key.get(operation.key)))
        if len(operations) > _LINES_LOGGED:
            log.info("and %d operations more", len(operations) - _LINES_LOGGED)

    def sweep(self) -> None:
        """Delete what is not configured: once a revision, and when what left it has drained."""
        if self.layout is None or not self._documents.whole:
            return
        now = (self.layout, frozenset(self._pools.leaving))
        if now == self._swept_for:
            return
        self._swept_for = now
        self._documents.keep_only(document_keys(self.layout, self._pools.leaving.values()), record("sweep"))
