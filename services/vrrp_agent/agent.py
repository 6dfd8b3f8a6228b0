"""The loop: one thread that waits for packets, interfaces, commands and deadlines, and for nothing else.

It never waits for the bus, a log or a file. Received packets come before an expired deadline: after a stall
the kernel's buffers may hold the advertisement that the deadline missed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from vipbus.runtime.life import FatalError
from vipbus.runtime.readiness import Readiness
from vrrp_agent import metrics
from vrrp_agent.addresses import Addresses
from vrrp_agent.arp import Neighbours
from vrrp_agent.exchange import (
    AddressesLoaded,
    ArmOutcome,
    BusLost,
    Command,
    Configure,
    Failed,
    Forgotten,
    Leave,
    Mailbox,
    Report,
    Settled,
    TableSeen,
)
from vrrp_agent.heartbeat import Heartbeat
from vrrp_agent.interfaces import Monitor
from vrrp_agent.model import (
    AddressLost,
    AddressTaken,
    AdvertisementReceived,
    ArmingOver,
    Happening,
    LinkDown,
    LinkUp,
    Phase,
    Reconfigured,
    Started,
    Stop,
    TimerExpired,
)
from vrrp_agent.packet import Advertisement, Expected
from vrrp_agent.poller import Poller
from vrrp_agent.realtime import Collector
from vrrp_agent.reconfigure import Begin, Change, End, Keep, Step, plan, virtual_addresses
from vrrp_agent.runtime import Runtime
from vrrp_agent.successors import Successors
from vrrp_agent.timers import Timers
from vrrp_agent.wire import Wire

log = logging.getLogger(__name__)

_RETRY = 1.0
"""Seconds until sockets that could not be opened are tried again."""


class Agent:
    """Every instance of one router; `run` is its thread."""

    def __init__(
        self,
        *,
        heartbeat: Heartbeat,
        inbox: Mailbox[Command],
        outbox: Mailbox[Report],
        readiness: Readiness,
        bus_connected: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        inbox.wake = lambda: os.eventfd_write(self._wakeup, 1)
        self._heartbeat = heartbeat
        self._outbox = outbox
        self._readiness = readiness
        self._bus_connected = bus_connected
        self._monitor = Monitor()
        self._interfaces = self._monitor.interfaces
        self._addresses = Addresses(self._interfaces)
        self._neighbours = Neighbours()
        self._timers = Timers()
        self._collector = Collector(time.monotonic())
        self._runtimes: dict[str, Runtime] = {}
        self._wires: dict[str, Wire] = {}
        self._virtual: frozenset[str] = frozenset()
        self._poller = Poller()
        self._successors = Successors(self._poller, self._announced)
        self._armed: dict[str, int] = {}
        """Epochs whose addresses wait for nothing any more, by token, the first to be armed first."""
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
        while not self._leaving or self._runtimes or self._addresses.pending:
            now = time.monotonic()
            free = 0.0 if self._armed else self._until_next(now)
            self._collector.maybe(now, free)
            self._poller.wait(free)
            self._expire()
            self._take_addresses()
        self._addresses.close()

    def _until_next(self, now: float) -> float | None:
        """Seconds until the next deadline; None when there is none."""
        times = [at for at in (self._timers.next(), self._look_again_at) if at is not None]
        return max(0.0, min(times) - now) if times else None

    def _expire(self) -> None:
        for token in self._timers.expired(time.monotonic()):
            runtime = self._runtimes.get(token)
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
                metrics.LATENESS.observe(now - state.advert_at, instance=token)
            self._tell(runtime, TimerExpired())
        if self._look_again_at is not None and self._look_again_at <= time.monotonic():
            self._look_again_at = None
            self._look()

    def _tell(self, runtime: Runtime, event: Happening) -> None:
        """Let an instance decide, and see to what follows from its new state."""
        runtime.handle(event, time.monotonic())
        if runtime.state.phase is Phase.ARMING and not self._bus_connected():
            self._end_arming(runtime, "no bus")
        for name, problem in runtime.problems():
            self._readiness.problem(name, problem)
        if runtime.watching or runtime.released:
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
        """Compare every instance with its interface, and every address held with what is there."""
        for runtime in list(self._runtimes.values()):
            problem, source = self._condition(runtime)
            if not runtime.started:
                continue
            if problem:
                self._tell(runtime, LinkDown(problem))
            elif runtime.state.phase is Phase.FAULT or source != runtime.state.source:
                self._tell(runtime, LinkUp(source))
            self._look_after_addresses(runtime)

    def _condition(self, runtime: Runtime) -> tuple[str, str]:
        """Open what an instance needs; return why it cannot run (empty: it can) and its primary address."""
        name, virtual = runtime.config.interface, self._virtual
        problem = self._interfaces.problem(name, virtual)
        link = self._interfaces.link(name)
        if problem or link is None:
            return problem, ""
        source = self._interfaces.primary(name, virtual)
        try:
            runtime.wire.open(link.index, source)
        except OSError as error:
            self._look_again_at = time.monotonic() + _RETRY
            return f"no raw socket on interface {name}: {error.strerror}", ""
        return "", source

    def _look_after_addresses(self, runtime: Runtime) -> None:
        if runtime.state.phase is not Phase.ACTIVE or not self._addresses.ready:
            return
        for address in runtime.config.virtual_ipaddress:
            if self._interfaces.holds(address):
                runtime.held.add(address)
            elif address in runtime.held:
                runtime.held.discard(address)
                self._tell(runtime, AddressLost(address.address))
            elif self._interfaces.link(address.dev) is not None:
                runtime.add_late(address)

    def _watch(self) -> None:
        """Hear the devices of every instance that leaves."""
        leaving = [runtime for runtime in self._runtimes.values() if runtime.watching]
        self._successors.watch({each.dev for runtime in leaving for each in runtime.state.addresses})

    def _announced(self, device: str, address: str) -> None:
        for runtime in list(self._runtimes.values()):
            if any((each.dev, each.address) == (device, address) for each in runtime.state.addresses):
                self._tell(runtime, AddressTaken(address))

    # ---- commands

    def _commands(self) -> None:  # noqa: C901  # one row a command
        os.eventfd_read(self._wakeup)
        for command in self._inbox.take():
            match command:
                case Configure():
                    self.configure(command)
                    self._collector.settle()
                case TableSeen():
                    self._table_seen(command)
                case BusLost():
                    for runtime in list(self._runtimes.values()):
                        self._end_arming(runtime, "no bus")
                case AddressesLoaded():
                    self._addresses.open()
                    for runtime in list(self._runtimes.values()):
                        self._begin(runtime)
                    self._look()
                case Settled():
                    self._collector.settle()
                case Failed(message):
                    raise FatalError(message)
                case Leave():
                    self._leave()

    def _table_seen(self, seen: TableSeen) -> None:
        runtime = self._runtimes.get(seen.instance)
        if runtime is None or runtime.state.epoch != seen.epoch or runtime.state.phase is not Phase.ARMING:
            return
        if seen.error:
            log.warning("%s takes its addresses without a table: %s", runtime.config.name, seen.error)
        runtime.arm_trace = seen.trace
        self._end_arming(runtime, "failed" if seen.error else "armed")

    def _end_arming(self, runtime: Runtime, outcome: ArmOutcome) -> None:
        if runtime.state.phase is Phase.ARMING:
            runtime.arming_ended(outcome)
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
        runtime = self._runtimes.get(token)
        if runtime is not None:
            self._tell(runtime, ArmingOver(epoch))

    def _leave(self) -> None:
        self._leaving += 1
        for runtime in list(self._runtimes.values()):
            self._tell(runtime, Stop("the agent stops", graceful=self._leaving == 1))

    # ---- instances come and go

    def configure(self, command: Configure) -> None:
        """Run exactly these instances: what can go on goes on."""
        if self._leaving:
            return
        running = {token: runtime.config for token, runtime in self._runtimes.items()}
        leaving = {token for token, runtime in self._runtimes.items() if runtime.forgotten}
        new = plan(running, leaving, command.instances)
        self._readiness.problem("configuration", "; ".join(new.problems))
        for runtime in self._runtimes.values():
            runtime.revision, runtime.trace = command.revision, command.trace
        # an address that becomes virtual is no primary one any more, before anything begins with it
        self._virtual = virtual_addresses((*running.values(), *command.instances))
        for step in new.steps:
            self._take(step, command)
        self._virtual = virtual_addresses(runtime.config for runtime in self._runtimes.values())
        for runtime in self._runtimes.values():
            runtime.trace = None
        self._look()
        self._readiness.done("configuration")

    def _take(self, step: Step, command: Configure) -> None:
        match step:
            case End(token, cause, graceful, replaced):
                runtime = self._runtimes[token]
                runtime.forgotten = not replaced
                self._tell(runtime, Stop(cause, graceful))
            case Keep(token):
                self._outbox.put(self._runtimes[token].report(changed=False))
            case Change(token, config):
                runtime = self._runtimes[token]
                self._tell(runtime, Reconfigured(config))
                self._expect(runtime)
            case Begin(token, config):
                wire = self._wires.setdefault(config.interface, Wire(config.interface, self._poller))
                runtime = self._runtimes[token] = Runtime(
                    config,
                    slot=self._heartbeat.slot(config),
                    wire=wire,
                    addresses=self._addresses,
                    neighbours=self._neighbours,
                    outbox=self._outbox,
                )
                runtime.revision, runtime.trace = command.revision, command.trace
                self._expect(runtime)
                self._condition(runtime)  # listen from now on, whenever it begins
                self._begin(runtime)

    def _expect(self, runtime: Runtime) -> None:
        config = runtime.config

        def heard(advertisement: Advertisement) -> None:
            runtime.count(advertisement)
            if runtime.started:
                self._tell(runtime, AdvertisementReceived(advertisement))

        expected = Expected(version=config.version, interval=config.advert_int)
        runtime.wire.expect(config.virtual_router_id, expected, heard)

    def _begin(self, runtime: Runtime) -> None:
        """Let an instance take part: at once where it goes on, else when addresses can be written."""
        adopted = time.monotonic() < runtime.adoptable_until
        if runtime.started or not (adopted or self._addresses.ready):
            return
        problem, source = self._condition(runtime)
        runtime.started = True
        self._tell(runtime, Started(source=source, problem=problem, adopted=adopted and not problem))

    def _drop(self, runtime: Runtime) -> None:
        """Give back what a released instance held."""
        config = runtime.config
        del self._runtimes[runtime.token]
        self._timers.set(runtime.token, None)
        if runtime.wire.dismiss(config.virtual_router_id):
            del self._wires[config.interface]
        if runtime.forgotten:
            self._heartbeat.release(config)
            self._outbox.put(Forgotten(config))
