"""What befalls the routers of a seed until it is calm."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec.structs import replace

from tests.unit.vrrp_agent.simulation.member import Member
from tests.unit.vrrp_agent.simulation.router import Router
from tests.unit.vrrp_agent.simulation.scenario import Scenario, address
from tests.unit.vrrp_agent.simulation.world import World
from vrrp_agent.events import Follow, HandOver, ObjectsLost, Reconfigured
from vrrp_agent.model import HOLDING, OWNER, Phase


class Trouble:
    """Makes the disturbances of a seed, each with its end."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.dice: random.Random = world.random
        self.interval = scenario.interval
        self.scenario = scenario
        self.over = False
        self._kinds: tuple[Callable[[], None], ...] = (
            *(self.loss, self.partition, self.one_way, self.cable, self.stall, self.stall, self.process),
            *(self.machine, self.stop, self.handover, self.handover, self.weight, self.weight, self.fault),
            *(self.settings, self.robbery, self.slow),
        )

    def one(self) -> None:
        """Let one of them begin."""
        self.dice.choice(self._kinds)()

    def later(self, act: Callable[..., None], *arguments: object, longest: float = 6.0) -> None:
        """Do something within some intervals."""
        within = self.dice.uniform(0.1, longest) * self.interval
        self.world.at(self.world.now + within, self._unless_over, act, *arguments)

    def _unless_over(self, act: Callable[..., None], *arguments: object) -> None:
        if not self.over:
            act(*arguments)

    def end(self) -> None:
        """End all of it; some faults stay, some routers stay away, some networks stay parted."""
        world, dice = self.world, self.dice
        self.over = True
        world.loss = 0.0
        world.cut.clear()
        self.swift()
        for router in world.routers:
            for member in router.members:
                self.plug(member)
                if dice.random() < 0.7:
                    self._faults(member, "script failed", False)
            if router.stalled:
                router.resume(router.life)
        for router in world.routers:
            if dice.random() < 0.8 or not any(each.running for each in world.routers):
                router.start()
        if dice.random() < 0.15:
            self.partition(everywhere=True)

    def router(self) -> Router:
        return self.dice.choice(self.world.routers)

    def member(self) -> Member:
        return self.dice.choice(self.router().members)

    def active(self) -> Member:
        """Give one that is active, where there is one."""
        held = [
            each for router in self.world.routers for each in router.members if each.state.phase in HOLDING
        ]
        return self.dice.choice(held) if held else self.member()

    # the network

    def loss(self) -> None:
        self.world.loss = self.dice.uniform(0.05, 0.6)
        self.world.say(f"{self.world.loss:.0%} of all packets are lost")
        self.later(setattr, self.world, "loss", 0.0)

    def slow(self) -> None:
        self.world.delay = (0.0, self.dice.uniform(0.5, 2) * self.interval)
        self.world.duplicates, self.world.reorders = 0.3, True
        self.world.say("packets are late, twice or in another order")
        self.later(self.swift)

    def swift(self) -> None:
        """As in a network that works."""
        jitter = 0.0005 if self.scenario.precise else 0.05
        self.world.delay = (0.0001, 0.0001 + min(0.002, jitter * self.interval))
        self.world.lateness = min(0.001, (0.0002 if self.scenario.precise else 0.02) * self.interval)
        self.world.duplicates, self.world.reorders = 0.0, False

    def links(self) -> list[int]:
        every = list(range(self.scenario.instances))
        return every if self.dice.random() < 0.5 else [self.dice.choice(every)]

    def partition(self, *, everywhere: bool = False) -> None:
        some = [router.number for router in self.world.routers if self.dice.random() < 0.5]
        links = list(range(self.scenario.instances)) if everywhere else self.links()
        cuts = {
            (link, one.number, other.number)
            for link in links
            for one in self.world.routers
            for other in self.world.routers
            if (one.number in some) != (other.number in some)
        }
        self.world.say(f"links {links} are parted: {some} and the others")
        self.world.cut |= cuts
        if not everywhere:
            self.later(self.world.cut.difference_update, cuts, longest=12.0)

    def one_way(self) -> None:
        one, other = self.router().number, self.router().number
        cuts = {(link, one, other) for link in self.links() if one != other}
        self.world.say(f"r{other} hears nothing of r{one}")
        self.world.cut |= cuts
        self.later(self.world.cut.difference_update, cuts, longest=12.0)

    def cable(self) -> None:
        member = self.member()
        place = (member.index, member.router.number)
        if place in self.world.unplugged:
            return
        self.world.say(f"r{place[1]} is unplugged from link {place[0]}")
        self.world.unplugged.add(place)
        if self.dice.random() < 0.6:
            self.later(self._faults, member, "no carrier", True, longest=0.5)
        self.later(self.plug, member, longest=12.0)

    def plug(self, member: Member) -> None:
        self.world.unplugged.discard((member.index, member.router.number))
        self._faults(member, "no carrier", False)

    # a router

    def stall(self) -> None:
        longest = self.dice.choice((1.0, 3.0, 10.0))
        self.active().router.stall(self.dice.uniform(0.1, longest) * self.interval)

    def process(self) -> None:
        self._crash(machine=False)

    def machine(self) -> None:
        self._crash(machine=True)

    def _crash(self, *, machine: bool) -> None:
        router = self.active().router
        if router.running:
            router.crash(machine=machine)
            self.later(router.start)

    def stop(self) -> None:
        router = self.active().router
        router.stop()
        self.later(router.start, longest=10.0)

    def handover(self) -> None:
        member = self.active()
        if self.dice.random() < 0.5:
            successor = self.router()
            for each in successor.members:
                if each.index == member.index or member.index < member.router.grouped > each.index:
                    successor.command(each, Follow())
        member.router.command(member, HandOver())

    # an instance

    def weight(self) -> None:
        router = self.router()
        weight = self.dice.choice((-60, -50, -20, 0, 20, 50))
        members = router.members if self.dice.random() < 0.7 else [self.dice.choice(router.members)]
        for member in members:
            member.weight = weight
            router.surroundings(member)

    def fault(self) -> None:
        member = self.member()
        self._faults(member, "script failed", True)
        self.later(self._faults, member, "script failed", False)

    def _faults(self, member: Member, fault: str, there: bool) -> None:
        others = tuple(each for each in member.faults if each != fault)
        faults = (*others, fault) if there else others
        if faults != member.faults:
            member.faults = faults
            member.router.surroundings(member)

    def settings(self) -> None:
        member = self.active()
        config = member.state.config
        change = self.dice.randrange(3)
        if change == 0 and config.priority != OWNER:
            config = replace(config, priority=self.dice.choice((50, 100, 150)))
        elif change == 1:
            numbers = self.dice.choice(((100,), (101,), (100, 101)))
            config = replace(config, virtual_ipaddress=tuple(address(member.index, each) for each in numbers))
        else:
            config = replace(config, nopreempt=not config.nopreempt and not config.preempt_delay)
        for router in self.world.routers if change == 1 else [member.router]:
            each = router.members[member.index]
            if change == 1:
                there = each.state.config
                config = replace(there, virtual_ipaddress=config.virtual_ipaddress)
            router.command(each, Reconfigured(config, router.group_of(member.index)))

    def robbery(self) -> None:
        member = self.active()
        if member.state.phase is Phase.ACTIVE and member.router.running:
            lost = member.state.config.virtual_ipaddress[:1]
            member.held.difference_update(each.address for each in lost)
            member.robbed = True
            member.router.command(member, ObjectsLost(lost))
