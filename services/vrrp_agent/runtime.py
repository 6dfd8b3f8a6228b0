"""One instance as it runs: carries out, in order, what its state machine decides."""

from __future__ import annotations

import logging
import time

from vipbus.contracts import (
    AddressRestored,
    DualMasterSeen,
    RoleName,
    VirtualAddress,
    VrrpInstance,
    name_token,
)
from vipbus.telemetry.trace import TraceContext
from vrrp_agent import metrics
from vrrp_agent.addresses import Addresses
from vrrp_agent.arp import Neighbours
from vrrp_agent.exchange import ArmOutcome, EventReport, Mailbox, Report, RoleReport, TakeoverReport
from vrrp_agent.heartbeat import Slot, virtual_router
from vrrp_agent.instance import decide
from vrrp_agent.model import (
    Action,
    AddAddresses,
    Announce,
    Happening,
    Instance,
    Phase,
    Release,
    RemoveAddresses,
    ReportDualMaster,
    ReportRestored,
    SendAdvertisement,
    SendGratuitousArp,
    WatchForSuccessor,
)
from vrrp_agent.packet import Advertisement, encode
from vrrp_agent.wire import Wire

log = logging.getLogger(__name__)

_ROLES: tuple[RoleName, ...] = ("active", "backup", "fault", "stopped")
_STRANGERS = 16
"""Routers with other addresses that get a line each; whoever floods the link with more is only counted."""
_ADOPTABLE = 3
"""Advertisement intervals after which every backup may have taken over."""


