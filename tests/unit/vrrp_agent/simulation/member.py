"""One instance on one router, and what the kernel and the disk know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.vrrp_agent.simulation import rules
from vipbus.contracts import VrrpInstance
from vrrp_agent.events import AdvertisementReceived
from vrrp_agent.model import Instance
from vrrp_agent.packet import Advertisement

if TYPE_CHECKING:
    from tests.unit.vrrp_agent.simulation.router import Router


class Member:
    """An instance, its alarm, and what is left of it when its process dies."""

    def __init__(self, router: Router, index: int, config: VrrpInstance, source: str) -> None:
        self.router = router
        self.index = index
        """Of the instance, and of its link."""
        self.source = source
        self.state = Instance(config=config, epoch=0, group=router.group_of(index))
        self.faults: tuple[str, ...] = ()
        self.weight = 0
        self.held: set[str] = set()
        """The addresses on the link, whoever put them there."""
        self.robbed = False
        """Somebody took one off, and the agent has not been told yet."""
        self.listens = False
        """It hears who announces its addresses."""
        self.advertised = float("-inf")
        """When it last did, by its own clock, as it would be found after a crash."""
        self.record = rules.Record()
        self.alarm: float | None = None
        """When it looks at the clock next, in true time."""
        self._said: dict[tuple[int, float], AdvertisementReceived] = {}

    @property
    def name(self) -> str:
        return f"r{self.router.number}/{self.state.config.name}"

    def wake_at(self, when: float) -> None:
        """Look at the clock then."""
        self.alarm = when
        self.router.world.at(when, self._wake, self.router.life, when)

    def _wake(self, life: int, when: float) -> None:
        if life != self.router.life:
            return
        if when == self.alarm:
            self.alarm = None
        if not self.router.stalled:
            self.router.expire(self)

    def asleep(self) -> None:
        """Forget the alarm: the process is gone."""
        self.alarm = None

    def said(self, priority: int) -> AdvertisementReceived:
        """Give what others receive; intervals cross the wire in hundredths."""
        config = self.state.config
        key = (priority, config.advert_int)
        event = self._said.get(key)
        if event is None:
            event = self._said[key] = AdvertisementReceived(
                Advertisement(
                    version=config.version,
                    virtual_router_id=config.virtual_router_id,
                    priority=priority,
                    interval=round(config.advert_int * 100) / 100,
                    addresses=tuple(each.address for each in config.virtual_ipaddress),
                    source=self.source,
                )
            )
        return event
