"""An instance that things happen to, and what came of the last one."""

from __future__ import annotations

from typing import Any

import msgspec

from vipbus.contracts import Garp, VirtualAddress, VirtualRoute, VirtualRule, VrrpInstance
from vrrp_agent.actions import Action
from vrrp_agent.events import (
    AdvertisementReceived,
    ArmingOver,
    Happening,
    Started,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.instance import decide
from vrrp_agent.model import Instance
from vrrp_agent.packet import Advertisement

VIP = VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0")
OTHER = VirtualAddress(address="10.9.0.101", prefix=24, dev="eth0")
EXCLUDED = VirtualAddress(address="fd09::100", prefix=64, dev="eth0")
ROUTE = VirtualRoute(family=4, destination="10.10.0.0/16", via="10.9.0.254")
RULE = VirtualRule(family=4, source="10.9.0.100/32", table=10)
HIGHER, LOWER, THIRD = "10.9.0.3", "10.9.0.1", "10.9.0.4"
ME = "10.9.0.2"


def config(**changes: Any) -> VrrpInstance:
    """Make an instance of version 2, priority 100 and 1 s; keywords replace its settings."""
    base = VrrpInstance(
        router="a", name="VI_1", interface="eth0", virtual_router_id=51, virtual_ipaddress=(VIP,)
    )
    return msgspec.structs.replace(base, **changes)


def knobs(**changes: Any) -> Garp:
    return Garp(**changes)


def heard(priority: int, source: str = HIGHER, interval: float = 1.0) -> AdvertisementReceived:
    return AdvertisementReceived(
        Advertisement(
            version=2,
            virtual_router_id=51,
            priority=priority,
            interval=interval,
            addresses=("10.9.0.100",),
            source=source,
        )
    )


class Story:
    """`did` is what came of the last event, `now` the time of it."""

    def __init__(self, *, group: str | None = None, **settings: Any) -> None:
        self.state = Instance(config=config(**settings), epoch=7, group=group)
        self.now = 1000.0
        self.did: tuple[Action, ...] = ()

    def then(self, event: Happening, after: float = 0.0) -> Story:
        self.now += after
        self.state, self.did = decide(self.state, event, self.now)
        return self

    def started(self, source: str = ME, **settings: Any) -> Story:
        return self.then(Started(source=source, **settings))

    def around(self, *faults: str, weight: int = 0, after: float = 0.0) -> Story:
        """Let what it depends on be this."""
        return self.then(Surroundings(source=self.state.source, faults=faults, weight=weight), after)

    def expired(self) -> Story:
        """Let the clock reach the deadline."""
        assert self.state.deadline is not None
        self.now = self.state.deadline
        return self.then(TimerExpired())

    def until(self, at: float) -> list[tuple[float, Action]]:
        """Let every deadline expire until a moment; give what was done, each with the seconds from now."""
        began, done = self.now, []
        while self.state.deadline is not None and self.state.deadline <= at:
            self.expired()
            done += [(round(self.now - began, 6), action) for action in self.did]
        self.now = at
        return done

    def arming(self, source: str = ME) -> Story:
        return self.started(source).expired()

    def active(self, source: str = ME) -> Story:
        return self.arming(source).then(ArmingOver(self.state.epoch))

    @property
    def kinds(self) -> list[type]:
        return [type(action) for action in self.did]

    @property
    def down_in(self) -> float:
        assert self.state.down_at is not None
        return self.state.down_at - self.now
