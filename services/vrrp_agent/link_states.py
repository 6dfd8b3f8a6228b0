"""Interfaces as instances track them: up or down, and a change counts once it has lasted as long as asked."""

from __future__ import annotations

from collections.abc import Iterable

from vipbus.contracts import InterfaceDelay
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.tracking.delays import Delayed, due, seen
from vrrp_agent.tracking.sources import SourceSeen


class LinkStates:
    """What every interface counts as that some instance uses or tracks."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._delays: dict[str, InterfaceDelay] = {}
        self._states: dict[str, Delayed] = {}

    def configure(self, delays: Iterable[InterfaceDelay]) -> None:
        """Have these delays from now on (interface_up_down_delays)."""
        self._delays = {each.interface: each for each in delays}

    @property
    def turns_at(self) -> float | None:
        """When some interface counts as the other without anybody saying so."""
        return min(
            (each.turns_at for each in self._states.values() if each.turns_at is not None), default=None
        )

    def up(self, name: str, now: float) -> bool:
        """Say what an interface counts as."""
        link = self._interfaces.link(name)
        delay = self._delays.get(name) or InterfaceDelay(interface=name)
        known = self._states.get(name)
        state = seen(
            due(known, now) if known else None, up=link is not None and link.up, now=now, delay=delay
        )
        self._states[name] = state
        return state.up

    def source(self, name: str, now: float) -> SourceSeen:
        """Say the same as a tracked source does."""
        up = self.up(name, now)
        link = self._interfaces.link(name)
        if up:
            cause = "it is up"
        elif link is None:
            cause = "it does not exist"
        else:
            cause = "it has no carrier" if link.enabled else "it is switched off"
        return SourceSeen(kind="interface", name=name, up=up, cause=cause)
