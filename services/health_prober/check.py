"""One check of one real server: when it is tried, and when what was seen is a verdict.

Pure: the caller passes the time in (seconds on a monotonic clock) and does the probing.

Rounds begin on a grid of ``interval`` seconds whose offset comes from the check itself. A grid cannot
drift, needs no memory over a handover, and spreads the checks evenly without a random number. In a round a
server that counts as up (or is still unknown) is tried ``retry`` more times, each ``delay_before_retry``
after the failure before; one that is down is tried once (keepalived.conf(5), TCP_CHECK). ``fall`` rounds in a
row must fail, ``rise`` in a row must succeed; with keepalived's one of each, one success is up. A target of
which nothing is known has its rounds a second apart until there is a verdict.

A round that takes longer than the interval is followed by the next one at once, which is back on the grid.

So a dead server is down within ``fall * interval + (retry + 1) * timeout + retry * delay_before_retry``. A
live one is up within ``rise * interval``, or within ``timeout`` where that is longer and an attempt that
began before the server was back has to time out first. Jitter is added to both.
"""

from __future__ import annotations

import hashlib
import math

import msgspec

from health_prober import causes
from health_prober.attempt import PASSED, Passed
from vipbus.contracts import Check, VerdictName

FIRST_WITHIN = 1.0
"""Seconds over which the first attempts at unknown targets are spread: soon, but no herd."""
SHORTEST = 0.01
"""Seconds that an interval has at least, whatever was published: none at all would be a busy loop."""
_STEP = 0.016
"""Seconds between moments at which checks of one interval begin: together they cost less than one by one."""
_STEPS = 50
"""Moments that an interval has at least."""
_EPSILON = 1e-6
"""Share of a grid step that rounding may cost; a timer that fires so early is still on time."""
_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, without their whole parts, fill an interval evenly: jitter without a random number."""


class Rules(msgspec.Struct, frozen=True, gc=False):
    """What `decide` needs to know of a check, whatever its kind. Times in seconds."""

    interval: float
    timeout: float
    retry: int
    delay_before_retry: float
    offset: float
    """Where in the interval this check's rounds begin, as a share of it: 0 to below 1."""
    rise: int = 1
    fall: int = 1
    warmup: float = FIRST_WITHIN
    jitter: float = 0.0


class State(msgspec.Struct, frozen=True, gc=False):
    """Where a check stands."""

    verdict: VerdictName
    due: float
    """When the next attempt is to begin."""
    failures: int = 0
    """Attempts in a row that failed in this round."""
    streak: int = 0
    """Rounds in a row that succeeded, or failed if it is negative, without a verdict so far."""
    attempts: int = 0
    """Attempts in the streak, those of this round among them."""
    since: float = 0.0
    """When the first of them began."""
    told: Passed | None = None
    """What the last success said; None: there was none here."""


