"""Takeovers whose table has been seen to, and their order: one instance's addresses between two looks."""

from __future__ import annotations

import logging

from vrrp_agent.ensemble import Ensemble
from vrrp_agent.events import ArmingOver
from vrrp_agent.exchange import ArmOutcome, TableSeen
from vrrp_agent.model import Phase
from vrrp_agent.runtime import Runtime

log = logging.getLogger(__name__)


class Arming:
    """Ends the phase ARMING of instances, whose addresses wait for a table, or for no bus in vain."""

    def __init__(self, instances: Ensemble) -> None:
        self._instances = instances
        self._over: dict[str, int] = {}
        """Epochs whose addresses wait for nothing any more, by token, the first to be armed first."""

    def __bool__(self) -> bool:
        """Say whether addresses are to be taken without a wait."""
        return bool(self._over)

    def table_seen(self, seen: TableSeen) -> None:
        """Take what the programmer says of a table; what it says of an epoch before is nothing."""
        runtime = self._instances.get(seen.instance)
        if runtime is None or runtime.state.epoch != seen.epoch or runtime.state.phase is not Phase.ARMING:
            return
        if seen.error:
            log.warning("%s takes its addresses without a table: %s", runtime.config.name, seen.error)
        runtime.teller.arm_trace = seen.trace
        self.end(runtime, "failed" if seen.error else "armed")

    def bus_lost(self) -> None:
        """Wait for no word that cannot come."""
        for runtime in self._instances:
            self.end(runtime, "no bus")

    def end(self, runtime: Runtime, outcome: ArmOutcome) -> None:
        """Let an instance that is arming take its addresses when it is its turn."""
        if runtime.state.phase is Phase.ARMING:
            runtime.teller.arm_outcome = outcome
            self._over[runtime.token] = runtime.state.epoch

    def take_next(self) -> None:
        """Let one armed instance take its addresses; between two of them advertisements go first.

        Addresses cost many times what an advertisement does. Where many instances take over at once,
        a backup would follow those whose first advertisement had to wait for the addresses of others.
        """
        if not self._over:
            return
        token = next(iter(self._over))
        epoch = self._over.pop(token)
        runtime = self._instances.get(token)
        if runtime is not None:
            self._instances.tell(runtime, ArmingOver(epoch))
