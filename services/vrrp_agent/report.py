"""What ``vipbus vrrp show`` is told: the state that the loop gave out, with the counters beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from vipbus.contracts import InstanceReport, Lateness, VrrpReport, name_token
from vipbus.telemetry.metrics import Counter
from vrrp_agent import metrics
from vrrp_agent.exchange import InstanceState

Counts = Mapping[str, Mapping[str, int]]
"""By instance token, then by what is counted apart."""


def vrrp_report(router: str, states: Iterable[InstanceState], instance: str | None = None) -> VrrpReport:
    """Make the report of a router, of one instance (by token) or of all.

    Each counter is gone through once: with hundreds of instances anything else would cost the loop its time.
    """
    dropped = _grouped(metrics.PACKETS_DROPPED, "reason")
    transitions = _grouped(metrics.TRANSITIONS, "to")
    found = [state for state in states if instance in (None, name_token(state.config.name))]
    return VrrpReport(
        router=router,
        instances=tuple(
            _instance(state, dropped, transitions) for state in sorted(found, key=lambda s: s.config.name)
        ),
        unclaimed=_sorted(dropped.get("", {})),
    )


def _grouped(counter: Counter, label: str) -> Counts:
    """Sum a counter by instance and another label; what belongs to no instance is under the empty name."""
    found: dict[str, dict[str, int]] = {}
    for labels, value in counter.samples():
        counts = found.setdefault(labels.get("instance", ""), {})
        name = labels.get(label, "")
        counts[name] = counts.get(name, 0) + int(value)
    return found


def _sorted(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items()))


def _instance(state: InstanceState, dropped: Counts, transitions: Counts) -> InstanceReport:
    config = state.config
    token = name_token(config.name)
    return InstanceReport(
        instance=config.name,
        role=state.role,
        epoch=state.epoch,
        priority=config.priority,
        effective_priority=state.effective_priority,
        interface=config.interface,
        virtual_router_id=config.virtual_router_id,
        version=config.version,
        family=config.family,
        source=state.source,
        active_router=state.active_router,
        addresses=tuple(each.address for each in config.virtual_ipaddress),
        cause=state.cause,
        since=datetime.fromtimestamp(state.since, UTC),
        sync_group=state.sync_group,
        faults=state.faults,
        tracks=state.tracks,
        sent=int(metrics.ADVERTISEMENTS_SENT.value(instance=token)),
        received=int(metrics.ADVERTISEMENTS_RECEIVED.value(instance=token)),
        dropped=_sorted(dropped.get(token, {})),
        transitions=_sorted(transitions.get(token, {})),
        lateness=_lateness(token),
    )


def _lateness(token: str) -> Lateness | None:
    count = metrics.LATENESS.count(instance=token)
    p50, p99 = (metrics.LATENESS.quantile(share, instance=token) for share in (0.5, 0.99))
    if p50 is None or p99 is None:
        return None
    longest = metrics.LATENESS_MAX.value(instance=token)
    bounds = [bound for bound in (p50, p99) if bound < math.inf]
    # the longest is a bound too, and the only one for what no bucket holds: infinity is no JSON
    most = longest or max(bounds, default=metrics.LATENESS.bounds[-1])
    return Lateness(count=count, p50=min(p50, most), p99=min(p99, most), max=most)
