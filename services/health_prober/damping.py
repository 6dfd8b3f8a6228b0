"""Keeps a target down that flaps, by the penalties of route flap damping (RFC 2439). Pure.

Each time that a target goes down its penalty grows; it halves every half-life. From ``suppress`` on the
target is kept down until the penalty is below ``reuse``. The penalty has a ceiling, so that whoever stops to
flap is back within four half-lives (section 4.2, the longest time of suppression). All there is to remember
stands in the verdict, with the time of day, so whoever leads next goes on from there.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from health_prober.judgement import said_by_checks
from vipbus.contracts import Damping, Verdict, VerdictName

_CEILING = 16.0
"""Times ``reuse``: four half-lives."""


class Damped(msgspec.Struct, frozen=True):
    """A target's penalty now, and whether it is kept down."""

    penalty: float
    suppressed: bool
    until: datetime | None = None
    """When it may be up again if it does not go down before; None: it is not kept down."""


NONE = Damped(0.0, suppressed=False)


def damp(rules: Damping, standing: Verdict | None, verdict: VerdictName, now: datetime) -> Damped:
    """Say what becomes of the penalty where the checks say ``verdict``, and what stands is ``standing``."""
    penalty, suppressed = _left(rules, standing, now), standing is not None and standing.damped
    if standing is not None and verdict == "down" and said_by_checks(standing) == "up":
        penalty = min(penalty + rules.penalty, max(_CEILING * rules.reuse, rules.suppress))
    suppressed = penalty >= (rules.reuse if suppressed else rules.suppress)
    if not suppressed:
        return Damped(penalty, suppressed=False)
    wait = rules.half_life * math.log2(penalty / rules.reuse)
    return Damped(penalty, suppressed=True, until=now + timedelta(seconds=wait))


def in_words(until: datetime, now: datetime, cause: str) -> str:
    """Say why a target is down whose checks succeed; the cause is what they say."""
    day = f"{until:%Y-%m-%d} " if until - now > timedelta(days=1) else ""
    return f"flaps: damped until about {day}{until:%H:%M:%S} UTC ({cause})"


def _left(rules: Damping, standing: Verdict | None, now: datetime) -> float:
    if standing is None or standing.penalty_at is None:
        return 0.0
    # a clock that was set back must not make a penalty grow
    passed = max((now - standing.penalty_at).total_seconds(), 0.0)
    return standing.penalty * math.exp2(-passed / rules.half_life)
