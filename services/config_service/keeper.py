"""Keeps one router's configuration in the bucket as it is desired, whatever the bus does meanwhile.

Level-triggered: whenever the bus becomes usable, something else is desired or someone else wrote the keys,
all of it is compared and what differs is written. So whatever cut a write off, the next look completes it, or
takes it back where nobody knows any more what was to be.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from config_service import consent, metrics
from config_service.holding import Holding
from config_service.ledger import Ledger
from config_service.on_trial import OnTrial
from config_service.overlay import Overlay, operators_part
from config_service.revise import Desired
from config_service.stance import Stance
from config_service.telling import Telling
from config_service.trial import Trial
from vipbus.bus import Bus, BusAwayError, RefusedError
from vipbus.contracts import Head, moved_digest
from vipbus.contracts.revisions import How, RevisionNote, RevisionRecord
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 1.0
"""Seconds from someone else's write to the next look: two writers must not race each other."""
_RETRY: Final = 2.0
"""Seconds until a write that the server refused is tried again."""


class Proposal(msgspec.Struct):
    """A change that somebody wants, made from what runs when its turn comes."""

    make: Callable[[Keeper], Awaitable[Desired]]
    """Gives what is desired instead; raises ValueError, in words, where that cannot be."""
    done: asyncio.Future[RevisionNote | None]
    """The revision that was made; None: what runs says that already."""


