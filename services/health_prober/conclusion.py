"""What a target's leader says of it: the ballot, damped where it flaps, beside what stands. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from health_prober import damping
from health_prober.damping import Damped
from health_prober.judgement import Extras, extras_of
from health_prober.targets import Target
from health_prober.votes import Ballot
from vipbus.contracts import Verdict, VerdictName, Vote


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verdict says but who writes it."""

    verdict: VerdictName
    cause: str
    since_ns: int
    extras: Extras | None
    """None: not known; what stands stays."""
    voters: int
    minority: tuple[Vote, ...]
    damped: Damped
    checked: VerdictName
    """What the checks say."""


def conclude(target: Target, ballot: Ballot, standing: Verdict | None, now: datetime) -> Conclusion:
    """Damp a ballot where the target wants that."""
    verdict, cause, damped = ballot.verdict, ballot.cause, damping.NONE
    if target.damping is not None:
        damped = damping.damp(target.damping, standing, ballot.verdict, now)
        if damped.until is not None and ballot.verdict == "up":
            verdict = "down"
            cause = damping.in_words(damped.until, now, ballot.cause)
    return Conclusion(
        verdict=verdict,
        cause=cause,
        since_ns=ballot.since_ns,
        extras=ballot.extras,
        voters=ballot.voters,
        minority=ballot.minority,
        damped=damped,
        checked=ballot.verdict,
    )


def is_news(conclusion: Conclusion, standing: Verdict | None) -> bool:
    """Say whether a conclusion says anything that does not stand already."""
    if standing is None:
        return True
    return (
        standing.verdict != conclusion.verdict
        or (conclusion.extras is not None and conclusion.extras != extras_of(standing))
        or standing.voters != conclusion.voters
        or _sides(standing.minority) != _sides(conclusion.minority)
        or standing.damped != conclusion.damped.suppressed
        or (standing.damped and standing.checked != conclusion.checked)
    )


def verdict_of(
    target: Target,
    conclusion: Conclusion,
    standing: Verdict | None,
    now: datetime,
    *,
    prober: str,
    lease: int,
) -> Verdict:
    """Write a conclusion as the document that is to stand."""
    extras = conclusion.extras
    if extras is None:
        extras = extras_of(standing) if standing is not None else Extras()
    return Verdict(
        virtual_server=target.virtual_server,
        real_server=target.real_server,
        verdict=conclusion.verdict,
        cause=conclusion.cause,
        since=_since(conclusion, standing, now),
        prober=prober,
        lease=lease,
        weight=extras.weight,
        weight_added=extras.weight_added,
        warning=extras.warning,
        voters=conclusion.voters,
        minority=conclusion.minority,
        penalty=conclusion.damped.penalty,
        penalty_at=now if conclusion.damped.penalty else None,
        damped=conclusion.damped.suppressed,
        checked=conclusion.checked if conclusion.damped.suppressed else None,
        before=_before(conclusion, standing),
    )


def _before(conclusion: Conclusion, standing: Verdict | None) -> VerdictName:
    if standing is None:
        return "unknown"
    return standing.before if standing.verdict == conclusion.verdict else standing.verdict


def _since(conclusion: Conclusion, standing: Verdict | None, now: datetime) -> datetime:
    """Say since when the verdict holds: what goes with it may change, and it holds all the same."""
    if standing is not None and standing.verdict == conclusion.verdict:
        return standing.since
    since = datetime.fromtimestamp(conclusion.since_ns / 1e9, UTC)
    if standing is not None and since <= standing.since:
        return now  # an older finding decides again, because another check is gone
    return since


def _sides(votes: tuple[Vote, ...]) -> set[tuple[str, VerdictName]]:
    return {(vote.prober, vote.verdict) for vote in votes}


def difference(before: Verdict, after: Verdict) -> str:
    """Say in words what changed beside the verdict, for the log."""
    news = []
    if (before.weight, before.weight_added) != (after.weight, after.weight_added):
        weight = "configured" if after.weight is None else str(after.weight)
        news.append(f"its weight is {weight}" + (f" {after.weight_added:+d}" if after.weight_added else ""))
    if before.warning != after.warning:
        news.append(after.warning or f"no more: {before.warning}")
    if _sides(before.minority) != _sides(after.minority):
        others = ", ".join(f"{vote.prober} says {vote.verdict}" for vote in after.minority)
        news.append(others or "all probers agree")
    if before.damped != after.damped:
        news.append("kept down for flapping" if after.damped else "not kept down for flapping any more")
    return "; ".join(news) or after.cause
