"""Play a seed: trouble, calm, a planned leave; and say what must hold then."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from tests.unit.vrrp_agent.simulation.member import Member
from tests.unit.vrrp_agent.simulation.router import Router
from tests.unit.vrrp_agent.simulation.rules import preempts
from tests.unit.vrrp_agent.simulation.scenario import build, settling
from tests.unit.vrrp_agent.simulation.trouble import Trouble
from tests.unit.vrrp_agent.simulation.world import World
from vrrp_agent.events import Follow, HandOver
from vrrp_agent.model import OWNER, SPEAKING, Phase
from vrrp_agent.timing import ARM_TIMEOUT, IN_FLIGHT, MARGIN

_TURNS = 12
"""As many changes of phase an instance may need to come to rest."""
Unit = tuple[int, ...]
"""What moves together: the instances of a group, or one."""


class Judge:
    """One seed, from its first router to its last word."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.world = World(seed, trace)
        self.scenario = build(self.world)
        self.trouble = Trouble(self.world, self.scenario)
        self.calm = False
        self.turns = 0
        """Changes of phase since it is calm."""
        grouped = self.scenario.grouped
        self.units: list[Unit] = [tuple(range(grouped))] if grouped else []
        self.units += [(index,) for index in range(grouped, self.scenario.instances)]
        self.gapless: Unit = ()
        """The instances whose addresses somebody has at every moment."""
        self._overlapping: dict[int, float] = {}
        """Since when an instance has had several holders that hear each other."""
        self.world.on_transition = self._transition
        self.world.on_holding = self._holding

    def play(self) -> None:
        """Let it all happen.

        Raises:
            BrokenRuleError: something does not hold.
        """
        world, interval = self.world, self.scenario.interval
        self._describe()
        self.trouble.swift()
        for router in world.routers:
            world.at(world.random.uniform(0, 2) * interval, router.start)
        length = world.random.uniform(5, 30) * interval
        for _ in range(world.random.randrange(9)):
            world.at(world.random.uniform(0, length), self.trouble.one)
        world.run(length)
        self.trouble.end()
        world.run(world.now + 4 * interval)  # what was sent before has arrived
        world.say("---- calm")
        self.calm = True
        self._settle()
        self._leave()

    def _describe(self) -> None:
        if self.world.trace is None:
            return
        self.world.say(str(self.scenario))
        for member in (member for router in self.world.routers for member in router.members):
            config = member.state.config
            self.world.say(
                f"{member.name} {member.source}: priority {config.priority} {config.state}, every "
                f"{config.advert_int:g} s, {config.down_timer_adverts} adverts, "
                f"nopreempt {config.nopreempt}, preempt_delay {config.preempt_delay:.3f}, "
                f"on loss {config.on_address_loss}, clock {member.router.rate:.5f}"
            )

    # ---- what is watched all the time

    def _transition(self, member: Member) -> None:
        self.turns += 1
        if self.calm and self.turns > _TURNS * len(self.world.routers) * self.scenario.instances:
            raise self.world.broken(f"{self.turns} changes since it is calm, the last of {member.name}")

    def _holding(self, member: Member) -> None:
        if not self.calm:
            return
        world, index = self.world, member.index
        holders = [each for each in self._side(member.router) if each.members[index].held]
        if len(holders) > 1:
            self._overlapping.setdefault(index, world.now)
        else:
            lasted = world.now - self._overlapping.pop(index, world.now)
            if lasted > self.scenario.interval + ARM_TIMEOUT + MARGIN + IN_FLIGHT + 0.05:
                raise world.broken(f"vi{index} had two holders for {lasted:.4f} s")
        if index in self.gapless and not holders and member.router.running:
            raise world.broken(f"nobody holds vi{index}, {member.name} just let go")

    def _side(self, router: Router) -> list[Router]:
        """Give those that run on the same side of a partition."""
        cut, number = self.world.cut, router.number
        return [each for each in self.world.routers if each.running and (0, number, each.number) not in cut]

    # ---- what must hold in the end

    def _settle(self) -> None:
        """Wait until everything has come to rest, and see that it has, and stays so."""
        world = self.world
        self.turns = 0
        world.run(world.now + settling(self.scenario, world))
        world.say("---- judged")
        before, self.turns = self._winners(), 0
        world.run(world.now + self.scenario.silence + 2 * self.scenario.interval)
        if self.turns or self._winners() != before:
            raise world.broken("it does not stay as it was")

    def _winners(self) -> list[Router]:
        found: list[Router] = []
        seen: set[int] = set()
        for router in self.world.routers:
            side = self._side(router)
            if router.running and router.number not in seen:
                seen.update(each.number for each in side)
                found += [winner for unit in self.units for winner in self._winner(unit, side)]
        return found

    def able(self, unit: Unit, side: list[Router]) -> list[Router]:
        return [each for each in side if not any(each.members[index].faults for index in unit)]

    def _winner(self, unit: Unit, side: list[Router]) -> list[Router]:
        """Find who is active for a unit on one side: exactly one, if one can, with all of it."""
        able = self.able(unit, side)
        active = [each for each in side if any(each.members[index].state.phase in SPEAKING for index in unit)]
        if len(active) != bool(able):
            raise self.world.broken(f"unit {unit} has {[each.number for each in active]} active on one side")
        for router in side:
            for index in unit:
                member = router.members[index]
                # what an owner finds when it begins is the host's own, in a fault too
                owner = member.state.config.priority == OWNER
                if bool(member.held) != (router in active) and not (owner and router not in active):
                    raise self.world.broken(f"{member.name} holds {sorted(member.held)} in the end")
                wanted = Phase.ACTIVE if router in active else Phase.BACKUP if router in able else Phase.FAULT
                if member.state.phase is not wanted:
                    raise self.world.broken(f"{member.name} is {member.state.phase.value} in the end")
        for winner in active:
            self._rightful(unit, winner, [each for each in able if each is not winner])
        return active

    def _rightful(self, unit: Unit, winner: Router, others: list[Router]) -> None:
        """Nobody that preempts has a higher priority; and everybody knows who it is."""
        for other in others:
            pairs = [(other.members[index].state, winner.members[index].state) for index in unit]
            if all(preempts(state) and state.priority > best.priority for state, best in pairs):
                raise self.world.broken(f"r{other.number} does not preempt r{winner.number}")
            for state, best in pairs:
                if (state.active_router, state.active_priority) != (best.source, best.priority):
                    raise self.world.broken(
                        f"r{other.number} takes {state.active_router} with {state.active_priority} for active"
                    )

    # ---- a planned leave, and a crash

    def _leave(self) -> None:
        """Let an active router leave: by a stop, a handover or a crash."""
        world, dice = self.world, self.world.random
        unit = dice.choice(self.units)
        active = [each for each in world.routers if each.members[unit[0]].state.phase is Phase.ACTIVE]
        if not active:
            return
        router = dice.choice([each for each in active if each.running] or active)
        others = [each for each in self.able(unit, self._side(router)) if each is not router]
        others = others if self._in_turn(unit, others) else []
        kind = dice.choice(("stop", "handover", "follow", "crash"))
        self.gapless = unit if others and kind != "crash" else ()
        if kind == "crash":
            self._crash(unit, router, others)
            return
        if kind == "stop":
            router.stop()
        else:
            follower = dice.choice(others or [router])
            for index in unit if kind == "follow" else ():
                follower.command(follower.members[index], Follow())
            router.command(router.members[unit[0]], HandOver())
        self._settle()
        if kind != "stop" and others and router.members[unit[0]].state.phase is Phase.ACTIVE:
            raise world.broken(f"r{router.number} handed its role over and has it again")
        if kind == "stop":
            self.gapless = unit if others else ()
            router.start()
            self._settle()

    def _in_turn(self, unit: Unit, others: list[Router]) -> bool:
        """Say whether their skews keep them apart, and groups agree: two that follow at once leave a gap."""
        scale = self.scenario.interval if self.scenario.version == 3 else 1.0
        apart = 256 / scale * (self.world.delay[1] + self.world.lateness + 2e-3 * scale)
        ranks = [{each.members[index].state.priority for index in unit} for each in others]
        if any(len(each) > 1 for each in ranks):
            return False
        # who is asked to follow does so as if it had no skew at all
        ordered = sorted([256, *(priority for each in ranks for priority in each)])
        return all(higher - lower > apart for lower, higher in pairwise(ordered))

    def _crash(self, unit: Unit, router: Router, others: list[Router]) -> None:
        world = self.world
        router.crash(machine=True)
        world.run(world.now + self.scenario.silence + ARM_TIMEOUT + 0.05)
        if others and not any(each.members[unit[0]].held for each in others):
            raise world.broken(f"nobody followed r{router.number} when it crashed")
        self._settle()


def play(seed: int, trace: Callable[[str], None] | None = None) -> None:
    """Play one seed.

    Raises:
        BrokenRuleError: something does not hold.
    """
    Judge(seed, trace).play()
