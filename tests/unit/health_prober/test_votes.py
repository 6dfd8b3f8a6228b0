"""Several replicas check one target, and the majority decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from health_prober.attempt import Passed
from health_prober.judgement import NOTHING, Extras, Finding, Judgement, judged
from health_prober.sharing import Electorate
from health_prober.votes import Count, counted, counts, prober_of, target_of
from tests.unit.health_prober.documents import check, target, verdict
from vipbus.bus import Entry
from vipbus.contracts import Member, Opinion, Verdict, VerdictName

FIVE = ("me", "b", "c", "d", "e")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def judgement(verdict: VerdictName, at: int = 0, token: int = 9) -> Judgement:
    since_ns = int((BEGIN + timedelta(seconds=at)).timestamp() * 1e9)
    cause = "answered in 1 ms" if verdict == "up" else "connection refused"
    return Judgement(
        verdict=verdict,
        cause=cause,
        extras=NOTHING,
        finding=Finding(verdict=verdict, cause=cause, since_ns=since_ns, own=True, token=token),
    )


def opinion(prober: str, verdict: VerdictName, at: int = 0, lease: int = 5) -> Opinion:
    return Opinion(
        virtual_server="vs",
        real_server="rs",
        prober=prober,
        verdict=verdict,
        cause="answered in 1 ms" if verdict == "up" else "timed out after 1 s",
        since=BEGIN + timedelta(seconds=at),
        lease=lease,
    )


def entries(opinions: dict[str, Opinion]) -> dict[str, Entry[Opinion]]:
    return {prober: Entry(said, 1, b"") for prober, said in opinions.items()}


def count(
    own: VerdictName | None,
    others: dict[str, Opinion],
    voters: tuple[str, ...],
    standing: Verdict | None = None,
) -> Count:
    return counted(
        "me",
        judgement(own) if own else None,
        entries(others),
        electorate=Electorate(voters),
        standing=standing,
        now=0.0,
    )


@pytest.mark.parametrize(
    ("own", "others", "voters", "verdict", "minority"),
    [
        ("up", {}, ("me", "b"), None, []),
        ("up", {"b": "up"}, ("me", "b"), "up", []),
        ("up", {"b": "down"}, ("me", "b"), None, []),
        ("up", {"b": "down"}, ("me", "b", "c"), None, []),
        ("up", {"b": "down", "c": "up"}, ("me", "b", "c"), "up", ["b"]),
        ("down", {"b": "up", "c": "up"}, ("me", "b", "c"), "up", ["me"]),
        (None, {"b": "down", "c": "down"}, ("me", "b", "c"), "down", []),
        ("down", {"b": "down", "c": "up"}, ("me", "b", "c"), "down", ["c"]),
        ("down", {"b": "unknown", "c": "up"}, ("me", "b", "c"), None, []),
        # who does not vote is not heard
        ("down", {"b": "up", "x": "up"}, ("me", "b"), None, []),
        ("down", {"b": "down", "c": "up", "d": "up", "e": "down"}, FIVE, "down", ["c", "d"]),
    ],
)
def test_more_than_half_of_those_who_are_asked_decide(
    own: VerdictName | None,
    others: dict[str, VerdictName],
    voters: tuple[str, ...],
    verdict: VerdictName | None,
    minority: list[str],
) -> None:
    found = count(own, {prober: opinion(prober, said) for prober, said in others.items()}, voters).ballot
    assert (found.verdict if found else None) == verdict
    if found is not None:
        assert [vote.prober for vote in found.minority] == minority
        assert found.voters == len(voters)


def test_the_cause_is_of_the_one_who_made_it_a_majority() -> None:
    found = counted(
        "me",
        judgement("down", at=7),
        entries({"b": opinion("b", "down", at=3), "c": opinion("c", "up", at=9)}),
        electorate=Electorate(("me", "b", "c")),
        standing=None,
        now=0.0,
    ).ballot
    assert found is not None
    assert found.cause == "connection refused (said by 2 of 3 probers)"
    assert datetime.fromtimestamp(found.since_ns / 1e9, UTC) == BEGIN + timedelta(seconds=7)
    assert [(vote.prober, vote.verdict, vote.cause) for vote in found.minority] == [
        ("c", "up", "answered in 1 ms")
    ]


def test_without_a_majority_what_stands_stays_and_names_those_who_contradict_it() -> None:
    found = count("up", {"b": opinion("b", "down")}, ("me", "b"), standing=verdict("up", "answered in 1 ms"))
    assert found.split
    assert found.ballot is not None
    assert (found.ballot.verdict, found.ballot.cause) == ("up", "answered in 1 ms")
    assert [vote.prober for vote in found.ballot.minority] == ["b"]
    # nobody contradicts: nothing is open
    assert count(None, {"b": opinion("b", "up")}, ("me", "b"), standing=verdict("up")) == Count()


@pytest.mark.parametrize(
    ("standing", "leases", "now", "early"),
    [
        # both were cast before the voters changed: not before everyone had a round
        ("up", (4, 4), 9.9, True),
        ("up", (4, 4), 10.0, False),
        # two of the three saw it since
        ("up", (5, 4), 0.0, False),
        # who agrees with what stands, or where nothing stands, has nothing to wait for
        ("down", (4, 4), 0.0, False),
        (None, (4, 4), 0.0, False),
    ],
)
def test_a_change_of_voters_alone_changes_no_verdict(
    standing: VerdictName | None, leases: tuple[int, int], now: float, early: bool
) -> None:
    first, second = leases
    found = counted(
        "me",
        judgement("down", token=first),
        entries({"b": opinion("b", "down", lease=5), "c": opinion("c", "down", lease=second)}),
        electorate=Electorate(("me", "b", "c"), moved=5, settled=10.0),
        standing=verdict(standing) if standing else None,
        now=now,
    )
    assert found.early is early
    assert (found.ballot is None) is early


def test_a_target_kept_down_for_flapping_is_counted_by_what_its_checks_say() -> None:
    damped = msgspec.structs.replace(verdict("down"), damped=True, checked="up")
    moved = Electorate(("me",), moved=5, settled=10.0)
    up = counted("me", judgement("up", token=1), {}, electorate=moved, standing=damped, now=0.0)
    down = counted("me", judgement("down", token=1), {}, electorate=moved, standing=damped, now=0.0)
    assert (up.early, down.early) == (False, True)


@pytest.mark.parametrize(
    ("said_at", "taken", "revision", "valid"),
    [(5, 5, 9, True), (4, 5, 9, False), (9, 0, 9, True), (8, 0, 9, False), (8, 3, 9, True)],
)
def test_an_opinion_counts_after_its_probers_lease_was_taken(
    said_at: int, taken: int, revision: int, valid: bool
) -> None:
    member = Member(prober="b", since=BEGIN, targets=1, taken=taken)
    assert counts(opinion("b", "up", lease=said_at), member, revision) is valid
    assert not counts(opinion("b", "up", lease=said_at), None, revision)


def test_keys_of_opinions_are_read_apart() -> None:
    key = opinion("P-1", "up").key
    assert (target_of(key), prober_of(key)) == ("vs.rs", "p-1")


def test_what_checks_say_besides_is_put_together() -> None:
    a, b = check(80), check(81)
    both = target(a, b)

    def up(passed: Passed | None) -> Finding:
        return Finding(verdict="up", cause="", passed=passed)

    one = Passed(weight=5, weight_added=3, warning="w")
    other = Passed(weight=4, weight_added=-1, warning="w")
    found = judged(both, ((a, up(one)), (b, up(other))))
    assert found is not None
    assert found.extras == Extras(4, 2, "w")
    # one that was taken over said nothing here yet
    unknown = judged(both, ((a, up(None)), (b, up(Passed(weight=4)))))
    assert unknown is not None
    assert unknown.extras is None
