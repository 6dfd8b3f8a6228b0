"""Opinions: what this replica says of targets that several check, and what the others say of them.

A replica says its present opinion only: the last value a key, written again when its lease is another one. An
opinion counts while its prober is a member and votes on the target. Each replica takes back its own; those of
replicas that are gone, whoever leads their target.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from health_prober import votes
from health_prober.judgement import NOTHING, Judgement
from health_prober.metrics import OPINIONS
from health_prober.said import Said
from vipbus.contracts import OPINION, Opinion, name_token
from vipbus.telemetry import trace

if TYPE_CHECKING:
    from health_prober.targets import Target
    from vipbus.bus import Bus, Entry, Follow
    from vipbus.contracts import Member

log = logging.getLogger(__name__)

_TEMPLATE = "vipbus.state.opinion"
_MARKER_TTL = 60
"""Seconds that the mark of an opinion that was taken back stays."""


class Opinions:
    """The writer of this replica's opinions and the reader of all.

    ``in_touch`` says whether this replica may speak now: its pictures are up to date and its lease stands;
    ``token`` is how far it has read the membership.
    """

    def __init__(
        self,
        bus: Bus,
        follow: Follow[Opinion],
        members: Follow[Member],
        *,
        prober: str,
        in_touch: Callable[[], bool],
        token: Callable[[], int],
    ) -> None:
        self._follow = follow
        self._members = members
        self._prober = prober
        self._me = name_token(prober)
        self._in_touch = in_touch
        self._token = token
        self._said: Said[Opinion] = Said(
            bus, OPINION, follow, may_write=lambda _key: in_touch(), marker_ttl=_MARKER_TTL
        )

    def of(self, key: str, voters: Sequence[str]) -> dict[str, Entry[Opinion]]:
        """Find the opinions of a target that count, by the token of their prober."""
        found = {}
        for voter in voters:
            entry = self._follow.entries.get(f"{key}.{voter}")
            if entry is not None and self._counts(entry.value, voter):
                found[voter] = entry
        return found

    def say(self, target: Target, judgement: Judgement | None) -> bool:
        """Say what this replica thinks of a target that others check too; False if it may not speak now."""
        if not self._in_touch():
            return False
        key = f"{target.key}.{self._me}"
        stands = self._said.standing(key)
        if judgement is None:
            # what it said in an earlier turn as a voter is not what it sees now
            if stands is not None:
                self._take_back(key)
            return True
        extras = judgement.extras or NOTHING
        opinion = Opinion(
            virtual_server=target.virtual_server,
            real_server=target.real_server,
            prober=self._prober,
            verdict=judgement.verdict,
            cause=judgement.cause,
            since=datetime.fromtimestamp(judgement.finding.since_ns / 1e9, UTC),
            lease=self._token(),
            weight=extras.weight,
            weight_added=extras.weight_added,
            warning=extras.warning,
        )
        if stands is not None and _same(stands, opinion) and self._counts(stands, self._me):
            return True
        OPINIONS.add(verdict=opinion.verdict)
        self._said.say(
            key,
            opinion,
            trace.record(
                f"publish {_TEMPLATE}",
                parent=judgement.finding.trace,
                kind="producer",
                attributes={
                    "messaging.system": "nats",
                    "messaging.destination.template": _TEMPLATE,
                    "vipbus.key": key,
                    "vipbus.verdict": opinion.verdict,
                },
            ),
        )
        return True

    def refused(self) -> set[str]:
        """Forget what could not be written, so that it is said anew; give its keys."""
        return self._said.refused()

    def tidy(self, voted: Collection[str], leads: Callable[[str], bool]) -> None:
        """Take back what is not this replica's to say any more, and what nobody else will.

        ``voted`` are the keys of the targets that it votes on; ``leads`` says whether a target's address is
        led here.
        """
        if not self._in_touch():
            return
        for key in list(self._follow.entries):
            target, prober = votes.target_of(key), votes.prober_of(key)
            if prober == self._me:
                gone = target not in voted
            else:
                gone = prober not in self._members.entries and leads(target)
            if gone and self._said.standing(key) is not None:
                log.debug("%s: an opinion of the past is removed", key)
                self._take_back(key)
        # what was removed for another must not be removed again if it comes back with the same name
        self._said.keep_only(
            lambda key: votes.prober_of(key) == self._me or self._follow.entries.get(key) is not None
        )

    def bus_lost(self) -> None:
        """Say nothing of the past on return."""
        self._said.keep_only(lambda _key: False)

    async def flushed(self, timeout: float) -> None:
        """Wait until everything said is written, at most ``timeout`` seconds."""
        await self._said.flushed(timeout)

    async def close(self) -> None:
        """Stop writing."""
        await self._said.close()

    def _counts(self, opinion: Opinion, prober: str) -> bool:
        member = self._members.entries.get(prober)
        return member is not None and votes.counts(opinion, member.value, member.revision)

    def _take_back(self, key: str) -> None:
        self._said.say(key, None, trace.record("remove opinion"))


def _same(one: Opinion, other: Opinion) -> bool:
    return (one.verdict, one.weight, one.weight_added, one.warning) == (
        other.verdict,
        other.weight,
        other.weight_added,
        other.warning,
    )