class Keeper:
    """One router's keys in the bucket ``config``, and its kept revisions."""

    def __init__(
        self,
        bus: Bus,
        readiness: Readiness,
        router: str,
        *,
        on_look: Callable[[], None] = lambda: None,
        awaits_overlay: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        self.router = router
        self.settled = asyncio.Event()
        """Set while the bucket holds what is desired, or nothing is desired."""
        self.ledger = ledger or Ledger(bus, router)
        self.stance = Stance(awaits_overlay=awaits_overlay)
        self.on_trial = OnTrial(self.ledger, self._go_back, on_look)
        self._bus = bus
        self._readiness = readiness
        self._on_look = on_look
        self._telling = Telling(bus, router)
        self._proposals: deque[Proposal] = deque()
        self._making: Proposal | None = None
        self._made: RevisionNote | None = None
        self._judged = False
        self._compared = False
        self._asked = 0
        """Counts what was wanted: what is settled may be wanted no more."""
        self._look: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self.holding = Holding(
            bus, router, self.ledger, on_entries=self._on_entries, on_accepted=self._on_accepted
        )
        bus.on_change.append(self._on_bus)
        self.task = asyncio.get_running_loop().create_task(self._run())
        """Runs until `close`; it ends by itself only by a fault of this program."""

    @property
    def head(self) -> Head | None:
        """The head in the bucket, as last seen."""
        return self.holding.head

    @property
    def revision(self) -> int:
        """The revision that runs; 0 before any."""
        return self.holding.revision

    @property
    def advice(self) -> tuple[str, ...]:
        """What may surprise somebody: that what runs is on trial, or is not what the file says."""
        record, file = self.holding.record, self.stance.source
        what = consent.said_of(record.note) if record is not None else f"revision {self.revision}"
        found = []
        if self.stance.differs and self.settled.is_set():  # before that it is on its way
            found.append(
                f"{what} runs on {self.router}, which is not what {file} says; `vipbus config diff {file}` "
                f"shows the difference, `vipbus config apply {file}` ends it"
            )
        if why := consent.on_trial(self.on_trial.trial):
            found.append(f"{self.router}: {why}")
        return tuple(found)

    # ---- what is wanted

    def want(self, desired: Desired) -> None:
        """Take note of what the file says now."""
        self.stance.file(desired)
        self._want_anew()

    def overlay(self, overlay: Overlay | None, cause: str) -> None:
        """Lay an overlay over whatever is wanted, from now on; ``cause`` is why it is another than before.

        With ``awaits_overlay`` the last one's real servers stay until this is called for the first time.
        """
        self.stance.lay(overlay, cause)
        self._want_anew()

    async def propose(self, make: Callable[[Keeper], Awaitable[Desired]]) -> RevisionNote | None:
        """Have a change made from what runs; give its revision, None where what runs says that already.

        Changes are made one after the other. It waits for the bus as long as it takes.

        Raises:
            ValueError: it cannot be made; ``make`` says why.
        """
        done: asyncio.Future[RevisionNote | None] = asyncio.get_running_loop().create_future()
        self._proposals.append(Proposal(make, done))
        self._wake.set()
        return await done

    def refused(self, source: str, reason: str) -> None:
        """Say that a file was refused, as soon as it is known which revision goes on."""
        self._telling.refused(source, reason)
        self._wake.set()

    async def close(self) -> None:
        """Stop."""
        if self._look is not None:
            self._look.cancel()
        self.on_trial.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _want_anew(self) -> None:
        self._asked += 1
        self.settled.clear()
        self._wake.set()

    def _go_back(self, trial: Trial) -> None:
        async def make(keeper: Keeper) -> Desired:
            cause = f"revision {trial.revision} was not confirmed in time"
            if (now := keeper.on_trial.trial) is None or now.revision != trial.revision:
                raise ValueError(f"revision {trial.revision} is not on trial any more")
            return await rolled_back(keeper, trial.back_to, cause=cause, how="timeout", why=cause)

        async def go() -> None:
            try:
                await self.propose(make)
            except ValueError as error:
                log.warning("%s: %s", self.router, error)

        self._bus.spawn(go())

    # ---- what wakes it

    def _on_bus(self) -> None:
        if not self._bus.connected:
            self._compared = False
            self.ledger.forget_what_is_known()

    def _on_entries(self) -> None:
        if not self._compared:
            self._wake.set()
        elif self.holding.foreign and self._look is None:
            self._look = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._wake.set()

    async def _on_accepted(self, record: RevisionRecord, context: trace.TraceContext) -> None:
        self._made = record.note
        if record.note.base == record.note.revision:
            self.on_trial.runs(record.note)
        base = self.stance.base
        warnings = base.warnings if base is not None and record.note.base == record.note.revision else ()
        await self._telling.say_accepted(record.note, self.stance.over, warnings, context)

    # ---- the loop

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._work()
            except BusAwayError as error:
                log.debug("%s: %s", self.router, error)
                self._wake.set()
                await asyncio.sleep(0.05)
            except RefusedError as error:
                self._readiness.problem(
                    f"publish {self.router}", f"the bus refused the configuration of {self.router}: {error}"
                )
                self._wake.set()
                await asyncio.sleep(_RETRY)
            else:
                self._readiness.problem(f"publish {self.router}", "")

    async def _work(self) -> None:
        await self.holding.until_live()
        if not self._judged:
            record, self._judged = self.holding.record, True
            self.on_trial.runs(record.note if record is not None else None)
        await self._telling.say_refusals(self.revision)
        await self._settle()
        while self._proposals:
            await self._take(self._proposals[0])

    async def _take(self, proposal: Proposal) -> None:
        try:
            desired = await proposal.make(self)
        except ValueError as error:
            self._proposals.popleft()
            if not proposal.done.done():
                proposal.done.set_exception(error)
            return
        self._proposals.popleft()
        self._making, self._made = proposal, None
        self.stance.say(desired)
        self._want_anew()
        await self._settle()

    async def _settle(self) -> None:
        asked, holding, before = self._asked, self.holding, self.revision
        desired = self.stance.desired(holding.head, holding.record, holding.entries, holding.whole)
        if desired is not None:
            await holding.hold(desired)
        self._compared = True
        if self.head is not None:
            metrics.REVISION.set(self.revision, router=self.router)
            metrics.ENTITIES.set(self.head.entities, router=self.router)
        if self._asked == asked:
            if desired is not None and not self.settled.is_set() and self.revision == before:
                log.info("%s: revision %d stays: %s says nothing new", self.router, before, desired.source)
            self.stance.settled()
            self.settled.set()
            if self._making is not None and not self._making.done.done():
                self._making.done.set_result(self._made)
            self._making = None
        self._on_look()


async def rolled_back(
    keeper: Keeper, revision: int, *, cause: str, how: How = "rollback", by: str = "", why: str = ""
) -> Desired:
    """Give what an operator said in a revision before, as what is desired now.

    Raises:
        ValueError: it is not kept any more, or nothing whole runs from which there is a way back.
        BusAwayError: the bus went away.
        RefusedError: the server said no.
    """
    whole, head = keeper.holding.whole(), keeper.head
    if whole is None or head is None:
        raise ValueError("nothing whole runs from which there is a way back; apply a file")
    bodies = operators_part(await keeper.ledger.bodies_at(revision, head.revision, whole))
    records = await keeper.ledger.records()
    record = records.get(revision)
    return Desired(
        router=keeper.router,
        source=record.note.source if record is not None else head.source,
        bodies=bodies,
        digest=moved_digest(head.digest, whole, bodies),
        cause=cause,
        by=by,
        how=how,
        why=why,
        file=head.file,
        references=frozenset(record.references) if record is not None else frozenset(),
    )
