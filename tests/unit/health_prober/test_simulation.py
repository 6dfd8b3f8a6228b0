"""A thousand seeds of replicas on a simulated bus; ``make simulate-probers SEED=n`` replays one."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from health_prober import opinions, publisher, sharing, voice, votes
from health_prober.lease import Lease
from tests.unit.health_prober.simulation.rules import BrokenRuleError
from tests.unit.health_prober.simulation.story import play

SEEDS, CHUNK = 1000, 100


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_rule_holds_for_every_seed(first: int) -> None:
    broken = []
    for seed in range(first, first + CHUNK):
        try:
            play(seed)
        except BrokenRuleError as error:
            broken.append(f"make simulate-probers SEED={seed}: {error}")
    assert not broken, "\n".join(broken)


def test_a_seed_is_always_the_same_story() -> None:
    first: list[str] = []
    again: list[str] = []
    play(7, first.append)
    play(7, again.append)
    assert first == again
    assert len(first) > 20


def test_the_seeds_have_everything_in_them() -> None:
    lines: list[str] = []
    for seed in range(60):
        play(seed, lines.append)
    told = "\n".join(lines)
    for words in (
        *("dies", "stops", "stands still", "goes on", "the line of", "is cut", "is whole"),
        *("is dead", "is alive", "does not see", "said by 2 of 3 probers", "said by 3 of 5 probers"),
        *("flaps: damped until", "connection refused", "answered in"),
    ):
        assert words in told, words


# ---- and the rules can be broken; a seed at which they are was found by trying


def _hasty(self: sharing.Electorates, *arguments: Any, _share: Any = sharing.Electorates.share) -> None:
    """Takes every electorate for settled."""
    *others, now = arguments
    _share(self, *others, now - 100.0)


class Wrong(NamedTuple):
    """A replica that does something it must not."""

    who: str
    owner: object
    name: str
    instead: object
    seed: int


WRONG = (
    Wrong("changes verdicts with the voters", sharing.Electorates, "share", _hasty, 37),
    Wrong("does not tidy up", opinions.Opinions, "tidy", lambda *_: None, 0),
    Wrong("names no minority", votes, "_votes", lambda _said: (), 7),
    Wrong("overwrites its successor", voice.Voice, "_may_replace", lambda *_: True, 68),
    Wrong("writes when its lease is over", voice.Voice, "_may_still_write", lambda *_: True, 307),
    Wrong("takes every lease for held", Lease, "held", property(lambda _self: True), 323),
    Wrong("does not look again", publisher.Publisher, "again", lambda _self: None, 3),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.who)
def test_a_rule_is_broken_by_one_who(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    play(wrong.seed)
    monkeypatch.setattr(wrong.owner, wrong.name, wrong.instead)
    with pytest.raises(BrokenRuleError):
        play(wrong.seed)
