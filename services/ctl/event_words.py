"""Every event in one readable line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctl.words import count, from_token, listed
from vipbus.contracts import (
    AddressRestored,
    AddressYielded,
    ConfigAccepted,
    ConfigRefused,
    DestinationSuspected,
    DrainBegun,
    DrainEnded,
    DriftRepaired,
    DualMasterOver,
    DualMasterSeen,
    HandedOver,
    NotifyFailed,
    ObjectRestored,
    PoolHeld,
    PoolReleased,
    ProxyMemberChanged,
    ProxyRefused,
    ProxyReloaded,
    ProxyRequestTold,
    QuorumChanged,
    ServiceRestarted,
    SettingChanged,
    SteppedDown,
    SyncDaemonChanged,
    TrackChanged,
)


def _drift(event: DriftRepaired) -> str:
    return f"{event.router} {from_token(event.virtual_server)} was changed by someone else; " + ", ".join(
        event.repairs
    )


def _accepted(event: ConfigAccepted) -> str:
    warned = f", {count(len(event.warnings), 'warning')}" if event.warnings else ""
    who = f" by {event.by}" if event.by else ""
    said = "" if event.how == "file" else f" ({event.how}{who}{f': {event.why}' if event.why else ''})"
    over = f"; it takes {event.over} away" if event.over else ""
    return (
        f"{event.router} accepted revision {event.revision} of {event.source}: {event.added} added, "
        f"{event.changed} changed, {event.removed} removed{warned}{said}{over}"
    )


def _refused(event: ConfigRefused) -> str:
    return f"{event.router} refused {event.source}, revision {event.running_revision} stays: {event.reason}"


def _restarted(event: ServiceRestarted) -> str:
    return f"{event.router} {event.service} started again ({count(event.restarts, 'time')}): {event.reason}"


def _restored(event: AddressRestored) -> str:
    return f"{event.router} {event.instance} put {event.address} back"


def _dual(event: DualMasterSeen) -> str:
    return (
        f"{event.router} {event.instance}: {event.other} (priority {event.other_priority}) advertised while "
        f"this router was active; {event.winner} goes on"
    )


def _dual_over(event: DualMasterOver) -> str:
    return (
        f"{event.router} {event.instance}: {event.other} is silent again after {event.lasted:.3g} s; "
        "the addresses are announced again"
    )


def _yielded(event: AddressYielded) -> str:
    return f"{event.router} {event.instance} lost {event.address} and left the role to another router"


def _stepped_down(event: SteppedDown) -> str:
    return (
        f"{event.router} {event.instance} gave up its role: it was stalled and silent for {event.late:.3g} s"
    )


def _handed_over(event: HandedOver) -> str:
    return f"{event.router} {event.instance} hands over to {event.to or 'whoever is next'}"


def _track(event: TrackChanged) -> str:
    value = f" with value {event.value}" if event.value else ""
    return f"{event.router} {event.kind} {event.name} is {'up' if event.up else 'down'}{value}: {event.cause}"


def _object(event: ObjectRestored) -> str:
    return f"{event.router} {event.instance} put back {event.what}"


def _held(event: PoolHeld) -> str:
    down = listed([from_token(token) for token in event.down])
    return (
        f"{event.router} {from_token(event.virtual_server)} is held as it was: {len(event.down)} of "
        f"{count(event.of, 'real server')} went down at once ({down}), so the probers may be blind"
    )


def _released(event: PoolReleased) -> str:
    return f"{event.router} {from_token(event.virtual_server)} follows its verdicts again: {event.cause}"


def _suspected(event: DestinationSuspected) -> str:
    return (
        f"{event.router} suspects {from_token(event.real_server)} of {from_token(event.virtual_server)}: "
        f"{count(event.inactive, 'inactive connection')} and no active one"
    )


def _quorum(event: QuorumChanged) -> str:
    pool = f"{event.router} {from_token(event.virtual_server)}"
    weight = f"weight {event.weight}, quorum {event.quorum}"
    if event.hysteresis:
        weight += f", hysteresis {event.hysteresis}"
    if event.met:
        return f"{pool} has its quorum ({weight}): {event.cause}"
    instead = f"; {from_token(event.sorry_server)} serves instead" if event.sorry_server else ""
    return f"{pool} has lost its quorum ({weight}){instead}: {event.cause}"


def _drain_begun(event: DrainBegun) -> str:
    return (
        f"{event.router} drains {from_token(event.real_server)} of {from_token(event.virtual_server)}, "
        f"{count(event.connections, 'connection')}, until {event.until} at the latest: {event.cause}"
    )


def _drain_ended(event: DrainEnded) -> str:
    where = f"{event.router} {from_token(event.real_server)} of {from_token(event.virtual_server)}"
    if event.outcome == "cancelled":
        return f"{where} drains no more: it is in the configuration again"
    if event.outcome == "empty":
        return f"{where} is drained and gone"
    return f"{where} is gone at its drain's end, with {count(event.connections, 'connection')}"


def _daemon(event: SyncDaemonChanged) -> str:
    if not event.running:
        return f"{event.router} connection sync is stopped: {event.cause}"
    return (
        f"{event.router} connection sync runs as {' and '.join(event.running)} on {event.interface}, "
        f"id {event.sync_id}: {event.cause}"
    )


def _setting(event: SettingChanged) -> str:
    if event.set:
        return f"{event.router} {event.name} is set to {event.value}, was {event.before}"
    return f"{event.router} {event.name} is {event.before} and should be {event.value}"


def _member(event: ProxyMemberChanged) -> str:
    how = f"{event.state} weight {event.weight}"
    return f"{event.router} pool {event.pool} {event.member} is {how}: {event.cause}"


def _reloaded(event: ProxyReloaded) -> str:
    return f"{event.router} haproxy reloaded in {event.seconds:.3f} s: {event.cause}"


def _proxy_refused(event: ProxyRefused) -> str:
    return f"{event.router} haproxy refuses its configuration, what ran goes on: {event.reason}"


def _notify_failed(event: NotifyFailed) -> str:
    return f"{event.router} {from_token(event.virtual_server)} {event.program}: {event.reason}"


def _proxy_request(event: ProxyRequestTold) -> str:
    asked = " ".join(filter(None, (event.method, event.host + event.path)))
    status = f" {event.status}," if event.status else ""
    by = f" by {event.real_server}" if event.real_server else ""
    pool = f" of pool {event.pool}" if event.pool else ""
    took = f" in {event.total:.3f} s" if event.total is not None else ""
    again = f", retried {count(event.retries, 'time')}" if event.retries else ""
    return (
        f"{event.router} proxy {event.proxy}, {event.client}: {asked or 'connection'}{status} "
        f"{event.outcome}{by}{pool}{took}{again}"
    )


EVENT_WORDS: tuple[tuple[type[Any], Callable[[Any], str]], ...] = (
    (DriftRepaired, _drift),
    (ConfigAccepted, _accepted),
    (ConfigRefused, _refused),
    (ServiceRestarted, _restarted),
    (AddressRestored, _restored),
    (DualMasterSeen, _dual),
    (DualMasterOver, _dual_over),
    (AddressYielded, _yielded),
    (SteppedDown, _stepped_down),
    (HandedOver, _handed_over),
    (TrackChanged, _track),
    (ObjectRestored, _object),
    (PoolHeld, _held),
    (PoolReleased, _released),
    (DestinationSuspected, _suspected),
    (QuorumChanged, _quorum),
    (DrainBegun, _drain_begun),
    (DrainEnded, _drain_ended),
    (SyncDaemonChanged, _daemon),
    (SettingChanged, _setting),
    (NotifyFailed, _notify_failed),
    (ProxyMemberChanged, _member),
    (ProxyReloaded, _reloaded),
    (ProxyRefused, _proxy_refused),
    (ProxyRequestTold, _proxy_request),
)
"""How each event is said."""
