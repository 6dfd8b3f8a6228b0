"""The loop: one thread that waits for packets, interfaces, commands and deadlines, and for nothing else.

It never waits for the bus, a script, a log or a file. Received packets come before an expired deadline: after
a stall the kernel's buffers may hold the advertisement that the deadline missed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from vipbus.contracts import TrackChanged, VrrpConfiguration
from vipbus.runtime.life import FatalError
from vipbus.runtime.poller import Poller
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.service_manager import ServiceManager, Telling
from vipbus.runtime.timers import Timers
from vrrp_agent import realtime
from vrrp_agent.announcer import Announcer
from vrrp_agent.circumstances import Circumstances
from vrrp_agent.ensemble import Ensemble
from vrrp_agent.events import AddressTaken, ArmingOver, Follow, ObjectsLost, Started, Stop, TimerExpired
from vrrp_agent.events import HandOver as HandedOver
from vrrp_agent.exchange import (
    AddressesLoaded,
    Answer,
    ArmOutcome,
    BusLost,
    Command,
    Configure,
    EventReport,
    Failed,
    Forgotten,
    HandOver,
    Leave,
    Mailbox,
    Report,
    Settled,
    Show,
    Shown,
    TableSeen,
    Take,
    Worked,
)
from vrrp_agent.filters import closed
from vrrp_agent.firewall import Firewall
from vrrp_agent.heartbeat import Heartbeat
from vrrp_agent.interfaces import Monitor
from vrrp_agent.link_states import LinkStates
from vrrp_agent.model import Movable, Phase
from vrrp_agent.objects import Objects
from vrrp_agent.realtime import Collector
from vrrp_agent.roster import Roster
from vrrp_agent.routes import protocol_of
from vrrp_agent.runtime import Hands, Runtime
from vrrp_agent.side import Side
from vrrp_agent.static import Static
from vrrp_agent.successors import Successors
from vrrp_agent.tracking.sources import Sources, SourceSeen
from vrrp_agent.virtual_mac import VirtualMacs
from vrrp_agent.worker import Worker

log = logging.getLogger(__name__)

_LAST_WORK = 3.0
"""Seconds that the end waits for devices and rules to be taken away; a device takes tens of milliseconds."""


class Agent:
    """Every instance of one router; `run` is its thread."""

    def __init__(
        self,
        *,
        router: str,
        heartbeat: Heartbeat,
        inbox: Mailbox[Command],
        outbox: Mailbox[Report],
        readiness: Readiness,
        side: Side,
        bus_connected: Callable[[], bool],
    ) -> None:
        self._router = router
        self._side = side
        self._inbox = inbox
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        inbox.wake = lambda: os.eventfd_write(self._wakeup, 1)
        self._outbox = outbox
        self._readiness = readiness
        self._bus_connected = bus_connected
        self._poller = Poller()
        self._monitor = Monitor()
        self._interfaces = self._monitor.interfaces
        self._objects = Objects(self._interfaces)
        self._worker = Worker(lambda: inbox.put(Worked()))
        self._announcer = Announcer(self._interfaces)
        self._static = Static(self._interfaces, self._objects)
        self._macs = VirtualMacs(self._interfaces, self._worker)
        self._firewall = Firewall(self._worker, self._poller)
        self._timers = Timers()
        self._told = Telling(ServiceManager(), lambda: readiness.problems)
        self._collector = Collector(time.monotonic())
        self._instances = Ensemble(self._after, side.tell)
        self._links = LinkStates(self._interfaces)
        self._sources = Sources()
        self._circumstances = Circumstances(
            self._interfaces, self._macs, self._static, self._links, self._sources
        )
        self._roster = Roster(
            instances=self._instances,
            circumstances=self._circumstances,
            heartbeat=heartbeat,
            poller=self._poller,
            hands=Hands(self._objects, self._announcer),
            outbox=outbox,
            tell=side.tell,
        )
        self._successors = Successors(self._poller, self._announced, self._interfaces)
        self._armed: dict[str, int] = {}
        """Epochs whose addresses wait for nothing any more, by token, the first to be armed first."""
        self._tracked_links: list[str] = []
        self._look_again_at: float | None = None
        self._leaving = 0
        self._poller.add(self._wakeup, self._commands)
        self._poller.add(self._monitor.fileno(), self._interfaces_changed)

    # ---- the loop

    def run(self) -> None:
        """Work until every instance has left.

        Raises:
            FatalError: something is missing without which there is no election.
        """
        while not self._leaving or len(self._instances) or self._objects.pending:
            now = time.monotonic()
            self._told.look(now)
            free = 0.0 if self._armed else self._until_next(now)
            self._collector.maybe(now, free)
            self._poller.wait(free)
            self._expire()
            self._take_addresses()
        self._static.stop()
        self._firewall.close()
        self._worker.finish(_LAST_WORK)
        self._objects.close()

    def _until_next(self, now: float) -> float | None:
        """Seconds until the next deadline; None when there is none."""
        times = (self._timers.next(), self._look_again_at, self._announcer.deadline, self._told.due)
        return min((max(0.0, at - now) for at in times if at is not None), default=None)

    def _expire(self) -> None:
        for token in self._timers.expired(time.monotonic()):
            runtime = self._instances.get(token)
            if runtime is None:
                continue
            runtime.wire.hear()
            if runtime.released:
                continue
            now, state = time.monotonic(), runtime.state
            if state.deadline is None or state.deadline > now:
                self._timers.set(token, state.deadline)
                continue
            if state.advert_at is not None and state.advert_at <= now:
                runtime.teller.late(now - state.advert_at)
            self._instances.tell(runtime, TimerExpired())
        now = time.monotonic()
        if self._announcer.deadline is not None:
            self._announcer.work(now)
        if self._look_again_at is not None and self._look_again_at <= now:
            self._look_again_at = None
            self._look()

    def _after(self, runtime: Runtime) -> None:
        """See to what follows from an instance's new state."""
        if runtime.state.phase is Phase.ARMING and not self._bus_connected():
            self._end_arming(runtime, "no bus")
        for name, problem in runtime.problems():
            self._readiness.problem(name, problem)
        if runtime.watching or runtime.released or self._successors.watching:
            self._watch()
        if runtime.released:
            self._drop(runtime)
        else:
            self._timers.set(runtime.token, runtime.state.deadline)

    # ---- interfaces

    def _interfaces_changed(self) -> None:
        self._monitor.drain()
        self._look()

    def _look(self) -> None:
        """Compare every instance with what it depends on, and everything held with what is there."""
        self._static.look()
        now = time.monotonic()
        for name in self._tracked_links:
            seen = self._links.source(name, now)
            if self._sources.see(seen):
                self._changed(seen)
        # before a device is made, in the same thread: one frame from a backup's virtual MAC misleads a bridge
        configs = [runtime.config for runtime in self._instances]
        self._firewall.want(closed(configs), self._macs.below(configs))
        for runtime in self._instances:
            self._look_at(runtime)
        self._readiness.problem("firewall", self._firewall.problem)
        retry = self._circumstances.retry_at
        self._circumstances.retry_at = None
        self._again(retry)
        self._again(self._links.turns_at)

    def _look_at(self, runtime: Runtime) -> None:
        if not runtime.started:
            self._begin(runtime)
            return
        surroundings, state = self._circumstances.of(runtime), runtime.state
        if (surroundings.source, surroundings.faults, surroundings.weight) != (
            state.source,
            state.faults,
            state.weight,
        ):
            self._instances.tell(runtime, surroundings)
        self._look_after_objects(runtime)

    def _again(self, at: float | None) -> None:
        """Look again at a time, unless that comes sooner anyway."""
        if at is not None and (self._look_again_at is None or at < self._look_again_at):
            self._look_again_at = at

    def _look_after_objects(self, runtime: Runtime) -> None:
        if runtime.state.phase is not Phase.ACTIVE or not self._objects.ready:
            return
        lost: list[Movable] = []
        for each in runtime.state.objects:
            if self._interfaces.holds(runtime.place(each)):
                runtime.held.add(each)
            elif each in runtime.held:
                runtime.held.discard(each)
                if each.tracked:
                    lost.append(each)
            elif self._objects.possible(runtime.place(each)):
                runtime.add_late(each)
        if lost:
            self._instances.tell(runtime, ObjectsLost(tuple(lost)))

    def _watch(self) -> None:
        """Hear the devices of every instance that leaves."""
        leaving = [runtime for runtime in self._instances if runtime.watching]
        self._successors.watch(
            {runtime.device(each) for runtime in leaving for each in runtime.state.addresses}
        )

    def _announced(self, device: str, address: str) -> None:
        for runtime in self._instances:
            for each in runtime.state.addresses:
                if each.address == address and runtime.device(each) == device:
                    self._instances.tell(runtime, AddressTaken(address))

    # ---- tracked sources

    def _changed(self, seen: SourceSeen) -> None:
        """Publish what a source says now; what is not known is no news."""
        if seen.up is not None:
            changed = TrackChanged(
                router=self._router,
                kind=seen.kind,
                name=seen.name,
                up=seen.up,
                value=seen.value,
                cause=seen.cause,
            )
            self._outbox.put(EventReport(changed))

    def _source_seen(self, seen: SourceSeen) -> None:
        if self._sources.see(seen):
            self._changed(seen)
        for runtime in self._instances:
            if any((track.kind, track.name) == (seen.kind, seen.name) for track in runtime.config.tracks):
                self._look_at(runtime)

    # ---- commands

    def _commands(self) -> None:  # noqa: C901, PLR0912  # one row a command
        os.eventfd_read(self._wakeup)
        for command in self._inbox.take():
            match command:
                case Configure():
                    self.configure(command)
                    self._collector.settle()
                case TableSeen():
                    self._table_seen(command)
                case SourceSeen():
                    self._source_seen(command)
                case BusLost():
                    for runtime in self._instances:
                        self._end_arming(runtime, "no bus")
                case AddressesLoaded():
                    self._objects.open()
                    self._prepare()
                    self._look()
                case HandOver():
                    self._outbox.put(Answer(ticket=command.ticket, problem=self._hand_over(command)))
                case Take():
                    self._outbox.put(Answer(ticket=command.ticket, problem=self._follow(command)))
                case Show():
                    self._outbox.put(self._shown(command))
                case Worked():
                    self._look()
                case Settled():
                    self._collector.settle()
                case Failed(message):
                    raise FatalError(message)
                case Leave():
                    self._leave()

    def _hand_over(self, command: HandOver) -> str:
        runtime = self._instances.get(command.instance)
        if runtime is None:
            return f"no instance {command.instance} runs here"
        name, state = runtime.config.name, runtime.state
        if state.phase is Phase.ARMING:
            return f"{name} is taking over at this moment; ask again"
        if state.phase is not Phase.ACTIVE:
            return f"{name} is {'leaving already' if state.phase is Phase.LEAVING else state.role} here"
        self._instances.tell(runtime, HandedOver(command.to))
        return ""

    def _follow(self, command: Take) -> str:
        runtime = self._instances.get(command.instance)
        if runtime is None:
            return f"no instance {command.instance} runs here"
        members = self._instances.members(runtime.state.group) or [runtime]
        for each in members:
            if each.state.phase is not Phase.BACKUP:
                return f"{each.config.name} is {each.state.role} here; only a backup can follow"
        for each in members:
            self._instances.tell(each, Follow())
        return ""

    def _shown(self, command: Show) -> Shown:
        states = tuple(
            runtime.shown(self._sources.tracked(runtime.config.tracks).states)
            for runtime in self._instances
            if not runtime.forgotten
        )
        return Shown(ticket=command.ticket, states=states)

    def _table_seen(self, seen: TableSeen) -> None:
        runtime = self._instances.get(seen.instance)
        if runtime is None or runtime.state.epoch != seen.epoch or runtime.state.phase is not Phase.ARMING:
            return
        if seen.error:
            log.warning("%s takes its addresses without a table: %s", runtime.config.name, seen.error)
        runtime.teller.arm_trace = seen.trace
        self._end_arming(runtime, "failed" if seen.error else "armed")

    def _end_arming(self, runtime: Runtime, outcome: ArmOutcome) -> None:
        if runtime.state.phase is Phase.ARMING:
            runtime.teller.arm_outcome = outcome
            self._armed[runtime.token] = runtime.state.epoch

    def _take_addresses(self) -> None:
        """Let one armed instance take its addresses; between two of them advertisements go first.

        Addresses cost many times what an advertisement does. Where many instances take over at once,
        a backup would follow those whose first advertisement had to wait for the addresses of others.
        """
        if not self._armed:
            return
        token = next(iter(self._armed))
        epoch = self._armed.pop(token)
        runtime = self._instances.get(token)
        if runtime is not None:
            self._instances.tell(runtime, ArmingOver(epoch))

    def _leave(self) -> None:
        self._leaving += 1
        self._told.end()
        for runtime in self._instances:
            self._instances.tell(runtime, Stop("the agent stops", graceful=self._leaving == 1))

    # ---- instances come and go

    def configure(self, command: Configure) -> None:
        """Run exactly these instances: what can go on goes on."""
        if self._leaving:
            return
        configuration = command.configuration
        settings = configuration.settings
        realtime.apply(settings)
        tracks = [track for each in configuration.instances for track in each.tracks]
        self._sources.keep_only(tracks)
        self._tracked_links = sorted({track.name for track in tracks if track.kind == "interface"})
        self._links.configure(settings.interface_delays)
        self._side.configure(configuration)
        self._monitor.watch(_protocols(command.configuration))
        self._static.configure(settings)
        self._roster.configure(command)
        self._readiness.problem("configuration", "; ".join(self._roster.problems))
        self._look()
        self._instances.settle()
        self._prepare()
        if settings.fifo_states_on_reload:
            for runtime in self._instances:
                runtime.teller.repeat(runtime.state)
        self._readiness.done("configuration")

    def _begin(self, runtime: Runtime) -> None:
        """Let an instance take part: at once where it goes on, else when objects can be written."""
        now = time.monotonic()
        adopted = now < runtime.adoptable_until
        waits = self._sources.tracked(runtime.config.tracks).waiting
        surroundings = self._circumstances.of(runtime)  # listen from now on, whenever it begins
        making = self._macs.making(runtime.config)
        if not adopted and (waits or making or not self._objects.ready or now < self._roster.quiet_until):
            self._again(self._roster.quiet_until if now < self._roster.quiet_until else None)
            return
        runtime.started = True
        self._instances.tell(
            runtime,
            Started(
                source=surroundings.source,
                faults=surroundings.faults,
                weight=surroundings.weight,
                adopted=adopted and not surroundings.faults,
            ),
        )

    def _prepare(self) -> None:
        """Have the messages written that a takeover will need; in a thread."""
        if self._objects.ready:
            for runtime in self._instances:
                self._worker.submit(partial(self._objects.prepare, runtime.placed))

    def _drop(self, runtime: Runtime) -> None:
        """Give back what a released instance held."""
        self._timers.set(runtime.token, None)
        runtime.teller.stopped(runtime.state, deleted=runtime.forgotten)
        self._macs.remove(runtime.config)
        self._roster.dismiss(runtime)
        if runtime.forgotten:
            self._outbox.put(Forgotten(runtime.config))


def _protocols(configuration: VrrpConfiguration) -> frozenset[int]:
    """Say whose routes are looked after (rtnetlink(7), rtm_protocol)."""
    moving = (each for config in configuration.instances for each in config.virtual_routes)
    return frozenset(protocol_of(each) for each in (*moving, *configuration.settings.static_routes))
