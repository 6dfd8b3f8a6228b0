"""What a prober says, what it takes over and what it leaves alone."""

from __future__ import annotations

import msgspec
import pytest

from health_prober.judgement import Finding, taken_over
from health_prober.targets import Target
from health_prober.verdicts import Book
from tests.unit.health_prober.documents import OTHER_VS, check, target, verdict
from vipbus.contracts import Verdict, VerdictName

A, B = check(80), check(81)
KEY = target(A).key


def up(since_ns: int = 1) -> Finding:
    return Finding(verdict="up", cause="answered in 0.4 ms", since_ns=since_ns, own=True)


def down(since_ns: int = 1) -> Finding:
    return Finding(verdict="down", cause="connection refused", since_ns=since_ns, own=True)


def book(*targets: Target, standing: dict[str, Verdict] | None = None) -> Book:
    made = Book()
    made.take({each.key: each for each in targets}, standing or {})
    return made


@pytest.mark.parametrize(
    ("first", "second", "opinion"),
    [
        (None, None, None),
        (up(), None, None),
        (up(1), up(2), ("up", "10.9.0.21:81: answered in 0.4 ms")),
        (up(2), up(1), ("up", "answered in 0.4 ms")),
        (up(), down(), ("down", "10.9.0.21:81: connection refused")),
        (down(), up(), ("down", "connection refused")),
        (None, down(), ("down", "10.9.0.21:81: connection refused")),
    ],
)
def test_a_target_is_up_if_every_check_passes(
    first: Finding | None, second: Finding | None, opinion: tuple[VerdictName, str] | None
) -> None:
    made = book(target(A, B))
    for each, finding in ((A, first), (B, second)):
        if finding is not None:
            made.found(each, finding)
    found = made.judgement(KEY)
    assert ((found.verdict, found.cause) if found else None) == opinion


def damped(checked: VerdictName) -> Verdict:
    return msgspec.structs.replace(verdict("down"), damped=True, checked=checked)


@pytest.mark.parametrize(
    ("targets", "standing", "known"),
    [
        ([target(A)], {}, "unknown"),
        ([target(A)], {KEY: verdict("up")}, "up"),
        ([target(A)], {KEY: verdict("down")}, "down"),
        ([target(A)], {KEY: verdict("unknown")}, "unknown"),
        # kept down for flapping: what its checks say counts
        ([target(A)], {KEY: damped("up")}, "up"),
        ([target(A)], {KEY: damped("down")}, "down"),
        # of two checks, which one failed?
        ([target(A, B)], {KEY: verdict("down")}, "unknown"),
        ([target(A, B)], {KEY: verdict("up")}, "up"),
        # two virtual servers, one check
        ([target(A), target(A, virtual_server=OTHER_VS)], {KEY: verdict("down")}, "down"),
        (
            [target(A), target(A, virtual_server=OTHER_VS)],
            {
                KEY: verdict("down"),
                target(A, virtual_server=OTHER_VS).key: verdict("up", virtual_server=OTHER_VS),
            },
            "unknown",
        ),
    ],
)
def test_what_stands_is_taken_over(
    targets: list[Target], standing: dict[str, Verdict], known: VerdictName
) -> None:
    assert taken_over(A, targets, standing).verdict == known


def test_the_place_in_a_cause_is_not_said_twice() -> None:
    made = book(target(B), standing={KEY: verdict("down", "10.9.0.21:81: connection refused")})
    opinion = made.judgement(KEY)
    assert opinion is not None
    assert opinion.cause == "10.9.0.21:81: connection refused"


def test_the_engine_is_told_what_is_taken_over_and_nothing_of_what_it_found() -> None:
    made = Book()
    targets = {KEY: target(A)}
    assert made.take(targets, {KEY: verdict("up")}) == {A: "up"}
    assert made.take(targets, {KEY: verdict("up")}) == {A: None}
    made.found(A, down())
    assert made.take(targets, {KEY: verdict("up")}) == {A: None}
    assert made.findings[A].verdict == "down"


def test_what_is_unknown_is_learnt_when_the_bucket_is_there() -> None:
    made = Book()
    targets = {KEY: target(A)}
    assert made.take(targets, {}) == {A: "unknown"}
    assert made.unknown == 1
    assert made.take(targets, {KEY: verdict("down")}) == {A: "down"}
    assert made.unknown == 0


def test_a_target_that_comes_back_is_not_judged_by_what_was_known_before() -> None:
    made = book(target(A))
    made.found(A, down())
    made.take({}, {})
    made.take({KEY: target(A)}, {KEY: verdict("up")})
    assert made.findings[A].verdict == "up"
    assert not made.findings[A].own


def test_doubt_takes_over_what_another_says_and_leaves_the_rest() -> None:
    other = target(B, virtual_server=OTHER_VS)
    made = book(target(A), other)
    for each in (A, B):
        made.found(each, up())
    assert made.doubt([KEY], {KEY: verdict("down")}) == {A: "down", B: None}
    assert not made.findings[A].own
    assert made.findings[B].own
    assert made.doubt([KEY], {KEY: verdict("down")}) == {A: None, B: None}


def test_a_decision_from_before_a_verdict_was_taken_over_does_not_count() -> None:
    made = book(target(A))
    before = made.order
    made.take({KEY: target(A)}, {KEY: verdict("up")})
    assert not made.heeds(A, before)
    assert made.heeds(A, made.order)


def test_a_decision_about_what_is_no_longer_led_does_not_count() -> None:
    made = book(target(A))
    assert not made.heeds(B, made.order)


def test_a_hundred_virtual_servers_run_one_check() -> None:
    virtual_servers = [f"10-9-0-{number}_80_tcp" for number in range(100)]
    targets = {each.key: each for each in (target(A, virtual_server=name) for name in virtual_servers)}
    made = Book()
    assert made.take(targets, {}) == {A: "unknown"}
    assert len(made.keys_of(A)) == 100
    made.found(A, down())
    assert {judgement.verdict for key in targets if (judgement := made.judgement(key))} == {"down"}


def test_what_is_voted_on_is_looked_at_with_ones_own_eyes() -> None:
    made = Book()
    targets = {KEY: target(A)}
    standing = {KEY: verdict("up")}
    made.take(targets, standing)
    # it was taken over; now that others vote too it is looked at
    assert made.take(targets, standing, {KEY: None}) == {A: "unknown"}
    assert made.judgement(KEY) is None
    made.found(A, up())
    assert made.take(targets, standing, {KEY: None}) == {A: None}
    assert made.judgement(KEY) is not None
    # and nothing is taken over from others while they vote
    assert made.doubt([KEY], {KEY: verdict("down")}) == {A: None}
