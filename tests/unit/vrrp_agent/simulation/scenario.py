"""What a seed stands for: routers and their settings."""

from __future__ import annotations

import msgspec

from tests.unit.vrrp_agent.simulation.member import Member
from tests.unit.vrrp_agent.simulation.router import Router
from tests.unit.vrrp_agent.simulation.world import World
from vipbus.contracts import Garp, VirtualAddress, VrrpInstance
from vrrp_agent.model import OWNER
from vrrp_agent.timing import succession

_ELECTIONS = ("preempt", "preempt", "preempt", "nopreempt", "nopreempt", "delay", "mixed", "mixed")


class Scenario(msgspec.Struct, kw_only=True):
    """The settings that a whole seed has in common."""

    version: int
    interval: float
    """Seconds, the longest of any router."""
    adverts: int
    """The most advertisements that any router lets pass."""
    instances: int
    grouped: int
    preempt_delay: float
    precise: bool
    """Clocks and network as exact as an election without a missed advertisement needs."""

    @property
    def silence(self) -> float:
        """Give the longest master-down interval."""
        return self.adverts * self.interval + (self.interval if self.version == 3 else 1.0)


def build(world: World) -> Scenario:
    """Make the routers of a seed."""
    dice = world.random
    version = dice.choice((2, 3, 3, 3))
    base = dice.choice((1.0, 1.0, 2.0) if version == 2 else (0.01, 0.05, 0.1, 0.1, 0.25, 1.0))
    count = dice.choice((2, 2, 2, 3, 3, 4, 5))
    adverts = [dice.choice((3, 3, 3, 2, 5)) for _ in range(count)]
    if dice.random() < 0.6:
        adverts = adverts[:1] * count
    elif dice.random() < 0.2:
        adverts = [1] * count
    factors = [1] * count
    if version == 3 and min(adverts) >= 3 and dice.random() < 0.25:
        factors = [dice.choice((1, 2)) for _ in range(count)]
    instances = dice.choice((1, 1, 1, 2, 2, 3))
    grouped = dice.choice((0, instances, instances, 2)) if instances > 1 else 0
    scenario = Scenario(
        version=version,
        interval=base * max(factors),
        adverts=max(adverts),
        instances=instances,
        grouped=grouped,
        preempt_delay=0.0,
        precise=min(adverts) == 1,
    )
    drift = 2e-4 if scenario.precise else 1e-3
    for number in range(1, count + 1):
        rate = 1 + dice.uniform(-drift, drift)
        world.routers.append(
            Router(world, number, grouped=grouped, rate=rate, buffer=dice.choice((3, 8, 40)))
        )
    election = dice.choice(_ELECTIONS)
    torn = dice.random() < 0.1  # the members of a group do not agree on who is first
    owner = dice.randrange(count) if dice.random() < 0.1 else -1
    six = version == 3 and dice.random() < 0.3
    common = {
        "higher_prio_send_advert": dice.random() < 0.3,
        "lower_prio_no_advert": dice.random() < 0.3,
        "owner_ignore_adverts": dice.random() < 0.3,
        "on_address_loss": dice.choice(("restore", "yield")),
        "strict": dice.random() < 0.2,
        "garp": Garp(
            master_delay=dice.choice((0.0, 5 * base)), master_refresh=dice.choice((0.0, 0.0, 7 * base))
        ),
    }
    priorities = [dice.choice((50, 100, 100, 150, 200, 254, 1)) for _ in range(count)]
    for router, interval, patience in zip(world.routers, factors, adverts, strict=True):
        place = router.number - 1
        mode = dice.choice(("preempt", "nopreempt", "delay")) if election == "mixed" else election
        delay = dice.uniform(0.5, 5) * base if mode == "delay" else 0.0
        scenario.preempt_delay = max(scenario.preempt_delay, delay)
        for index in range(instances):
            priority = dice.choice((50, 100, 150)) if torn else priorities[place]
            config = VrrpInstance(
                router=f"r{router.number}",
                name=f"vi{index}",
                interface=f"eth{index}",
                virtual_router_id=index + 1,
                version=version,  # type: ignore[arg-type]  # 2 or 3
                family=6 if six else 4,
                advert_int=base * interval,
                priority=OWNER if place == owner else priority,
                state="MASTER" if place == owner else "BACKUP",
                nopreempt=mode == "nopreempt",
                preempt_delay=delay,
                down_timer_adverts=patience,
                virtual_ipaddress=(address(index, 100),),
                **common,  # type: ignore[arg-type]  # real fields
            )
            router.members.append(Member(router, index, config, source=""))
    for index in range(instances):
        order = list(range(1, count + 1))
        if torn:
            dice.shuffle(order)
        for router, place in zip(world.routers, order, strict=True):
            router.members[index].source = f"fe80::{place:x}" if six else f"10.{index}.0.{place}"
    return scenario


def address(index: int, number: int) -> VirtualAddress:
    return VirtualAddress(address=f"10.{index}.0.{number}", prefix=24, dev=f"eth{index}")


def settling(scenario: Scenario, world: World) -> float:
    """Seconds after which everything has come to rest, counted from the last disturbance.

    A silence until somebody is active, one more for each router of higher priority (all of them run at
    once) after its delay, one for a conflict between the members of groups; and what arming and leaving take.
    """
    longest = max(succession(each.state.config) for router in world.routers for each in router.members)
    rounds = 2
    if scenario.grouped:
        rounds = 4
        groups = [router.members[: scenario.grouped] for router in world.routers]
        if any(len({each.state.priority for each in members}) > 1 for members in groups):
            rounds = 6  # groups whose members disagree on who is first take each other down, once or twice
    return rounds * (scenario.silence + 2 * scenario.interval + 0.15) + scenario.preempt_delay + longest
