"""The loop: one thread that waits for packets, interfaces, commands and deadlines, and for nothing else.

It never waits for the bus, a script, a log or a file. Received packets come before an expired deadline: after
a stall the kernel's buffers may hold the advertisement that the deadline missed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from vipbus.runtime.life import FatalError
from vipbus.runtime.poller import Poller
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.service_manager import ServiceManager, Telling
from vipbus.runtime.timers import Timers
from vrrp_agent import realtime
from vrrp_agent.announcer import Announcer
from vrrp_agent.arming import Arming
from vrrp_agent.ensemble import Ensemble
from vrrp_agent.events import AddressTaken, Follow, Stop, TimerExpired
from vrrp_agent.events import HandOver as HandedOver
from vrrp_agent.exchange import (
    AddressesLoaded,
    Answer,
    BusLost,
    Command,
    Configure,
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
from vrrp_agent.heartbeat import Heartbeat
from vrrp_agent.interfaces import Monitor
from vrrp_agent.lookout import Lookout
from vrrp_agent.model import Phase
from vrrp_agent.objects import Objects
from vrrp_agent.realtime import Collector
from vrrp_agent.roster import Roster
from vrrp_agent.runtime import Hands, Runtime
from vrrp_agent.side import Side
from vrrp_agent.successors import Successors
from vrrp_agent.tracking.sources import SourceSeen
from vrrp_agent.worker import Worker

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
        self._side = side
        self._inbox = inbox
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        inbox.wake = lambda: os.eventfd_write(self._wakeup, 1)
        self._outbox = outbox
        self._readiness = readiness
        self._bus_connected = bus_connected
        self._poller = Poller()
        monitor = Monitor()
        self._objects = Objects(monitor.interfaces)
        self._worker = Worker(lambda: inbox.put(Worked()))
        self._announcer = Announcer(monitor.interfaces)
        self._timers = Timers()
        self._told = Telling(ServiceManager(), lambda: readiness.problems)
        self._collector = Collector(time.monotonic())
        self._instances = Ensemble(self._after, side.tell)
        self._arming = Arming(self._instances)
        self._lookout = Lookout(
            router=router,
            instances=self._instances,
            objects=self._objects,
            monitor=monitor,
            worker=self._worker,
            poller=self._poller,
            readiness=readiness,
            outbox=outbox,
            quiet_until=lambda: self._roster.quiet_until,
        )
        self._roster = Roster(
            instances=self._instances,
            circumstances=self._lookout.circumstances,
            heartbeat=heartbeat,
            poller=self._poller,
            hands=Hands(self._objects, self._announcer),
            outbox=outbox,
            tell=side.tell,
        )
        self._successors = Successors(self._poller, self._announced, monitor.interfaces)
        self._leaving = 0
        self._poller.add(self._wakeup, self._commands)

    # ---- the loop

    def run(self) -> None:
        """Work until every instance has left.

        Raises:
            FatalError: something is missing without which there is no election.
        """
        while not self._leaving or len(self._instances) or self._objects.pending:
            now = time.monotonic()
            self._told.look(now)
            free = 0.0 if self._arming else self._until_next(now)
            self._collector.maybe(now, free)
            self._poller.wait(free)
            self._expire()
            self._arming.take_next()
        self._lookout.stop()
        self._worker.finish(_LAST_WORK)
        self._objects.close()

    def _until_next(self, now: float) -> float | None:
        """Seconds until the next deadline; None when there is none."""
        times = (self._timers.next(), self._lookout.due, self._announcer.deadline, self._told.due)
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
        self._lookout.expire(now)

    def _after(self, runtime: Runtime) -> None:
        """See to what follows from an instance's new state."""
        if runtime.state.phase is Phase.ARMING and not self._bus_connected():
            self._arming.end(runtime, "no bus")
        for name, problem in runtime.problems():
            self._readiness.problem(name, problem)
        if runtime.watching or runtime.released or self._successors.watching:
            self._watch()
        if runtime.released:
            self._drop(runtime)
        else:
            self._timers.set(runtime.token, runtime.state.deadline)

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

    # ---- commands

    def _commands(self) -> None:  # noqa: C901, PLR0912  # one row a command
        os.eventfd_read(self._wakeup)
        for command in self._inbox.take():
            match command:
                case Configure():
                    self.configure(command)
                    self._collector.settle()
                case TableSeen():
                    self._arming.table_seen(command)
                case SourceSeen():
                    self._lookout.source_seen(command)
                case BusLost():
                    self._arming.bus_lost()
                case AddressesLoaded():
                    self._objects.open()
                    self._lookout.prepare()
                    self._lookout.look()
                case HandOver():
                    self._outbox.put(Answer(ticket=command.ticket, problem=self._hand_over(command)))
                case Take():
                    self._outbox.put(Answer(ticket=command.ticket, problem=self._follow(command)))
                case Show():
                    self._outbox.put(self._shown(command))
                case Worked():
                    self._lookout.look()
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
            runtime.shown(self._lookout.states(runtime.config.tracks))
            for runtime in self._instances
            if not runtime.forgotten
        )
        return Shown(ticket=command.ticket, states=states)

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
        self._lookout.configure(configuration)
        self._side.configure(configuration)
        self._roster.configure(command)
        self._readiness.problem("configuration", "; ".join(self._roster.problems))
        self._lookout.look()
        self._instances.settle()
        self._lookout.prepare()
        if settings.fifo_states_on_reload:
            for runtime in self._instances:
                runtime.teller.repeat(runtime.state)
        self._readiness.done("configuration")

    def _drop(self, runtime: Runtime) -> None:
        """Give back what a released instance held."""
        self._timers.set(runtime.token, None)
        runtime.teller.stopped(runtime.state, deleted=runtime.forgotten)
        self._lookout.forget(runtime)
        self._roster.dismiss(runtime)
        if runtime.forgotten:
            self._outbox.put(Forgotten(runtime.config))
