"""Routers on a simulated network with the real state machine: one master in every connected part."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest

from vipbus.contracts import VirtualAddress, VrrpInstance
from vrrp_agent.instance import decide
from vrrp_agent.model import (
    AddAddresses,
    AdvertisementReceived,
    ArmingOver,
    Happening,
    Instance,
    LinkDown,
    LinkUp,
    Phase,
    RemoveAddresses,
    SendAdvertisement,
    SendGratuitousArp,
    Started,
    Stop,
    TimerExpired,
)
from vrrp_agent.packet import Advertisement

VIP = VirtualAddress(address="10.9.0.100", prefix=24, dev="eth0")


@dataclass
class Node:
    number: int
    state: Instance
    alive: bool = True
    linked: bool = True
    holds: bool = False
    history: list[tuple[float, Phase]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"10.9.0.{self.number}"


class World:
    """Time, a switch that loses and delays, and routers; everything follows from the seed."""

    def __init__(self, seed: int, configs: list[VrrpInstance], *, loss: float = 0.0) -> None:
        self.random = random.Random(seed)  # to be repeated, not to be secret
        self.loss = loss
        self.now = 0.0
        self._events: list[tuple[float, int, Node, Happening | None]] = []
        self._order = itertools.count()
        self.nodes = [
            Node(number, Instance(config=config, epoch=0)) for number, config in enumerate(configs, 1)
        ]
        for node in self.nodes:
            self.at(self.random.uniform(0, 1), node, Started(source=node.address))

    def at(self, delay: float, node: Node, event: Happening | None) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), node, event))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, node, event = heapq.heappop(self._events)
            if not node.alive:
                continue
            if event is None:
                if node.state.deadline is None or node.state.deadline > self.now:
                    continue  # it was put off meanwhile
                event = TimerExpired()
            if isinstance(event, AdvertisementReceived) and not node.linked:
                continue
            self.tell(node, event)
        self.now = until

    def tell(self, node: Node, event: Happening) -> None:
        before = node.state.phase
        node.state, actions = decide(node.state, event, self.now)
        if node.state.phase is not before:
            node.history.append((self.now, node.state.phase))
        for action in actions:
            match action:
                case SendAdvertisement(priority):
                    self.broadcast(node, priority)
                case AddAddresses():
                    node.holds = True
                case RemoveAddresses():
                    node.holds = False
                case SendGratuitousArp():
                    pass
        if node.state.phase is Phase.ARMING and before is not Phase.ARMING:
            self.at(self.random.uniform(0, 0.15), node, ArmingOver(node.state.epoch))
        if node.state.deadline is not None:
            self.at(max(0.0, node.state.deadline - self.now), node, None)

    def broadcast(self, sender: Node, priority: int) -> None:
        if not sender.linked:
            return
        config = sender.state.config
        event = AdvertisementReceived(
            Advertisement(
                version=config.version,
                virtual_router_id=51,
                priority=priority,
                interval=config.advert_int,
                addresses=("10.9.0.100",),
                source=sender.address,
            )
        )
        for node in self.nodes:
            if node is not sender and self.random.random() >= self.loss:
                self.at(self.random.uniform(0.0001, 0.005), node, event)

    def cut(self, node: Node, *, noticed: bool) -> None:
        node.linked = False
        if noticed:
            self.tell(node, LinkDown("cut"))

    def join(self, node: Node) -> None:
        node.linked = True
        self.tell(node, LinkUp(node.address))

    @property
    def holders(self) -> list[int]:
        return [node.number for node in self.nodes if node.alive and node.holds]


def routers(*priorities: int, **settings: object) -> list[VrrpInstance]:
    return [
        VrrpInstance(
            router=f"r{number}",
            name="VI_1",
            interface="eth0",
            virtual_router_id=51,
            priority=priority,
            virtual_ipaddress=(VIP,),
            **settings,  # type: ignore[arg-type]  # the tests name real fields
        )
        for number, priority in enumerate(priorities)
    ]


SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_highest_priority_alone_holds_the_address(seed: int) -> None:
    world = World(seed, routers(100, 150, 120), loss=0.02)
    world.run(12)
    assert world.holders == [2]


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_priorities_settle_by_address(seed: int) -> None:
    world = World(seed, routers(100, 100, 100))
    world.run(12)
    assert len(world.holders) == 1
    settled = world.holders
    changes = [len(node.history) for node in world.nodes]
    world.run(60)
    assert world.holders == settled
    assert [len(node.history) for node in world.nodes] == changes  # no flap


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_is_followed_within_the_master_down_interval(seed: int) -> None:
    world = World(seed, routers(100, 150, 120, version=3, advert_int=0.1))
    world.run(5)
    world.nodes[1].alive = False
    world.run(0.3 + 0.1 * 136 / 256 + 0.12)
    assert world.holders == [3]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_has_a_master_on_each_side_and_heals(seed: int) -> None:
    world = World(seed, routers(100, 150))
    world.run(8)
    world.cut(world.nodes[1], noticed=False)
    world.run(8)
    assert world.holders == [1, 2]
    world.join(world.nodes[1])
    world.run(3)
    assert world.holders == [2]


@pytest.mark.parametrize("seed", SEEDS)
def test_nopreempt_leaves_the_address_where_it_is(seed: int) -> None:
    world = World(seed, routers(100, 150, nopreempt=True))
    world.run(8)
    holder = world.holders[0]
    first = world.nodes[holder - 1]
    world.cut(first, noticed=True)
    world.run(8)
    assert world.holders == [3 - holder]
    world.join(first)
    world.run(20)
    assert world.holders == [3 - holder]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_graceful_leave_never_leaves_the_address_without_a_holder(seed: int) -> None:
    world = World(seed, routers(100, 150))
    world.run(8)
    assert world.holders == [2]
    world.tell(world.nodes[1], Stop("bye"))
    gaps = 0
    for _ in range(1500):
        world.run(0.001)
        gaps += not world.holders
    assert gaps == 0
    assert world.holders == [1]
