"""What verdicts, conditions and proxies mean for an instance that tracks them: up or down, and why.

Unknown is never down: a verdict that is not there, a real server that nobody checks and a bus that is away
give no fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from vipbus.contracts import Condition, ProxyProcess, Verdict, name_token, token_in_words
from vipbus.contracts.vrrp import TrackKind
from vipbus.runtime.life import BUS_PROBLEM
from vrrp_agent.tracking.sources import SourceSeen

Members = Mapping[str, Mapping[str, bool]]
"""By virtual server: its real servers, each True when it is checked."""

_NAMES: dict[str, re.Pattern[str]] = {
    "verdict": re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)?"),
    "service": re.compile(r"[a-z0-9_-]+(\..+)?"),
    "proxy": re.compile(r".+", re.DOTALL),
}
"""What is asked for by name; a wildcard or a space in it would be another subject, or none. Of a proxy the
router's document is asked for, whatever its name is."""
_LONGEST = 256
"""Characters of a name: a verdict's key has some hundred at most."""


def tracked(kind: TrackKind) -> bool:
    """Say whether sources of this kind are on the bus."""
    return kind in _NAMES


def readable(kind: TrackKind, name: str) -> bool:
    """Say whether there may be a source of such a name."""
    # the server closes a connection whose line of protocol is longer than 4 KiB (max_control_line)
    return len(name) <= _LONGEST and _NAMES[kind].fullmatch(name) is not None


def verdict_says(name: str, known: Iterable[Verdict], members: Members) -> SourceSeen:
    """Say whether ``VIRTUAL-SERVER`` or ``VIRTUAL-SERVER.REAL-SERVER`` is up.

    ``known`` has the documents of it. Where this router's own configuration has the virtual server, its
    pool is what counts: documents of others are of a pool that was, or of another router's.
    """
    verdicts = {verdict.real_server: verdict for verdict in known}
    server, _, member = name.partition(".")
    if member:
        return _one(name, verdicts.get(member), checked=members.get(server, {}).get(member, True))
    pool = members.get(server)
    down = {
        identity: verdict
        for identity, verdict in verdicts.items()
        if verdict.verdict == "down" and (pool is None or pool.get(identity, False))
    }
    count = len(verdicts) if pool is None else len(pool)
    if not count:
        return _seen(name, up=True, cause="no verdict yet")
    if len(down) < count:
        return _seen(name, up=True, cause="a real server of it is up")
    first = min(down)
    more = f", and {count - 1} more" if count > 1 else ""
    why = f"{token_in_words(first) or first} {down[first].cause}{more}"
    return _seen(name, up=False, cause=f"no real server of it is up: {why}")


def _one(name: str, verdict: Verdict | None, *, checked: bool) -> SourceSeen:
    if not checked:
        return _seen(name, up=True, cause="no check is configured")
    if verdict is None:
        return _seen(name, up=True, cause="no verdict yet")
    cause = verdict.cause if verdict.verdict != "unknown" else f"unknown: {verdict.cause}"
    return _seen(name, up=verdict.verdict != "down", cause=cause)


def _seen(name: str, *, up: bool, cause: str) -> SourceSeen:
    return SourceSeen(kind="verdict", name=name, up=up, cause=cause)


def service_says(name: str, answers: Sequence[Condition]) -> SourceSeen | None:
    """Say whether ``SERVICE`` or ``SERVICE.ROUTER`` works; None when it did not answer.

    Of several processes of one service one that is ready is enough.
    """
    service, _, router = name.partition(".")
    own = [
        answer
        for answer in answers
        if answer.service == service
        and (not router or (answer.router and name_token(answer.router) == name_token(router)))
    ]
    if not own:
        return None
    if any(_works(answer) for answer in own):
        return SourceSeen(kind="service", name=name, up=True, cause="ready")
    problems = _own_problems(min(own, key=lambda answer: answer.instance_id))
    cause = problems[0] if problems else "it is not ready and does not say why"
    return SourceSeen(kind="service", name=name, up=False, cause=cause)


def _works(answer: Condition) -> bool:
    """Say whether a service does its work; trouble with the bus is the bus's, and no reason to fail over."""
    return answer.ready or (bool(answer.problems) and not _own_problems(answer))


def _own_problems(answer: Condition) -> list[str]:
    return [problem for problem in answer.problems if not problem.startswith(BUS_PROBLEM)]


def proxy_says(name: str, found: ProxyProcess) -> SourceSeen:
    """Say whether this router serves a proxy: one HAProxy serves all that it has."""
    return SourceSeen(kind="proxy", name=name, up=found.answers, cause=found.cause)