class Runtime:
    """An instance's state and the hands it works with."""

    def __init__(
        self,
        config: VrrpInstance,
        *,
        slot: Slot,
        wire: Wire,
        addresses: Addresses,
        neighbours: Neighbours,
        outbox: Mailbox[Report],
    ) -> None:
        self.token = name_token(config.name)
        self.wire = wire
        self.slot = slot
        self.revision = 0
        self.trace: TraceContext | None = None
        """Of the configuration, while it is being applied."""
        self.forgotten = False
        """True once it is removed from the configuration: its role is deleted at the end."""
        self.started = False
        self.held: set[VirtualAddress] = set()
        """The addresses that were seen on their devices since they were added."""
        self.watching = False
        """True while a successor's gratuitous ARP is waited for."""
        self.released = False
        self.arm_trace: TraceContext | None = None
        """The write of the table that ended the wait for it."""
        self._arm_outcome: ArmOutcome = "timeout"
        self._add_problem = ""
        """Why an address could not be added, in words."""
        self._addresses = addresses
        self._neighbours = neighbours
        self._outbox = outbox
        self._messages: dict[tuple[int, str], bytes] = {}
        self._own_addresses = {each.address for each in config.virtual_ipaddress}
        self._strangers: set[str] = set()
        """Who was seen to advertise other addresses."""
        self._arming_since = 0.0
        self._added_ns = (0, 0)
        self._cause_ns = 0
        self._mute = False
        beat = slot.read()
        slot.bind(virtual_router(config))
        self._since = beat.since
        self.adoptable_until = 0.0
        """CLOCK_MONOTONIC seconds until which the last life may be carried on; 0: it may not."""
        if beat.role == "active" and beat.advertised and beat.virtual_router == virtual_router(config):
            self.adoptable_until = beat.advertised + _ADOPTABLE * config.advert_int
        self.state = Instance(config=config, epoch=beat.epoch)
        self._announced = beat.epoch
        self._told = ""

    @property
    def config(self) -> VrrpInstance:
        """The configuration that it runs."""
        return self.state.config

    def handle(self, event: Happening, now: float) -> None:
        """Decide about an event and do what comes of it."""
        before = self.state
        self._cause_ns = time.time_ns()
        self.state, actions = decide(before, event, now)
        if self.state.config is not before.config:
            self._messages.clear()
            self._own_addresses = {each.address for each in self.config.virtual_ipaddress}
            self._strangers.clear()
        # first of all: whoever dies from here on comes back as what it is now
        if self.state.phase is Phase.LEAVING:
            self.slot.silence()
        if self.state.epoch != before.epoch:
            self._since = time.time()
            self.slot.role(self.state.role, self.state.epoch, self._since)
        if self.state.phase is Phase.ARMING and before.phase is not Phase.ARMING:
            self._arm_outcome, self.arm_trace, self._arming_since = "timeout", None, now
        for action in actions:
            self._do(action)
        if self.state.phase is Phase.ACTIVE and before.phase is Phase.ARMING:
            self._taken_over()

    def _do(self, action: Action) -> None:  # noqa: C901  # one row an action
        match action:
            case SendAdvertisement(priority):
                self._send(priority)
            case AddAddresses(addresses):
                began = time.time_ns()
                self._add_problem = self._addresses.add(addresses)
                self._added_ns = (began, time.time_ns())
            case RemoveAddresses(addresses):
                self.held.difference_update(addresses)
                self._addresses.remove(addresses)
            case SendGratuitousArp(addresses):
                problem = self._neighbours.announce(addresses)
                if problem:
                    log.warning("%s: %s", self.config.name, problem)
            case WatchForSuccessor():
                self.watching = True
            case Announce():
                self._announce()
            case ReportRestored(address):
                log.warning("%s: %s was removed by someone else and is put back", self.config.name, address)
                restored = AddressRestored(
                    router=self.config.router, instance=self.config.name, address=address
                )
                self._outbox.put(EventReport(restored))
            case ReportDualMaster(other, priority):
                log.warning(
                    "%s: %s is active too, with priority %d; it should yield to ours",
                    self.config.name,
                    other,
                    priority,
                )
                seen = DualMasterSeen(
                    router=self.config.router,
                    instance=self.config.name,
                    other=other,
                    other_priority=priority,
                    winner=self.state.source,
                )
                self._outbox.put(EventReport(seen))
            case Release():
                self.watching = False
                self.released = True

    def _send(self, priority: int) -> None:
        sender = self.wire.sender
        if sender is None:
            return
        key = (priority, sender.source)
        message = self._messages.get(key)
        if message is None:
            message = self._messages[key] = encode(
                Advertisement(
                    version=self.config.version,
                    virtual_router_id=self.config.virtual_router_id,
                    priority=priority,
                    interval=self.config.advert_int,
                    addresses=tuple(each.address for each in self.config.virtual_ipaddress),
                    source=sender.source,
                )
            )
        try:
            sender.send(message)
        except OSError as error:
            metrics.SEND_ERRORS.add(instance=self.token)
            if not self._mute:
                self._mute = True
                log.warning(
                    "%s cannot advertise on %s: %s", self.config.name, self.wire.interface, error.strerror
                )
            return
        self._mute = False
        if priority:
            self.slot.advertised(time.monotonic())
        metrics.ADVERTISEMENTS_SENT.add(instance=self.token)

    def count(self, advertisement: Advertisement) -> None:
        """Count an advertisement, and apart one for other addresses than ours: the election heeds both."""
        metrics.ADVERTISEMENTS_RECEIVED.add(instance=self.token)
        if set(advertisement.addresses) == self._own_addresses:
            return
        metrics.ADDRESS_LIST_MISMATCHES.add(instance=self.token)
        if advertisement.source not in self._strangers and len(self._strangers) < _STRANGERS:
            self._strangers.add(advertisement.source)
            log.warning(
                "%s: %s advertises %s, here virtual_ipaddress has %s",
                self.config.name,
                advertisement.source,
                " ".join(advertisement.addresses),
                " ".join(sorted(self._own_addresses)),
            )

    def arming_ended(self, outcome: ArmOutcome) -> None:
        """Note how the wait for the table ended, before the machine is told."""
        self._arm_outcome = outcome

    def add_late(self, address: VirtualAddress) -> None:
        """Add an address whose device came later than the role."""
        self._add_problem = self._addresses.add((address,))

    def problems(self) -> tuple[tuple[str, str], ...]:
        """Give each thing that may be wrong with it, under a name, in words; empty words: all right."""
        name, state = self.config.name, self.state
        fault = f"{name} is in fault: {state.cause}" if state.phase is Phase.FAULT else ""
        missing = self._add_problem if state.phase is Phase.ACTIVE else ""
        return (name, fault), (f"{name} addresses", f"{name}: {missing}" if missing else "")

    def _announce(self) -> None:
        state = self.state
        changed = state.epoch != self._announced
        self._announced = state.epoch
        self._outbox.put(self.report(changed=changed))
        if changed:
            metrics.TRANSITIONS.add(instance=self.token, to=state.role)
        for role in _ROLES:
            metrics.ROLE.set(float(role == state.role), instance=self.token, role=role)
        told, self._told = self._told, f"{state.epoch} {state.cause}"
        # the agent reports a fault as its problem, which logs it; a refresh is no news
        if state.role != "fault" and told != self._told:
            log.info("%s is %s: %s", self.config.name, state.role, state.cause)

    def report(self, *, changed: bool) -> RoleReport:
        """Say what the role is now."""
        return RoleReport(
            config=self.config,
            revision=self.revision,
            role=self.state.role,
            epoch=self.state.epoch,
            cause=self.state.cause,
            active_router=self.state.active_router,
            since=self._since,
            changed=changed,
            started_ns=self._cause_ns,
            parent=self.trace,
        )

    def _taken_over(self) -> None:
        waited = time.monotonic() - self._arming_since
        metrics.ARM_WAIT.observe(waited, outcome=self._arm_outcome)
        metrics.ARMED.add(outcome=self._arm_outcome)
        began, ended = self._added_ns
        self._outbox.put(
            TakeoverReport(
                instance=self.token,
                epoch=self.state.epoch,
                outcome=self._arm_outcome,
                began_ns=began,
                ended_ns=ended,
                problem=self._add_problem,
                table=self.arm_trace,
            )
        )