class Succeeded(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended well."""

    began: float
    passed: Passed = PASSED


class Failed(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended badly, and the target is to blame."""

    began: float
    cause: str


class Unproven(msgspec.Struct, frozen=True, gc=False):
    """An attempt could not be made for want of something local; it says nothing of the target."""

    began: float = 0.0
    trouble: str = ""
    """What is missing, and what to do."""


Event = Succeeded | Failed | Unproven


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The verdict changed, or what goes with it, and this is why."""

    verdict: VerdictName
    cause: str
    began: float
    """When the first attempt that led to it began."""
    attempts: int
    passed: Passed = PASSED


def rules_of(check: Check) -> Rules:
    """Take from a check what its timing needs."""
    digest = hashlib.blake2b(f"{check.address} {check.port}".encode(), digest_size=8).digest()
    interval = max(check.interval, SHORTEST)
    steps = max(int(interval / _STEP), _STEPS)
    return Rules(
        interval=interval,
        timeout=check.timeout,
        retry=check.retry,
        delay_before_retry=check.delay_before_retry,
        offset=(int.from_bytes(digest, "big") * steps >> 64) / steps,
        rise=check.rise,
        fall=check.fall,
        warmup=min(interval, FIRST_WITHIN) if check.warmup is None else check.warmup,
        jitter=min(check.jitter, interval / 2),
    )


def begin(rules: Rules, verdict: VerdictName, now: float) -> State:
    """Start to check a target of which ``verdict`` is known, perhaps from whoever checked it before."""
    if verdict == "unknown":
        return State(verdict, now + rules.offset * rules.warmup)
    return State(verdict, _next_round(rules, now, now))


def learn(state: State, verdict: VerdictName) -> State:
    """Take over another prober's verdict, as if found here; the next attempt begins when it would have."""
    if verdict == state.verdict:
        return state
    return State(verdict, state.due)


def decide(rules: Rules, state: State, event: Event, now: float) -> tuple[State, Decision | None]:
    """Judge the attempt that has just ended; the new state says when the next one begins."""
    if isinstance(event, Succeeded):
        return _succeeded(rules, state, event, now)
    if isinstance(event, Failed):
        return _failed(rules, state, event, now)
    return msgspec.structs.replace(state, due=now + min(rules.interval, FIRST_WITHIN)), None


def _succeeded(rules: Rules, state: State, event: Succeeded, now: float) -> tuple[State, Decision | None]:
    passed = event.passed
    if state.verdict == "up":
        after = State("up", _next_round(rules, state.due, now), told=passed)
        if state.told is not None and same_news(state.told, passed):
            return after, None
        return after, Decision("up", _cause(event, now), event.began, 1, passed)
    goes_on = state.streak > 0
    since = state.since if goes_on else event.began
    attempts = state.attempts + 1 if goes_on else 1
    streak = state.streak + 1 if goes_on else 1
    if streak < rules.rise:
        return State(state.verdict, _soon(rules, state, now), 0, streak, attempts, since), None
    after = State("up", _next_round(rules, state.due, now), told=passed)
    return after, Decision("up", _cause(event, now), since, attempts, passed)


def _failed(rules: Rules, state: State, event: Failed, now: float) -> tuple[State, Decision | None]:
    if state.verdict == "down":
        return State("down", _next_round(rules, state.due, now)), None
    goes_on = state.streak < 0 or state.failures > 0
    since = state.since if goes_on else event.began
    attempts = state.attempts + 1 if goes_on else 1
    streak = min(state.streak, 0)
    failures = state.failures + 1
    if failures <= rules.retry:
        due = now + rules.delay_before_retry
        return State(state.verdict, due, failures, streak, attempts, since, state.told), None
    streak -= 1
    if -streak < rules.fall:
        due = _soon(rules, state, now)
        return State(state.verdict, due, 0, streak, attempts, since, state.told), None
    return State("down", _next_round(rules, state.due, now)), Decision("down", event.cause, since, attempts)


def same_news(before: Passed, after: Passed) -> bool:
    """Say whether two successes mean the same for the verdict, whatever they note."""
    return before is after or (
        before.weight == after.weight
        and before.weight_added == after.weight_added
        and before.warning == after.warning
    )


def _cause(event: Succeeded, now: float) -> str:
    if event.passed.silent:
        return f"{event.passed.note} within {now - event.began:.1f} s"
    answered = causes.answered(now - event.began)
    return f"{event.passed.note}, {answered}" if event.passed.note else answered


def _soon(rules: Rules, state: State, now: float) -> float:
    """Find when the next round begins in a streak: as always, or sooner where nothing is known yet."""
    due = _next_round(rules, state.due, now)
    return min(due, now + FIRST_WITHIN) if state.verdict == "unknown" else due


def round_of(rules: Rules, due: float) -> int:
    """Number the round that begins at ``due``, or the last one before it."""
    return math.floor(due / rules.interval - rules.offset + _EPSILON)


def round_begins(rules: Rules, number: int) -> float:
    """Say when a round begins on the grid."""
    begins = rules.interval * (number + rules.offset)
    if rules.jitter:
        begins += rules.jitter * (number * _GOLDEN % 1.0)
    return begins


def calm(state: State) -> bool:
    """Say whether a success that tells nothing new would change nothing but the time."""
    return (
        state.verdict == "up"
        and state.failures == 0
        and state.streak == 0
        and state.told is not None
        and same_news(state.told, PASSED)
    )


def _next_round(rules: Rules, due: float, now: float) -> float:
    """Find the grid's first moment after ``due``, at most one interval later; now if it has passed."""
    return max(now, round_begins(rules, round_of(rules, due) + 1))
