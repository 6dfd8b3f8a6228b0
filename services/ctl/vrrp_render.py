"""Write what the election does for people: each router, each instance, what it follows and has counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from ctl.layout import paint, row
from ctl.words import count, listed, since
from vipbus.contracts import InstanceReport, Lateness, TrackState, VrrpReport


def render(reports: Sequence[VrrpReport], now: datetime, *, colour: bool = False) -> str:
    """Write the reports in lines of at most `layout.WIDTH` columns; colour says nothing that words do not."""
    lines: list[str] = []
    for report in reports:
        lines += ["", *_router(report, now)] if lines else _router(report, now)
    painted = [paint(line) for line in lines] if colour else lines
    return "\n".join(painted) + "\n"


def _router(report: VrrpReport, now: datetime) -> Iterator[str]:
    yield from row(f"router {report.router}", count(len(report.instances), "instance"))
    for instance in report.instances:
        yield from _instance(instance, now)
    if report.unclaimed:
        yield from row("  dropped", f"{_counts(report.unclaimed)}, packets that were for no instance here")


def _instance(instance: InstanceReport, now: datetime) -> Iterator[str]:
    role = instance.role if instance.role == "backup" else instance.role.upper()
    why = f": {instance.cause}" if instance.cause and instance.cause != "; ".join(instance.faults) else ""
    yield from row(
        f"  {instance.instance}",
        f"{role}, since {since(instance.since, now)}, epoch {instance.epoch}{why}",
    )
    for name, text in _facts(instance):
        yield from row(f"    {name}", text)
    for number, track in enumerate(instance.tracks):
        yield from row("" if number else "    tracks", _track(track))
    for name, text in _numbers(instance):
        yield from row(f"    {name}", text)


def _facts(instance: InstanceReport) -> Iterator[tuple[str, str]]:
    moved = instance.effective_priority != instance.priority
    yield (
        "priority",
        f"{instance.effective_priority}" + (f" ({instance.priority} configured)" if moved else ""),
    )
    source = f", from {instance.source}" if instance.source else ""
    wire = f"VRID {instance.virtual_router_id}, version {instance.version}, IPv{instance.family}"
    yield "on", f"{instance.interface}, {wire}{source}"
    if instance.active_router:
        yield "active", instance.active_router
    yield "addresses", listed(instance.addresses, 8) or "none"
    if instance.sync_group:
        yield "sync group", instance.sync_group
    for number, fault in enumerate(instance.faults):
        yield ("" if number else "faults"), fault


def _track(track: TrackState) -> str:
    state = {True: "up", False: "DOWN", None: "not known yet"}[track.up]
    weight = f", {track.weight:+d}" if track.weight else ""
    cause = f": {track.cause}" if track.cause else ""
    return f"{track.kind} {track.name} {state}{weight}{cause}"


def _numbers(instance: InstanceReport) -> Iterator[tuple[str, str]]:
    yield "sent", str(instance.sent)
    dropped = f", dropped {_counts(instance.dropped)}" if instance.dropped else ""
    yield "received", f"{instance.received}{dropped}"
    yield "transitions", _counts(instance.transitions) or "none"
    if instance.lateness is not None:
        yield "late by", _lateness(instance.lateness)


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts)


def _lateness(lateness: Lateness) -> str:
    p50, p99, longest = (f"{seconds * 1000:.3g} ms" for seconds in (lateness.p50, lateness.p99, lateness.max))
    return f"half of {lateness.count} at most {p50}, 99% {p99}, all {longest}"
