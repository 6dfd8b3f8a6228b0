"""What an instance depends on, looked at again whenever something of it may have changed."""

from __future__ import annotations

import time

from vipbus.contracts import VrrpInstance
from vrrp_agent.events import Surroundings
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.link_states import LinkStates
from vrrp_agent.runtime import Runtime
from vrrp_agent.static import Static
from vrrp_agent.tracking.sources import Sources
from vrrp_agent.virtual_mac import VirtualMacs

_RETRY = 1.0
"""Seconds until sockets that could not be opened are tried again."""


class Circumstances:
    """Interfaces, devices, sockets, secrets and tracked sources of every instance."""

    def __init__(
        self,
        interfaces: Interfaces,
        macs: VirtualMacs,
        static: Static,
        links: LinkStates,
        sources: Sources,
    ) -> None:
        self.virtual: frozenset[str] = frozenset()
        """The addresses that are nobody's own."""
        self.retry_at: float | None = None
        """When something that failed may work again without anybody saying so."""
        self._interfaces = interfaces
        self._macs = macs
        self._static = static
        self._links = links
        self._sources = sources

    def of(self, runtime: Runtime) -> Surroundings:
        """Open what an instance needs, and say what it has and what it lacks."""
        config = runtime.config
        tracked = self._sources.tracked(config.tracks)
        source = self._source(config)
        unusable = self._link_problem(config, source) or self._open(runtime, source)
        if unusable or runtime.problem:
            runtime.speaker = None
        own = (unusable, self._missing(runtime), runtime.problem)
        return Surroundings(
            source=source,
            faults=(*(fault for fault in own if fault), *tracked.faults),
            weight=tracked.weight,
        )

    def _source(self, config: VrrpInstance) -> str:
        """Give the address that it speaks from; empty when there is none."""
        if config.source is None:
            return self._interfaces.primary(config.interface, self.virtual, config.family)
        return config.source if self._interfaces.has(config.interface, config.source) else ""

    def _link_problem(self, config: VrrpInstance, source: str) -> str:
        if config.unicast_fault_no_peer and not config.unicast_peers:
            return f"{config.name} has no unicast peer"
        link = self._interfaces.link(config.interface)
        if link is None:
            return f"interface {config.interface} does not exist"
        if config.source is not None and not source:
            return f"{config.source} is not on interface {config.interface}"
        problem = self._interfaces.problem(config.interface, self.virtual, config.family, config.vrf)
        if config.source is not None and link.up and "of its own" in problem:
            return ""  # what it speaks from is named
        if link.up != self._links.up(config.interface, time.monotonic()):
            # it bounces: for as long as that may be it counts as what it was
            return f"interface {config.interface} has not been up for long enough" if link.up else ""
        ours = not config.track_interface and source and not link.up
        return "" if ours else problem

    def _open(self, runtime: Runtime, source: str) -> str:
        config = runtime.config
        problem = self._macs.ensure(config)
        if problem:
            return problem
        virtual = config.virtual_mac
        xmit_base = virtual is None or virtual.xmit_base
        device = config.interface if xmit_base else self._macs.device(config)
        try:
            runtime.wire.open(self._interfaces.index_of(runtime.wire.interface))
            runtime.speaker = runtime.wire.speak(
                runtime.token, device, self._interfaces.index_of(device), source
            )
        except OSError as error:
            self.retry_at = time.monotonic() + _RETRY
            return f"no raw socket on interface {device}: {error.strerror}"
        return ""

    def _missing(self, runtime: Runtime) -> str:
        missing = self._static.missing()
        names = (runtime.config.name, runtime.state.group)
        return "; ".join(missing[name] for name in names if name is not None and name in missing)
