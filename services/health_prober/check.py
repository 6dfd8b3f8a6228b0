"""One check of one real server: when it is tried, and when what was seen is a verdict.

Pure: the caller passes the time in (seconds on a monotonic clock) and does the probing.

Rounds begin on a grid of ``delay_loop`` seconds whose offset comes from the check itself. A grid cannot
drift, needs no memory over a handover, and spreads the checks evenly without a random number. A server that
counts as up (or is still unknown) is tried ``retry`` more times, each ``delay_before_retry`` after the
failure before; one that is down is tried once a round (keepalived.conf(5), TCP_CHECK). One success is up.

A round that takes longer than the interval is followed by the next one at once, which is back on the grid.

So a dead server is down within ``delay_loop + (retry + 1) * connect_timeout + retry * delay_before_retry``.
A live one is up within ``delay_loop``, or within ``connect_timeout`` where that is longer and an attempt that
began before the server was back has to time out first.
"""

from __future__ import annotations

import hashlib
import math

import msgspec

from health_prober import causes
from vipbus.contracts import Check, VerdictName

FIRST_WITHIN = 1.0
"""Seconds over which the first attempts at unknown targets are spread: soon, but no herd."""
SHORTEST = 0.01
"""Seconds that an interval has at least, whatever was published: none at all would be a busy loop."""
_EPSILON = 1e-6
"""Share of a grid step that rounding may cost; a timer that fires so early is still on time."""


class Rules(msgspec.Struct, frozen=True, gc=False):
    """What `decide` needs to know of a check, whatever its kind. Times in seconds."""

    delay_loop: float
    timeout: float
    retry: int
    delay_before_retry: float
    offset: float
    """Where in the interval this check's rounds begin, as a share of it: 0 to below 1."""


class State(msgspec.Struct, frozen=True, gc=False):
    """Where a check stands."""

    verdict: VerdictName
    due: float
    """When the next attempt is to begin."""
    failures: int = 0
    """Attempts in a row that failed in this round."""
    failing_since: float = 0.0
    """When the first of them began."""


class Succeeded(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended well."""

    began: float


class Failed(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended badly, and the target is to blame."""

    began: float
    cause: str


class Unproven(msgspec.Struct, frozen=True, gc=False):
    """An attempt could not be made for want of something local; it says nothing of the target."""


Event = Succeeded | Failed | Unproven


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The verdict changed, and this is why."""

    verdict: VerdictName
    cause: str
    began: float
    """When the first attempt that led to it began."""
    attempts: int


def rules_of(check: Check) -> Rules:
    """Take from a check what its timing needs."""
    digest = hashlib.blake2b(f"{check.address} {check.port}".encode(), digest_size=8).digest()
    return Rules(
        delay_loop=max(check.delay_loop, SHORTEST),
        timeout=check.connect_timeout,
        retry=check.retry,
        delay_before_retry=check.delay_before_retry,
        offset=int.from_bytes(digest, "big") / 2**64,
    )


def begin(rules: Rules, verdict: VerdictName, now: float) -> State:
    """Start to check a target of which ``verdict`` is known, perhaps from whoever checked it before."""
    if verdict == "unknown":
        return State(verdict, now + rules.offset * min(rules.delay_loop, FIRST_WITHIN))
    return State(verdict, _next_round(rules, now, now))


def learn(state: State, verdict: VerdictName) -> State:
    """Take over another prober's verdict, as if found here; the next attempt begins when it would have."""
    if verdict == state.verdict:
        return state
    return State(verdict, state.due)


def decide(rules: Rules, state: State, event: Event, now: float) -> tuple[State, Decision | None]:
    """Judge the attempt that has just ended; the new state says when the next one begins."""
    if isinstance(event, Succeeded):
        after = State("up", _next_round(rules, state.due, now))
        if state.verdict == "up":
            return after, None
        cause = causes.answered(now - event.began)
        return after, Decision("up", cause, event.began, 1)
    if isinstance(event, Unproven):
        again = now + min(rules.delay_loop, FIRST_WITHIN)
        return State(state.verdict, again, state.failures, state.failing_since), None
    if state.verdict == "down":
        return State("down", _next_round(rules, state.due, now)), None
    failures = state.failures + 1
    since = event.began if failures == 1 else state.failing_since
    if failures <= rules.retry:
        return State(state.verdict, now + rules.delay_before_retry, failures, since), None
    after = State("down", _next_round(rules, state.due, now))
    return after, Decision("down", event.cause, since, failures)


def _next_round(rules: Rules, due: float, now: float) -> float:
    """Find the grid's first moment after ``due``, at most one interval later; now if it has passed."""
    step = rules.delay_loop
    return max(now, step * (math.floor(due / step - rules.offset + _EPSILON) + 1 + rules.offset))
