"""A router: an agent's loop around its state machines, with a clock of its own, a kernel and a plug."""

from __future__ import annotations

from collections import deque

from tests.unit.vrrp_agent.simulation import rules
from tests.unit.vrrp_agent.simulation.member import Member
from tests.unit.vrrp_agent.simulation.tracing import describe
from tests.unit.vrrp_agent.simulation.world import World
from vrrp_agent.actions import (
    Action,
    AddObjects,
    RemoveObjects,
    SendAdvertisement,
    SendGratuitousArp,
    WatchForSuccessor,
)
from vrrp_agent.events import (
    AddressTaken,
    AdvertisementReceived,
    ArmingOver,
    Happening,
    ObjectsLost,
    Started,
    Stop,
    Surroundings,
    TimerExpired,
)
from vrrp_agent.groups import consequences
from vrrp_agent.instance import decide
from vrrp_agent.model import SPEAKING, Instance, Phase
from vrrp_agent.timing import ARM_TIMEOUT


class Router:
    """One agent and the machine under it."""

    def __init__(self, world: World, number: int, *, grouped: int, rate: float, buffer: int) -> None:
        self.world = world
        self.number = number
        self.grouped = grouped
        """As many of its instances, the first ones, are a sync group."""
        self.rate = rate
        """Seconds of its clock to a true one."""
        self.offset = number * 1000.0
        self.members: list[Member] = []
        self.running = False
        self.stalled = False
        self.stalled_at = float("-inf")
        """The end of its last stall, by its own clock."""
        self.resumed = False
        """Its present process took over from one before: its group may be in two minds for a moment."""
        self.life = 0
        self._inbox: deque[tuple[int, Happening]] = deque()
        self._buffer = buffer
        self._waiting: list[tuple[Member, Happening]] = []
        self._depth = 0
        self._moved = False
        """Some member's phase has changed since the group was looked at."""

    def group_of(self, index: int) -> str | None:
        return "G" if index < self.grouped else None

    def clock(self) -> float:
        """Read its monotonic clock."""
        return self.offset + self.world.now * self.rate

    # ---- its life

    def start(self) -> None:
        """Run the agent: carry on where a short-lived absence allows it, else begin."""
        if self.running:
            return
        self.world.say(f"r{self.number} starts")
        self.running, self.resumed = True, False
        now, fresh = self.clock(), []
        for member in self.members:
            before = member.state
            config = before.config
            window = config.down_timer_adverts * config.advert_int
            adopted = before.phase in SPEAKING and now < member.advertised + window and not member.faults
            self.resumed |= adopted
            group = self.group_of(member.index)
            member.state = Instance(config=config, epoch=before.epoch, group=group)
            member.record = rules.Record()
            member.listens = member.robbed = False
            fresh.append((member, adopted))
        for member, adopted in fresh:
            self.tell(
                member,
                Started(source=member.source, faults=member.faults, weight=member.weight, adopted=adopted),
            )

    def crash(self, *, machine: bool) -> None:
        """End the process at once; with the machine go its addresses."""
        self.world.say(f"r{self.number} crashes{', the whole machine' if machine else ''}")
        self._end()
        for member in self.members:
            if machine:
                member.held.clear()
                member.advertised = float("-inf")
            self.world.on_holding(member)

    def stop(self) -> None:
        """Ask every instance to leave."""
        if self.running:
            self.world.say(f"r{self.number} is asked to stop")
            for member in self.members:
                self.command(member, Stop("the agent stops"))

    def _end(self) -> None:
        self.life += 1
        self.running = self.stalled = False
        self._inbox.clear()
        self._waiting.clear()
        for member in self.members:
            member.asleep()

    def stall(self, seconds: float) -> None:
        """Do nothing for a while."""
        if self.running and not self.stalled:
            self.world.say(f"r{self.number} stalls for {seconds:.3f} s")
            self.stalled = True
            self.world.at(self.world.now + seconds, self.resume, self.life)

    def resume(self, life: int) -> None:
        """Go on, after a stall of the process with this number."""
        if life != self.life or not self.stalled:
            return
        self.world.say(f"r{self.number} goes on")
        self.stalled = False
        self.stalled_at = self.clock()
        # what the poller reports first is chance, but timers come last
        first, second = self._take_commands, self._take_packets
        if self.world.random.random() < 0.5:
            first, second = second, first
        first()
        second()
        for member in sorted(self.members, key=lambda each: each.state.deadline or float("inf")):
            self.expire(member)

    def _take_commands(self) -> None:
        waiting, self._waiting = self._waiting, []
        for member, event in waiting:
            self.tell(member, event)

    def _take_packets(self) -> None:
        while self._inbox:
            index, event = self._inbox.popleft()
            self.tell(self.members[index], event)

    # ---- what reaches it

    def arrive(self, index: int, event: AdvertisementReceived) -> None:
        """Receive a packet: the kernel keeps a few while nobody reads."""
        if not self.running:
            return
        if not self.stalled:
            self.tell(self.members[index], event)
        elif len(self._inbox) < self._buffer:
            self._inbox.append((index, event))

    def overhear(self, index: int, addresses: tuple[str, ...]) -> None:
        """Hear another host announce addresses."""
        for address in addresses:
            if self.running and self.members[index].listens:
                self.command(self.members[index], AddressTaken(address))

    def command(self, member: Member, event: Happening) -> None:
        """Let something other than a packet happen, when the loop has time."""
        if not self.running:
            return
        if self.stalled:
            self._waiting.append((member, event))
        else:
            self.tell(member, event)

    def surroundings(self, member: Member) -> None:
        """Say what the instance depends on."""
        event = Surroundings(source=member.source, faults=member.faults, weight=member.weight)
        self.command(member, event)

    def expire(self, member: Member) -> None:
        """Look at the clock."""
        deadline = member.state.deadline
        if not self.running or deadline is None:
            return
        if deadline <= self.clock():
            self.tell(member, TimerExpired())
        else:
            self._set_alarm(member, deadline)

    # ---- what it does

    def tell(self, member: Member, event: Happening) -> None:
        """Let an instance decide, do what comes of it, and see to its group."""
        world, now, before = self.world, self.clock(), member.state
        if isinstance(event, ObjectsLost):
            member.robbed = False
        state, actions = decide(before, event, now)
        member.state = state
        for action in actions:
            self._do(member, action, now)
        if state.phase is not Phase.LEAVING:
            member.listens = False
        if world.trace is not None and (state is not before or actions):
            describe(world, member, before, event, actions)
        deadline = state.deadline
        rules.check(world, rules.Step(member, before, event, actions, now, deadline))
        if state.phase is not before.phase:
            world.on_transition(member)
            self._moved = True
            if state.phase is Phase.ARMING:
                wait = world.random.random() * 1.2 * ARM_TIMEOUT
                world.at(world.now + wait, self._armed, self.life, member, state.epoch)
        if deadline is not None:
            self._set_alarm(member, deadline)
        if state.group is not None and state is not before:
            self._tell_group(member, before)
        if state.phase is Phase.STOPPED and all(each.state.phase is Phase.STOPPED for each in self.members):
            self._end()

    def _tell_group(self, member: Member, before: Instance) -> None:
        group = [each for each in self.members[: self.grouped] if each is not member]
        by_name = {each.state.config.name: each for each in (member, *group)}
        self._depth += 1
        for name, event in consequences(before, member.state, [each.state for each in group]):
            self.tell(by_name[name], event)
        self._depth -= 1
        if self._moved and not self._depth:
            self._moved = False
            torn = rules.group(self.world, self.members[: self.grouped], excused=self.resumed)
            self.resumed &= torn or any(each.state.phase is Phase.STARTING for each in self.members)

    def _armed(self, life: int, member: Member, epoch: int) -> None:
        if life == self.life:
            self.command(member, ArmingOver(epoch))

    def _set_alarm(self, member: Member, deadline: float) -> None:
        due = max((deadline - self.offset) / self.rate, self.world.now) + 1e-9
        if member.alarm is None or due < member.alarm:
            member.wake_at(due + self.world.random.random() * self.world.lateness)

    def _do(self, member: Member, action: Action, now: float) -> None:
        match action:
            case SendAdvertisement(priority):
                if priority:
                    member.advertised = now
                self.world.broadcast(member, member.said(priority))
            case AddObjects(objects):
                member.held.update(each.address for each in objects)  # type: ignore[union-attr]  # addresses alone are simulated
                self.world.on_holding(member)
            case RemoveObjects(objects):
                member.held.difference_update(each.address for each in objects)  # type: ignore[union-attr]  # as above
                self.world.on_holding(member)
            case SendGratuitousArp(addresses):
                self.world.announce(member, tuple(each.address for each in addresses))
            case WatchForSuccessor():
                member.listens = True
            case _:
                pass
