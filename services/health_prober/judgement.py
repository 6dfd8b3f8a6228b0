"""What is known of a check, and what a target's checks amount to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from health_prober.attempt import Passed
from health_prober.targets import Target, place
from vipbus.contracts import Check, Verdict, VerdictName

if TYPE_CHECKING:
    from vipbus.telemetry.trace import TraceContext


class Extras(msgspec.Struct, frozen=True):
    """What goes with a verdict."""

    weight: int | None = None
    weight_added: int = 0
    warning: str = ""


NOTHING = Extras()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one check."""

    verdict: VerdictName
    cause: str = ""
    since_ns: int = 0
    """When it was found, in nanoseconds since the epoch."""
    passed: Passed | None = None
    """What the last success said; None: not seen here, the verdict was taken over."""
    own: bool = False
    """Found by this replica, not taken over."""
    seen: int = 0
    """The revision of the bucket ``health`` that had been read when it was found."""
    token: int = 0
    """The revision of the bucket ``member`` that had been read when it was found."""
    order: int = 0
    """The orders by which the engine was told; its decisions from before do not count."""
    trace: TraceContext | None = None
    """Of the check that found it."""


UNKNOWN = Finding(verdict="unknown")


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a target's checks amount to, as one replica sees it."""

    verdict: VerdictName
    """Up or down."""
    cause: str
    """With the place of the check that decides, where that is not the real server's own."""
    extras: Extras | None
    """None: not known, since a check's verdict was taken over."""
    finding: Finding
    """The one that decides."""


def judged(target: Target, known: Iterable[tuple[Check, Finding]]) -> Judgement | None:
    """Combine a target's checks: one that is down is enough, up takes all of them; None is not yet."""
    known = list(known)
    for check, finding in known:
        if finding.verdict == "down":
            return Judgement(
                verdict="down", cause=told(target, check, finding.cause), extras=NOTHING, finding=finding
            )
    if any(finding.verdict == "unknown" for _, finding in known):
        return None
    check, finding = max(known, key=lambda pair: pair[1].since_ns)
    return Judgement(
        verdict="up",
        cause=told(target, check, finding.cause),
        extras=_extras(finding.passed for _, finding in known),
        finding=finding,
    )


def _extras(said: Iterable[Passed | None]) -> Extras | None:
    """Combine what successes said: the lowest weight, the sum of what is added, every warning."""
    weights: list[int] = []
    added, warnings = 0, []
    for passed in said:
        if passed is None:
            return None
        if passed.weight is not None:
            weights.append(passed.weight)
        added += passed.weight_added
        if passed.warning and passed.warning not in warnings:
            warnings.append(passed.warning)
    return Extras(min(weights) if weights else None, added, "; ".join(warnings))


def extras_of(verdict: Verdict) -> Extras:
    """Read what goes with a verdict that stands."""
    return Extras(verdict.weight, verdict.weight_added, verdict.warning)


def taken_over(check: Check, targets: Iterable[Target], standing: Mapping[str, Verdict]) -> Finding:
    """Read from the verdicts that stand what a check must have found.

    A target that is up passed every check, and so did one that is kept down for flapping alone. One that is
    down failed its check if it has only one; of several, nobody knows which. A check about which its targets
    disagree is unknown.
    """
    found = UNKNOWN
    for target in targets:
        verdict = standing.get(target.key)
        name = said_by_checks(verdict) if verdict is not None else "unknown"
        if verdict is None or name == "unknown" or (name == "down" and len(target.checks) > 1):
            continue
        if found.verdict not in ("unknown", name):
            return UNKNOWN
        found = Finding(
            verdict=name,
            cause=verdict.cause.removeprefix(_prefix(check)),
            since_ns=int(verdict.since.timestamp() * 1e9),
        )
    return found


def said_by_checks(verdict: Verdict) -> VerdictName:
    """Read what the checks said, whatever was made of it."""
    return verdict.checked or verdict.verdict


def told(target: Target, check: Check, cause: str) -> str:
    """Name the place of a check that goes elsewhere than to the real server itself."""
    return cause if place(check.address, check.port) == target.where else _prefix(check) + cause


def _prefix(check: Check) -> str:
    return f"{place(check.address, check.port)}: "
