"""What must hold: at every write, whenever a verdict is said, and in the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import msgspec

from health_prober.sharing import voters
from tests.unit.health_prober.simulation.store import Change
from vipbus.contracts import Verdict

if TYPE_CHECKING:
    from tests.unit.health_prober.simulation.world import Replica, World

_SLACK = 1.0
"""Seconds: a replica knows by which revision of the membership it looked; those come with renewals."""

_ON_ITS_WAY = 0.05
"""Seconds that a write may take, where its line does not stand still."""


class BrokenRuleError(AssertionError):
    """A rule was broken; the text says which, when and by whom."""


class Rules:
    """Watches a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: list[BrokenRuleError] = []
        self._writers: dict[tuple[str, int], str] = {}
        """Who wrote a key by which revision of the membership."""
        self._tokens: dict[str, int] = {}
        self._members: set[str] = set()
        self._began: dict[str, float] = {}
        """When a lease was taken."""
        self._ended: dict[str, float] = {}
        """When a lease ended."""
        self._voting: dict[str, tuple[str, ...]] = {}
        self._voting_since: dict[tuple[str, tuple[str, ...]], float] = {}
        """When they last became the voters of an address."""
        self.verdicts: dict[str, list[str]] = {}
        """Every verdict of a key, in order."""
        self.saw: dict[tuple[str, str, str], float] = {}
        """When a replica last saw an address up, or down."""

    # ---- at every write

    def written(self, bucket: str, change: Change, writer: str) -> None:
        """Look at a write that the store has taken."""
        if bucket == "member":
            self._member(change)
        elif bucket == "health" and change.body is not None:
            self._verdict(change.key, msgspec.json.decode(change.body, type=Verdict), writer)

    def _member(self, change: Change) -> None:
        now = asyncio.get_running_loop().time()
        if change.body is None:
            self._ended[change.key] = now
            self._members.discard(change.key)
        elif change.key not in self._members:
            self._members.add(change.key)
            self._began[change.key] = now
            self._ended.pop(change.key, None)
        else:
            return
        for address in self._world.addresses:
            voting = voters(self._members, address.replace(".", "-"), self._world.vantages(address))
            if self._voting.get(address) != voting:
                self._voting[address] = voting
                self._voting_since[address, voting] = now

    def _verdict(self, key: str, verdict: Verdict, writer: str) -> None:
        """One leader a key and revision, never an older one after a newer one, and none without a lease."""
        now = asyncio.get_running_loop().time()
        self._world.tell(f"{writer} writes {key} {verdict.verdict} (lease {verdict.lease}): {verdict.cause}")
        first = self._writers.setdefault((key, verdict.lease), writer)
        if first != writer:
            self._break(f"{first} and {writer} both led {key} at {verdict.lease}")
        if verdict.lease < self._tokens.get(key, 0):
            self._break(f"{writer} wrote {key} by an older membership than stood")
        late = now - max(self._ended.get(writer, now), self._world.processes[writer].bus.still_until)
        if late > _ON_ITS_WAY:
            self._break(f"{writer} wrote {key} {late:.3f} s after its lease had ended")
        self._tokens[key] = verdict.lease
        said = self.verdicts.setdefault(key, [])
        if not said or said[-1] != verdict.verdict:
            said.append(verdict.verdict)

    # ---- whenever a replica shares or says

    def shares(self, replica: Replica) -> None:
        """Note since when a replica takes those for voters whom it does."""
        now = asyncio.get_running_loop().time()
        for key in self._world.keys:
            electorate = replica.prober._electorate(key)
            voting = electorate.voters if electorate is not None else ()
            if replica.voting.get(key, ((), 0.0))[0] != voting:
                replica.voting[key] = (voting, now)

    def says(self, replica: Replica, key: str, before: Verdict | None, after: Verdict | None) -> None:
        """No verdict changes by a handover alone: since they are the voters, most of them have seen it so."""
        if before is None or after is None:
            return
        checked = after.checked or after.verdict
        if (before.checked or before.verdict) == checked:
            return
        electorate = replica.prober._electorate(key)
        assert electorate is not None
        address = self._world.address_of(key)
        # whoever was away goes on with what it saw meanwhile, if they were the voters before
        since = min(self._voting_since[address, electorate.voters], replica.voting[key][1]) - _SLACK
        seen = [voter for voter in electorate.voters if self._saw(voter, address, checked, since)]
        if 2 * len(seen) <= len(electorate.voters):
            self._break(
                f"{replica.name} says {key} is {checked}, which since {since:.3f} s only {seen} of "
                f"{electorate.voters} saw"
            )

    def _saw(self, voter: str, address: str, checked: str, since: float) -> bool:
        if self._began.get(voter, since) > since:
            # on its return it says its present opinion, which is a round old at most
            since -= self._world.settling + _SLACK
        return self.saw.get((voter, address, checked), float("-inf")) >= since

    # ---- in the end

    def judge(self) -> None:
        """One leader, as many voters as are to be, what most of them see; and nothing of the past."""
        world = self._world
        for key in world.keys:
            self._judge(key, world.address_of(key))
        for key, change in world.store.bucket("opinion").last.items():
            target, _, prober = key.rpartition(".")
            if change.body is None:
                continue
            if prober not in world.replicas:
                self._break(f"the opinion {key} of one that is gone still stands")
            if prober not in self._voters(world.address_of(target)):
                self._break(f"the opinion {key} of one that does not vote still stands")
            if len(self._voters(world.address_of(target))) == 1:
                self._break(f"the opinion {key} stands, and nobody counts it")

    def _judge(self, key: str, address: str) -> None:
        world = self._world
        electorates = {name: each.prober._electorate(key) for name, each in world.replicas.items()}
        leaders = [name for name, each in electorates.items() if each is not None and each.leader == name]
        if len(leaders) != 1:
            self._break(f"{key} is led by {leaders or 'nobody'}")
        voting = self._voters(address)
        if len(voting) != min(world.vantages(address), len(world.replicas)):
            self._break(f"{key} is checked by {voting} of {sorted(world.replicas)}")
        if leaders[0] not in voting:
            self._break(f"{leaders[0]} leads {key} and does not check it")
        up = sum(world.sees(voter, address) for voter in voting)
        wanted = "up" if 2 * up > len(voting) else "down" if 2 * up < len(voting) else None
        _, body = world.store.read("health", key)
        stands = msgspec.json.decode(body, type=Verdict) if body is not None else None
        said = None if stands is None else stands.checked or stands.verdict
        if wanted is not None and said != wanted:
            self._break(f"{key} is {said}, but {up} of {len(voting)} see it up")
        if stands is None or stands.verdict == "unknown":
            return
        minority = {vote.prober for vote in stands.minority}
        against = {voter for voter in voting if world.sees(voter, address) != (said == "up")}
        if minority != against and not stands.damped:
            self._break(f"{key} is {said}, and {minority or 'nobody'} is named instead of {against}")

    def _voters(self, address: str) -> list[str]:
        return [
            name
            for name, each in self._world.replicas.items()
            if any(check.address == address for check in each.engine.checks)
        ]

    def _break(self, text: str) -> NoReturn:
        error = BrokenRuleError(f"{asyncio.get_running_loop().time():.3f} s: {text}")
        self.broken.append(error)
        raise error
