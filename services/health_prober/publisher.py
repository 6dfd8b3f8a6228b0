"""Judges: compares what the book holds with what stands on the bus, and has what differs said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from health_prober.conclusion import Conclusion, conclude, is_news, verdict_of
from health_prober.judgement import Finding, Judgement, said_by_checks
from health_prober.tally import Tally
from health_prober.voice import Voice
from health_prober.votes import counted, target_of
from vipbus.contracts import Verdict, name_token
from vipbus.telemetry import trace

if TYPE_CHECKING:
    from health_prober.engine import Outcome
    from health_prober.opinions import Opinions
    from health_prober.sharing import Electorate
    from health_prober.verdicts import Book
    from vipbus.bus import Bus, Follow
    from vipbus.telemetry.trace import TraceContext

_SLACK = 0.01
"""Seconds: what was computed with one clock is looked at by another."""


def _now() -> datetime:
    return datetime.now(UTC)


class Publisher:
    """The writer of this replica's verdicts.

    ``may_write`` says whether this replica may speak of a key now: it leads it, by a membership that is
    up to date, and its lease stands. ``token`` is how far it has read that membership. ``electorate`` says
    who checks a target. ``wake`` asks for an audit.
    """

    def __init__(
        self,
        bus: Bus,
        book: Book,
        health: Follow[Verdict],
        *,
        prober: str,
        opinions: Opinions,
        electorate: Callable[[str], Electorate | None],
        may_write: Callable[[str], bool],
        token: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._book = book
        self._health = health
        self._prober = prober
        self._me = name_token(prober)
        self._opinions = opinions
        self._electorate = electorate
        self._may_write = may_write
        self._token = token
        self._wake = wake
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._everything_is_doubtful = True
        self._doubtful: set[str] = set()
        """Keys that the next audit looks at."""
        self._untidy = True
        """Whether opinions may stand that nobody holds any more."""
        self._uncleared = True
        """Whether verdicts may stand of what is not configured any more."""
        self._tally = Tally()
        self.split: frozenset[str] = frozenset()
        """Keys of led targets whose verdict stays for want of a majority, as of the last audit."""
        self._split: set[str] = set()
        self._voice = Voice(bus, health, may_write)
        self._said = self._voice.said

    @property
    def standing(self) -> dict[str, Verdict]:
        """What stands on the bus, with what is on its way there."""
        return self._said.everything()

    def found(self, outcome: Outcome) -> None:
        """Note a check's decision and say what follows from it."""
        if not self._book.heeds(outcome.check, outcome.order):
            return
        keys = self._book.keys_of(outcome.check)
        finding = Finding(
            verdict=outcome.decision.verdict,
            cause=outcome.decision.cause,
            passed=outcome.decision.passed,
            since_ns=outcome.decided_ns,
            own=True,
            seen=self._health.revision,
            token=self._token(),
            trace=self._trace_of(outcome, keys),
        )
        self._book.found(outcome.check, finding)
        for key in keys:
            self._say_opinion(key)
            self._judge(key)

    def heard(self, key: str) -> None:
        """Count again: another replica's opinion of this target has changed."""
        self._untidy = True
        if key in self._book.voted:
            self._judge(key)

    def read(self, key: str) -> None:
        """Note that what stands of a target was written anew, by whomever; the next audit looks at it."""
        self._doubtful.add(key)

    def audit(self, everything: Callable[[], Collection[str] | None]) -> set[str]:
        """Compare what may have changed with what stands; return the keys of which another knows better.

        ``everything`` gives the keys of every checked real server there is, None where that is not known for
        sure: then nothing is cleared up.
        """
        whole, self._everything_is_doubtful = self._everything_is_doubtful, False
        doubtful, self._doubtful = self._doubtful, set()
        doubtful |= self._said.refused()
        doubtful.update(map(target_of, self._opinions.refused()))
        if whole:
            doubtful = self._book.targets.keys() | self._health.entries.keys()
            self._split &= self._book.targets.keys()
            self._tally.clear()
            self._uncleared = True
        for key in doubtful if self._book.voted else ():
            self._say_opinion(key)
        if whole or self._untidy:
            self._untidy = False
            self._opinions.tidy(self._book.voted, self._may_write)
        better = {key for key in doubtful if key in self._book.targets and self._judge(key)}
        self._clear_up(doubtful, everything)
        self._tally.show(len(self._split))
        self.split = frozenset(self._split)
        return better

    def again(self) -> None:
        """Make the next audit a whole one: what is led, known or allowed has changed."""
        self._everything_is_doubtful = True

    def _clear_up(self, keys: Collection[str], everything: Callable[[], Collection[str] | None]) -> None:
        """Remove the verdicts on what is not configured any more."""
        known = everything()
        if known is None:
            self._uncleared = True
            return
        if self._uncleared:
            self._uncleared = False
            keys = self._health.entries.keys()
        for key in sorted(key for key in keys if key not in known):
            if self._said.standing(key) is None:
                continue
            if self._may_write(key):
                self._voice.take_back(key)

    def keep_only(self, mine: Callable[[str], bool]) -> None:
        """Forget what was said of keys that another replica speaks for now."""
        self._said.keep_only(mine)

    def bus_lost(self) -> None:
        """Say nothing of the past on return: what stands then decides what is to be said."""
        self.keep_only(lambda _key: False)
        self.again()

    async def flushed(self, timeout: float) -> None:
        """Wait until everything said is written, at most ``timeout`` seconds."""
        await self._said.flushed(timeout)

    async def close(self) -> None:
        """Stop writing."""
        for timer in self._later.values():
            timer.cancel()
        await self._said.close()

    # ---- one key

    def _say_opinion(self, key: str) -> None:
        if key in self._book.voted and not self._opinions.say(
            self._book.targets[key], self._book.judgement(key)
        ):
            self._doubtful.add(key)

    def _judge(self, key: str) -> bool:
        """Say a key's verdict if another one stands; True if what stands is to be taken over instead."""
        self._split.discard(key)
        if (timer := self._later.pop(key, None)) is not None:
            timer.cancel()
        electorate = self._electorate(key)
        if electorate is None or electorate.leader != self._me:
            self._tally.leave(key)
            return False
        better = self._judge_as_leader(key, electorate)
        self._tally.note(key, self._said.standing(key))
        return better

    def _judge_as_leader(self, key: str, electorate: Electorate) -> bool:
        target, judgement, standing = (
            self._book.targets[key],
            self._book.judgement(key),
            self._said.standing(key),
        )
        clock, now = asyncio.get_running_loop().time(), _now()
        count = counted(
            self._prober,
            judgement,
            self._opinions.of(key, electorate.voters),
            electorate=electorate,
            standing=standing,
            now=clock,
        )
        if count.split:
            self._split.add(key)
        if count.early:
            self._look_again(key, electorate.settled - clock)
        if count.ballot is None:
            return False
        conclusion = conclude(target, count.ballot, standing, now)
        if conclusion.damped.until is not None and conclusion.checked == "up":
            self._look_again(key, (conclusion.damped.until - now).total_seconds())
        if not is_news(conclusion, standing):
            return False
        if not self._may_write(key):
            self._doubtful.add(key)
            return False
        if not electorate.several and self._knows_less(judgement, conclusion, key):
            return True
        verdict = verdict_of(target, conclusion, standing, now, prober=self._prober, lease=self._token())
        self._voice.say(key, verdict, count.ballot.trace)
        return False

    def _knows_less(self, judgement: Judgement | None, conclusion: Conclusion, key: str) -> bool:
        standing = self._said.standing(key)
        if standing is None:
            return False
        if (standing.verdict, said_by_checks(standing)) == (conclusion.verdict, conclusion.checked):
            return False
        return not self._outranks(judgement.finding if judgement is not None else None, key, standing)

    def _outranks(self, finding: Finding | None, key: str, standing: Verdict) -> bool:
        if finding is None or not finding.own:
            return False
        entry = self._health.entries.get(key)
        return entry is None or entry.revision <= finding.seen or standing.prober == self._prober

    def _look_again(self, key: str, wait: float) -> None:
        """Ask for an audit when time alone may change a verdict."""
        self._later[key] = asyncio.get_running_loop().call_later(max(wait, 0.0) + _SLACK, self._due, key)

    def _due(self, key: str) -> None:
        self._later.pop(key, None)
        self._doubtful.add(key)
        self._wake()

    def _trace_of(self, outcome: Outcome, keys: list[str]) -> TraceContext:
        decision = outcome.decision
        target = self._book.targets[keys[0]]
        return trace.record(
            f"check {target.where}",
            start_ns=outcome.began_ns,
            end_ns=outcome.decided_ns,
            attributes={
                "vipbus.real_server": target.real_server,
                "vipbus.virtual_server": ", ".join(self._book.targets[key].virtual_server for key in keys),
                "vipbus.verdict": decision.verdict,
                "vipbus.cause": decision.cause,
                "vipbus.attempts": decision.attempts,
            },
            error=decision.cause if decision.verdict == "down" else "",
        )
