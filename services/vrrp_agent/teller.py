"""What an instance tells others: the bus, the log, the metrics, whoever is notified."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from vipbus.contracts import (
    AddressRestored,
    AddressYielded,
    DualMasterOver,
    DualMasterSeen,
    Event,
    HandedOver,
    ObjectRestored,
    RoleName,
    SteppedDown,
    VirtualAddress,
    VirtualRoute,
    VrrpInstance,
    name_token,
)
from vipbus.telemetry.trace import TraceContext
from vrrp_agent import metrics, routes, rules
from vrrp_agent.actions import (
    Action,
    ReportDualMaster,
    ReportDualMasterOver,
    ReportHandedOver,
    ReportRestored,
    ReportSteppedDown,
    ReportYielded,
)
from vrrp_agent.exchange import ArmOutcome, EventReport, Mailbox, Report, RoleReport, TakeoverReport
from vrrp_agent.model import Instance, Movable, Phase
from vrrp_agent.notify.told import Told, ToldState
from vrrp_agent.packet import Advertisement

log = logging.getLogger(__name__)

_ROLES: tuple[RoleName, ...] = ("active", "backup", "fault", "stopped")
_STRANGERS = 16
"""Routers with other addresses that get a line each; whoever floods the link with more is only counted."""


NOTIFIED: Mapping[Phase, ToldState] = {
    Phase.FAULT: "FAULT",
    Phase.BACKUP: "BACKUP",
    Phase.ACTIVE: "MASTER",
    Phase.LEAVING: "MASTER",
}
"""What keepalived calls a phase; while the addresses wait for their table nothing is told yet."""


class Teller:
    """Speaks for one instance to everybody but the network."""

    def __init__(self, config: VrrpInstance, outbox: Mailbox[Report], tell: Callable[[Told], None]) -> None:
        self.revision = 0
        self.trace: TraceContext | None = None
        """Of the configuration, while it is being applied."""
        self.arm_outcome: ArmOutcome = "timeout"
        self.arm_trace: TraceContext | None = None
        """The write of the table that ended the wait for it."""
        self.since = 0.0
        """Seconds since 1970 of the last role change."""
        self._token = name_token(config.name)
        self._outbox = outbox
        self._tell = tell
        self._notified: ToldState | None = None
        self._strangers: set[str] = set()
        """Who was seen to advertise other addresses."""
        self._announced = 0
        self._told = ""
        self._cause_ns = 0
        self._added_ns = (0, 0)
        self._arming_since = 0.0
        self._latest = 0.0

    def begin(self, epoch: int, since: float) -> None:
        """Go on where the life before ended."""
        self._announced, self.since = epoch, since

    def since_now(self) -> float:
        """Note that the role changes in this moment."""
        self.since = time.time()
        return self.since

    def hears(self, now_ns: int) -> None:
        """Note when the cause of what follows was seen."""
        self._cause_ns = now_ns

    def timed(self, work: Callable[[], str]) -> str:
        """Do something whose times belong into the trace."""
        began = time.time_ns()
        result = work()
        self._added_ns = (began, time.time_ns())
        return result

    def late(self, seconds: float) -> None:
        """Count how long after its time an advertisement goes out."""
        metrics.LATENESS.observe(seconds, instance=self._token)
        if seconds > self._latest:
            self._latest = seconds
            metrics.LATENESS_MAX.raise_to(seconds, instance=self._token)

    # ---- roles

    def moved(self, before: Instance, state: Instance, now: float, problem: str = "") -> None:
        """Note what a decision led to, when all of it is done.

        Args:
            before: the state that it was decided in.
            state: what came of it.
            now: seconds of the monotonic clock.
            problem: why some of the instance's objects could not be added, in words.
        """
        if state.config is not before.config:
            self._strangers.clear()
        if state.phase is Phase.ARMING and before.phase is not Phase.ARMING:
            self.arm_outcome, self.arm_trace, self._arming_since = "timeout", None, now
        if state.phase is Phase.ACTIVE and before.phase is Phase.ARMING:
            self._taken_over(state, problem)
        if state.phase is not Phase.STOPPED:  # see `stopped`
            self._notify(state, NOTIFIED.get(state.phase))
        if state.priority != before.priority and self._notified in ("MASTER", "BACKUP"):
            self.notify(state, "MASTER_PRIORITY" if self._notified == "MASTER" else "BACKUP_PRIORITY")

    # ---- those who are notified

    def _notify(self, state: Instance, word: ToldState | None) -> None:
        if word is not None and word != self._notified:
            self._notified = word
            self.notify(state, word)

    def notify(self, state: Instance, word: ToldState, *, again: bool = False) -> None:
        """Tell programs, pipes and mail."""
        self._tell(
            Told(
                name=state.config.name,
                state=word,
                priority=state.priority,
                notify=state.config.notify,
                cause=state.cause,
                again=again,
            )
        )

    def stopped(self, state: Instance, *, deleted: bool) -> None:
        """Tell that the instance is over: stopped, or no more in the configuration."""
        self._notify(state, "DELETED" if deleted else "STOP")

    def repeat(self, state: Instance) -> None:
        """Tell the pipes again what they know (fifo_write_vrrp_states_on_reload)."""
        if self._notified is not None:
            self.notify(state, self._notified, again=True)

    def announce(self, state: Instance) -> None:
        """Publish the role as it is."""
        changed = state.epoch != self._announced
        self._announced = state.epoch
        self._outbox.put(self.role(state, changed=changed))
        if changed:
            metrics.TRANSITIONS.add(instance=self._token, to=state.role)
        for role in _ROLES:
            metrics.ROLE.set(float(role == state.role), instance=self._token, role=role)
        metrics.PRIORITY.set(float(state.priority), instance=self._token)
        told, self._told = self._told, f"{state.epoch} {state.cause}"
        # the agent reports a fault as its problem, which logs it; a refresh is no news
        if state.role != "fault" and told != self._told:
            log.info("%s is %s: %s", state.config.name, state.role, state.cause)

    def role(self, state: Instance, *, changed: bool) -> RoleReport:
        """Say what the role is now."""
        return RoleReport(
            config=state.config,
            revision=self.revision,
            role=state.role,
            epoch=state.epoch,
            cause=state.cause,
            active_router=state.active_router,
            since=self.since,
            changed=changed,
            started_ns=self._cause_ns,
            effective_priority=state.priority,
            faults=state.trouble,
            sync_group=state.group,
            parent=self.trace,
        )

    def _taken_over(self, state: Instance, problem: str) -> None:
        waited = time.monotonic() - self._arming_since
        metrics.ARM_WAIT.observe(waited, outcome=self.arm_outcome)
        metrics.ARMED.add(outcome=self.arm_outcome)
        began, ended = self._added_ns
        self._outbox.put(
            TakeoverReport(
                instance=self._token,
                epoch=state.epoch,
                outcome=self.arm_outcome,
                began_ns=began,
                ended_ns=ended,
                problem=problem,
                table=self.arm_trace,
            )
        )

    # ---- events

    def report(self, state: Instance, action: Action) -> None:
        """Publish what happened and is no state."""
        name, event = state.config.name, _event(state, action)
        if event is None:
            return
        match action:
            case ReportRestored(thing):
                log.warning("%s: %s was removed by someone else and is put back", name, _words(thing))
            case ReportYielded(address):
                log.warning("%s: %s was removed by someone else; another router may have it", name, address)
            case ReportDualMaster(other, priority):
                log.warning(
                    "%s: %s is active too, with priority %d; it should yield to ours", name, other, priority
                )
                self.notify(state, "MASTER_RX_LOWER_PRI")
            case ReportDualMasterOver(other, lasted):
                log.info("%s: %s is active no more, after %.1f s", name, other, lasted)
            case ReportSteppedDown(late):
                log.warning("%s: this router was silent for %.2f s and gives its role up", name, late)
            case ReportHandedOver(to):
                log.info("%s: handing over%s", name, f" to {to}" if to else "")
        self._outbox.put(EventReport(event))

    def count(self, state: Instance, advertisement: Advertisement) -> None:
        """Count an advertisement, and apart one for other addresses than ours: the election heeds both."""
        metrics.ADVERTISEMENTS_RECEIVED.add(instance=self._token)
        own = {each.address for each in state.config.virtual_ipaddress}
        if set(advertisement.addresses) == own:
            return
        metrics.ADDRESS_LIST_MISMATCHES.add(instance=self._token)
        if advertisement.source not in self._strangers and len(self._strangers) < _STRANGERS:
            self._strangers.add(advertisement.source)
            log.warning(
                "%s: %s advertises %s, here virtual_ipaddress has %s",
                state.config.name,
                advertisement.source,
                " ".join(advertisement.addresses) or "no address",
                " ".join(sorted(own)) or "none",
            )


def _event(state: Instance, action: Action) -> Event | None:
    router, instance = state.config.router, state.config.name
    match action:
        case ReportRestored(VirtualAddress() as thing):
            return AddressRestored(router=router, instance=instance, address=thing.address)
        case ReportRestored(thing):
            return ObjectRestored(router=router, instance=instance, what=_words(thing))
        case ReportYielded(address):
            return AddressYielded(router=router, instance=instance, address=address)
        case ReportDualMaster(other, priority):
            return DualMasterSeen(
                router=router, instance=instance, other=other, other_priority=priority, winner=state.source
            )
        case ReportDualMasterOver(other, lasted):
            return DualMasterOver(router=router, instance=instance, other=other, lasted=lasted)
        case ReportSteppedDown(late):
            return SteppedDown(router=router, instance=instance, late=late)
        case ReportHandedOver(to):
            return HandedOver(router=router, instance=instance, to=to)
    return None


def _words(thing: Movable) -> str:
    if isinstance(thing, VirtualAddress):
        return thing.address
    return routes.describe(thing) if isinstance(thing, VirtualRoute) else rules.describe(thing)
