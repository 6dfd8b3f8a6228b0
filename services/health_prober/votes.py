"""Counts what those who check a target say of it. Pure.

The verdict is what more than half of those who are asked say. Who has not seen yet says nothing, and is not
half of anything: two of three that agree are enough, one of three is not. Without a majority what stands
stays.

A change of voters alone changes no verdict. A vote against what stands that was cast before the change counts
when its voter has had a round since, which would have changed its mind if it was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from health_prober.judgement import NOTHING, Extras, Judgement, said_by_checks
from health_prober.sharing import Electorate
from vipbus.contracts import Member, Opinion, Verdict, VerdictName, Vote

if TYPE_CHECKING:
    from vipbus.bus import Entry
    from vipbus.telemetry.trace import TraceContext


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """What is to stand, and who says otherwise."""

    verdict: VerdictName
    """Up or down."""
    cause: str
    extras: Extras | None
    """None: not known; what stands stays."""
    since_ns: int
    """When the last of those saw it who made it a majority: that is when the target's state was known."""
    voters: int
    minority: tuple[Vote, ...] = ()
    trace: TraceContext | None = None
    """Of the one who made it a majority."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What a count comes to."""

    ballot: Ballot | None = None
    """None: what stands stays as it is."""
    split: bool = False
    """True: somebody contradicts what stands, and neither side is a majority."""
    early: bool = False
    """True: there is a majority that is not to change the verdict before the electorate has settled."""


class _Said(msgspec.Struct, frozen=True):
    prober: str
    verdict: VerdictName
    cause: str
    extras: Extras | None
    since_ns: int
    token: int
    trace: TraceContext | None


def counted(
    prober: str,
    own: Judgement | None,
    opinions: Mapping[str, Entry[Opinion]],
    *,
    electorate: Electorate,
    standing: Verdict | None,
    now: float,
) -> Count:
    """Count, as the prober that leads; ``opinions`` are those of the other voters, by token.

    ``now`` is monotonic, in seconds.
    """
    said = _said(prober, own, opinions, electorate)
    stands = _checked(standing)
    for verdict in dict.fromkeys(each.verdict for each in said):
        agreed = [each for each in said if each.verdict == verdict]
        if 2 * len(agreed) <= len(electorate.voters):
            continue
        others = [each for each in said if each.verdict != verdict]
        if stands is not None and verdict != stands and now < electorate.settled:
            fresh = [each for each in agreed if each.token >= electorate.moved]
            if 2 * len(fresh) <= len(electorate.voters):
                return Count(early=True)
        return Count(ballot=_ballot(agreed, others, len(electorate.voters)))
    others = [each for each in said if each.verdict != stands]
    if not others:
        return Count()
    return Count(ballot=_unchanged(standing, others, len(electorate.voters)), split=True)


def _said(
    prober: str, own: Judgement | None, opinions: Mapping[str, Entry[Opinion]], electorate: Electorate
) -> list[_Said]:
    said: list[_Said] = []
    for voter in electorate.voters:
        if voter == electorate.leader:
            if own is not None:
                found = own.finding
                # what was taken over is nobody's look, and no old one either
                token = found.token if found.own else electorate.moved
                said.append(
                    _Said(prober, own.verdict, own.cause, own.extras, found.since_ns, token, found.trace)
                )
        elif (entry := opinions.get(voter)) is not None and entry.value.verdict != "unknown":
            opinion = entry.value
            said.append(
                _Said(
                    opinion.prober,
                    opinion.verdict,
                    opinion.cause,
                    Extras(opinion.weight, opinion.weight_added, opinion.warning),
                    int(opinion.since.timestamp() * 1e9),
                    opinion.lease,
                    entry.trace,
                )
            )
    return said


def _ballot(agreed: list[_Said], others: list[_Said], voters: int) -> Ballot:
    # the first of the voters who knows: one word, whoever saw it last
    extras = next((each.extras for each in agreed if each.extras is not None), None)
    agreed = sorted(agreed, key=lambda each: each.since_ns)
    decisive = agreed[voters // 2]
    of = f" (said by {len(agreed)} of {voters} probers)" if voters > 1 else ""
    return Ballot(
        verdict=decisive.verdict,
        cause=decisive.cause + of,
        extras=NOTHING if extras is None and voters > 1 else extras,
        since_ns=decisive.since_ns,
        voters=voters,
        minority=_votes(others),
        trace=decisive.trace,
    )


def _unchanged(standing: Verdict | None, others: list[_Said], voters: int) -> Ballot | None:
    """Let what stands stand, and name those who contradict it."""
    if standing is None or standing.verdict == "unknown" or standing.damped:
        return None
    return Ballot(
        verdict=standing.verdict,
        cause=standing.cause,
        extras=None,
        since_ns=int(standing.since.timestamp() * 1e9),
        voters=voters,
        minority=_votes(others),
        trace=others[-1].trace,
    )


def _votes(said: list[_Said]) -> tuple[Vote, ...]:
    return tuple(
        Vote(prober=each.prober, verdict=each.verdict, cause=each.cause)
        for each in sorted(said, key=lambda each: each.prober)
    )


def _checked(standing: Verdict | None) -> VerdictName | None:
    """Give what the checks said when it was written; None where nothing is known."""
    said = "unknown" if standing is None else said_by_checks(standing)
    return None if said == "unknown" else said


def counts(opinion: Opinion, member: Member | None, taken_at: int) -> bool:
    """Say whether an opinion is of now: by a member, after its present lease was taken.

    ``taken_at`` is the revision of the member's document, which takes the lease if it says nothing else.
    """
    return member is not None and opinion.lease >= (member.taken or taken_at)


def prober_of(key: str) -> str:
    """Take the prober's token out of a key of the bucket ``opinion``."""
    return key.rpartition(".")[2]


def target_of(key: str) -> str:
    """Take the target's key out of a key of the bucket ``opinion``."""
    return key.rpartition(".")[0]
