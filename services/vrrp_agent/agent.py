"""The loop: one thread that waits for packets, interfaces, commands and deadlines, and for nothing else.

It never waits for the bus, a log or a file. Received packets come before an expired deadline: after a stall
the kernel's buffers may hold the advertisement that the deadline missed.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable

from vipbus.contracts import VrrpInstance, name_token
from vipbus.runtime.life import FatalError
from vipbus.runtime.readiness import Readiness
from vrrp_agent import metrics
from vrrp_agent.addresses import Addresses
from vrrp_agent.arp import ArpSocket, Neighbours
from vrrp_agent.exchange import (
    AddressesLoaded,
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
from vrrp_agent.packet import Drop, Expected, decode
from vrrp_agent.realtime import Collector
from vrrp_agent.runtime import Runtime
from vrrp_agent.sockets import Wire
from vrrp_agent.timers import Timers
from vrrp_agent.validate import unusable

log = logging.getLogger(__name__)

_BATCH = 4096
"""Packets taken from one interface at a time: more than its buffer holds, so a flood cannot hold the loop."""
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
        inbox.wake = self._wake
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
        self._by_router: dict[tuple[str, int], Runtime] = {}
        self._expected: dict[str, dict[int, Expected]] = {}
        self._virtual: frozenset[str] = frozenset()
        self._watches: dict[str, ArpSocket] = {}
        self._look_again_at: float | None = None
        self._leaving = 0
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._listen(self._wakeup, self._commands)
        self._listen(self._monitor.fileno(), self._interfaces_changed)

    def _wake(self) -> None:
        os.eventfd_write(self._wakeup, 1)

    def _listen(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)

    def _unlisten(self, descriptor: int) -> None:
        del self._handlers[descriptor]
        self._epoll.unregister(descriptor)

    # ---- the loop

    def run(self) -> None:
        """Work until every instance has left.

        Raises:
            FatalError: something is missing without which there is no election.
        """
        while not self._leaving or self._runtimes:
            now = time.monotonic()
            due = self._next(now)
            self._collector.maybe(now, due)
            for descriptor, _ in self._epoll.poll(due):
                handler = self._handlers.get(descriptor)
                if handler is not None:  # an earlier one may have closed it
                    handler()
            self._expire()
        self._addresses.close()

    def _next(self, now: float) -> float | None:
        """Seconds until the next deadline."""
        times = [at for at in (self._timers.next(), self._look_again_at) if at is not None]
        return max(0.0, min(times) - now) if times else None

    def _expire(self) -> None:
        now = time.monotonic()
        for token in self._timers.expired(now):
            runtime = self._runtimes[token]
            self._hear(runtime.wire)
            if runtime.released:
                continue
            state = runtime.state
            if state.deadline is not None and state.deadline <= now:
                now = time.monotonic()
                if state.advert_at is not None and state.advert_at <= now:
                    metrics.LATENESS.observe(now - state.advert_at, instance=token)
                self._tell(runtime, TimerExpired())
            else:
                self._timers.set(token, state.deadline)
        if self._look_again_at is not None and self._look_again_at <= now:
            self._look_again_at = None
            self._look()

    def _tell(self, runtime: Runtime, event: Happening) -> None:
        """Let an instance decide, and see to what follows from its new state."""
        runtime.handle(event, time.monotonic())
        if runtime.state.phase is Phase.ARMING and not self._bus_connected():
            runtime.arm_outcome = "no bus"
            runtime.handle(ArmingOver(runtime.state.epoch), time.monotonic())
        self._report_problems(runtime)
        if runtime.watching:
            self._watch(runtime)
        if runtime.released:
            self._drop(runtime)
        else:
            self._timers.set(runtime.token, runtime.state.deadline)

    def _report_problems(self, runtime: Runtime) -> None:
        name, state = runtime.config.name, runtime.state
        fault = f"{name} is in fault: {state.cause}" if state.phase is Phase.FAULT else ""
        self._readiness.problem(name, fault)
        missing = runtime.add_problem if state.phase is Phase.ACTIVE else ""
        self._readiness.problem(f"{name} addresses", f"{name}: {missing}" if missing else "")

    # ---- packets

    def _hear(self, wire: Wire) -> None:
        receiver = wire.receiver
        if receiver is None:
            return
        expected = self._expected.get(wire.interface, {})
        for _ in range(_BATCH):
            datagram = receiver.receive()
            if datagram is None:
                return
            found = decode(datagram, expected)
            if isinstance(found, Drop):
                metrics.PACKETS_DROPPED.add(interface=wire.interface, reason=found.value)
                continue
            runtime = self._by_router[wire.interface, found.virtual_router_id]
            if found.source == runtime.state.source:
                metrics.PACKETS_DROPPED.add(interface=wire.interface, reason=Drop.OWN.value)
                continue
            metrics.ADVERTISEMENTS_RECEIVED.add(instance=runtime.token)
            runtime.compare(found)
            if runtime.started:
                self._tell(runtime, AdvertisementReceived(found))

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
        name = runtime.config.interface
        problem = self._interfaces.problem(name, self._virtual)
        link = self._interfaces.link(name)
        if problem or link is None:
            return problem, ""
        source = self._interfaces.primary(name, self._virtual)
        wire = runtime.wire
        before = None if wire.receiver is None else wire.receiver.fileno()
        try:
            if wire.open(link.index, source) and wire.receiver is not None:
                if before is not None:
                    self._handlers.pop(before, None)  # its close took it out of epoll
                self._listen(wire.receiver.fileno(), lambda: self._hear(wire))
        except OSError as error:
            if before is not None and wire.receiver is None:
                self._handlers.pop(before, None)
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
                self._addresses.add((address,))  # its device came later than the role

    def _watch(self, runtime: Runtime) -> None:
        """Hear who announces a leaving instance's addresses."""
        for device in {each.dev for each in runtime.config.virtual_ipaddress} - set(self._watches):
            try:
                watch = ArpSocket(device, listening=True)
            except OSError as error:
                log.debug("a successor is not heard on %s: %s", device, error)
                continue
            self._watches[device] = watch
            self._listen(watch.fileno(), lambda device=device: self._announced(device))  # type: ignore[misc]  # a default binds it

    def _announced(self, device: str) -> None:
        for address in self._watches[device].heard():
            for runtime in list(self._runtimes.values()):
                if any((each.address, each.dev) == (address, device) for each in runtime.state.addresses):
                    self._tell(runtime, AddressTaken(address))

    def _unwatch(self) -> None:
        """Stop hearing devices on which nobody leaves any more."""
        needed = {
            each.dev
            for runtime in self._runtimes.values()
            if runtime.watching
            for each in runtime.state.addresses
        }
        for device in set(self._watches) - needed:
            watch = self._watches.pop(device)
            self._unlisten(watch.fileno())
            watch.close()

    # ---- commands

    def _commands(self) -> None:
        os.eventfd_read(self._wakeup)
        for command in self._inbox.take():
            match command:
                case Configure():
                    self.configure(command)
                case TableSeen():
                    self._table_seen(command)
                case BusLost():
                    self._end_arming()
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
        if runtime is None or runtime.state.phase is not Phase.ARMING or runtime.state.epoch != seen.epoch:
            return
        if seen.error:
            log.warning("%s takes its addresses without a table: %s", runtime.config.name, seen.error)
        runtime.arm_outcome = "failed" if seen.error else "armed"
        runtime.arm_trace = seen.trace
        self._tell(runtime, ArmingOver(seen.epoch))

    def _end_arming(self) -> None:
        for runtime in list(self._runtimes.values()):
            if runtime.state.phase is Phase.ARMING:
                runtime.arm_outcome = "no bus"
                self._tell(runtime, ArmingOver(runtime.state.epoch))

    def _leave(self) -> None:
        self._leaving += 1
        for runtime in list(self._runtimes.values()):
            self._tell(runtime, Stop("the agent stops", graceful=self._leaving == 1))

    # ---- configuration

    def configure(self, command: Configure) -> None:
        """Run exactly these instances: what can go on goes on."""
        if self._leaving:
            return
        wanted: dict[str, VrrpInstance] = {}
        problems = []
        for config in command.instances:
            problem = unusable(config, wanted.values())
            if problem:
                problems.append(problem)
            else:
                wanted[name_token(config.name)] = config
        self._readiness.problem("configuration", "; ".join(problems))
        self._virtual = frozenset(
            each.address
            for config in wanted.values()
            if config.priority < 255
            for each in config.virtual_ipaddress
        )
        for token, runtime in list(self._runtimes.items()):
            runtime.trace = command.trace
            if token not in wanted:
                runtime.forgotten = True
                self._tell(runtime, Stop("removed from the configuration"))
        for token, config in wanted.items():
            self._change(token, config, command)
        for runtime in list(self._runtimes.values()):
            runtime.trace = None
        self._look()
        self._readiness.done("configuration")

    def _change(self, token: str, config: VrrpInstance, command: Configure) -> None:
        runtime = self._runtimes.get(token)
        if runtime is not None:
            runtime.revision = command.revision
            now = runtime.config
            same = (now.interface, now.virtual_router_id, now.version) == (
                config.interface,
                config.virtual_router_id,
                config.version,
            )
            if same and not runtime.forgotten:
                if now == config:
                    self._outbox.put(runtime.report(changed=False))
                else:
                    self._tell(runtime, Reconfigured(config))
                    self._expect()
                return
            runtime.forgotten = False  # the role's key stays, for its successor here
            self._tell(runtime, Stop("it was moved to another virtual router", graceful=False))
        holder = self._by_router.get((config.interface, config.virtual_router_id))
        if holder is not None:  # another name, still leaving
            self._tell(holder, Stop(f"{config.name} takes its virtual router", graceful=False))
        self._add(token, config, command)

    def _add(self, token: str, config: VrrpInstance, command: Configure) -> None:
        wire = self._wires.setdefault(config.interface, Wire(config.interface))
        runtime = self._runtimes[token] = Runtime(
            config,
            slot=self._heartbeat.slot(config),
            wire=wire,
            addresses=self._addresses,
            neighbours=self._neighbours,
            outbox=self._outbox,
        )
        runtime.revision = command.revision
        runtime.trace = command.trace
        self._by_router[config.interface, config.virtual_router_id] = runtime
        self._expect()
        self._condition(runtime)  # listen from now on, whenever it begins
        self._begin(runtime)

    def _begin(self, runtime: Runtime) -> None:
        """Let an instance take part: at once where it goes on, else when addresses can be written."""
        adopted = time.monotonic() < runtime.adoptable_until
        if runtime.started or not (adopted or self._addresses.ready):
            return
        problem, source = self._condition(runtime)
        runtime.started = True
        self._tell(runtime, Started(source=source, problem=problem, adopted=adopted and not problem))

    def _expect(self) -> None:
        self._expected = {interface: {} for interface in self._wires}
        for runtime in self._runtimes.values():
            config = runtime.config
            self._expected[config.interface][config.virtual_router_id] = Expected(
                version=config.version, interval=config.advert_int
            )

    def _drop(self, runtime: Runtime) -> None:
        """Give back what a released instance held."""
        config = runtime.config
        del self._runtimes[runtime.token]
        del self._by_router[config.interface, config.virtual_router_id]
        self._timers.set(runtime.token, None)
        if not any(each.wire is runtime.wire for each in self._runtimes.values()):
            if runtime.wire.receiver is not None:
                self._unlisten(runtime.wire.receiver.fileno())
            runtime.wire.close()
            del self._wires[config.interface]
        self._expect()
        self._unwatch()
        for problem in (config.name, f"{config.name} addresses"):
            self._readiness.problem(problem, "")
        if runtime.forgotten:
            self._heartbeat.release(config)
            self._outbox.put(Forgotten(config))
