"""The edge: configuration, membership and verdicts come in from the bus, work goes to the engine and back.

Everything is level-triggered: whatever changes wakes one loop, which looks at the whole again. Nothing here
waits for the bus. While it is away the last assignment stays and probing goes on; what was found is compared
with what stands when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from health_prober import conditions, engine, metrics, sharing
from health_prober.configuration import Configuration
from health_prober.hints import Hints
from health_prober.lease import Lease
from health_prober.membership import Membership
from health_prober.opinions import Opinions
from health_prober.publisher import Publisher
from health_prober.targets import Target, address_of
from health_prober.verdicts import Book
from health_prober.votes import target_of
from vipbus.contracts import HEALTH, OPINION, Check, VerdictName, name_token

if TYPE_CHECKING:
    from vipbus.runtime.life import Life

log = logging.getLogger(__name__)

CONFIGURATION = "a configuration"
LEASE = "a lease"
WAITS_FOR = (CONFIGURATION, LEASE)
"""What must have happened before a prober is ready."""
_ALONE_AFTER = 1.0
"""Seconds after which a prober that never heard of others probes everything alone."""
_LAST_WORDS = 0.2
"""Seconds that a stop waits for verdicts on their way."""


def default_id() -> str:
    """Name a replica so that no two share a name, also in containers that share a process id."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Prober:
    """One replica."""

    def __init__(self, life: Life, prober: str) -> None:
        self._life = life
        self._me = name_token(prober)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._crashed: asyncio.Future[None] = self._loop.create_future()
        self._health_was_live = False
        self._leases_taken: dict[str, int] = {}
        self._electorates = sharing.Electorates()
        self._led = 0
        self._book = Book()
        bus = life.bus
        self._configuration = Configuration(
            bus, life.settings.state_dir / "health-prober.config.json", self._wake.set
        )
        self._membership = Membership(bus, self._me, self._wake.set)
        self._health = bus.follow(HEALTH, on_key=self._note_verdict, on_change=self._note_health)
        self._opinion = bus.follow(OPINION, on_key=self._note_opinion, on_change=self._note_opinions)
        self._opinion_was_live = False
        self._pictures = 0
        self._lease = Lease(
            bus,
            prober,
            targets=lambda: self._led,
            on_renewed=self._note_lease,
            on_problem=lambda text: life.readiness.problem("lease", text),
            leases=self._membership.leases,
        )
        self._opinions = Opinions(
            bus,
            self._opinion,
            self._membership.follow,
            prober=prober,
            in_touch=lambda: self._in_touch,
            token=lambda: self._membership.revision,
        )
        self._publisher = Publisher(
            bus,
            self._book,
            self._health,
            prober=prober,
            opinions=self._opinions,
            electorate=self._electorate,
            may_write=self._may_write,
            token=lambda: self._membership.revision,
            wake=self._wake.set,
        )
        self._engine = engine.Engine(
            limit=engine.raise_descriptor_limit(),
            on_outcomes=lambda found: self._call(self._found, found),
            on_trouble=lambda text: life.readiness.problem("probing", text),
            on_crash=lambda error: self._call(self._crash, error),
        )
        Hints(bus, checks=self._checks_of, hasten=self._engine.hasten)
        bus.on_change.append(self._note_bus)
        life.readiness.revisions_from(self._configuration.numbers)
        life.readiness.watch("verdicts", lambda: conditions.unprobed(self._book.unknown))
        life.readiness.watch("votes", lambda: conditions.without_majority(self._publisher.split))
        life.readiness.watch(
            "vantages",
            lambda: conditions.too_few(self.targets.values(), len(self._membership.shared or ())),
        )

    @property
    def targets(self) -> Mapping[str, Target]:
        """Every checked real server there is, by key, whoever leads it."""
        return self._configuration.targets

    async def run(self) -> None:
        """Probe until told to stop; then give up the lease, so that others go on at once."""
        self._engine.start()
        log.info("prober %s starts", self._me)
        self._loop.call_later(_ALONE_AFTER, self._note_patience)
        keeping = asyncio.ensure_future(self._lease.keep())
        reconciling = asyncio.ensure_future(self._reconcile_for_ever())
        stopping = asyncio.ensure_future(self._life.stopping.wait())
        try:
            await asyncio.wait(
                (keeping, reconciling, stopping, self._crashed), return_when=asyncio.FIRST_COMPLETED
            )
            for essential in (keeping, reconciling, self._crashed):
                if essential.done():
                    essential.result()
        finally:
            for task in (keeping, reconciling, stopping):
                task.cancel()
            await asyncio.gather(keeping, reconciling, stopping, return_exceptions=True)
            await self._stop()

    async def _stop(self) -> None:
        if self._life.bus.connected:
            await self._opinions.flushed(_LAST_WORDS)
            await self._publisher.flushed(_LAST_WORDS)
            await self._lease.give_up()
        self._engine.stop()
        await self._opinions.close()
        await self._publisher.close()
        self._configuration.save_now()

    # ---- what wakes the loop

    def _note_verdict(self, key: str) -> None:
        self._publisher.read(key)

    def _note_health(self) -> None:
        # a verdict that someone else wrote is looked at with the next renewal of the lease
        self._note_pictures()
        if self._health.live != self._health_was_live:
            self._wake.set()

    def _note_opinion(self, key: str) -> None:
        self._publisher.heard(target_of(key))

    def _note_opinions(self) -> None:
        self._note_pictures()
        if self._opinion.live != self._opinion_was_live:
            self._opinion_was_live = self._opinion.live
            self._wake.set()

    def _note_pictures(self) -> None:
        if (pictures := self._health.pictures + self._opinion.pictures) != self._pictures:
            self._pictures = pictures
            self._publisher.again()

    def _note_lease(self) -> None:
        self._life.readiness.done(LEASE)
        self._wake.set()

    def _note_patience(self) -> None:
        self._membership.patient = False
        self._wake.set()

    def _note_bus(self) -> None:
        if not self._life.bus.connected:
            self._health_was_live = self._opinion_was_live = False
            self._opinions.bus_lost()
            self._publisher.bus_lost()
        self._wake.set()

    # ---- from the engine's thread

    def _call(self, function: object, argument: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(function, argument)  # type: ignore[arg-type]  # any callable of one argument

    def _found(self, outcomes: list[engine.Outcome]) -> None:
        try:
            for outcome in outcomes:
                self._publisher.found(outcome)
        except Exception as error:
            self._crash(error)  # a callback's exception would end nothing, and its verdicts would be lost

    def _crash(self, error: BaseException) -> None:
        if not self._crashed.done():
            self._crashed.set_exception(error)

    # ---- the loop

    async def _reconcile_for_ever(self) -> None:
        while True:
            self._reconcile()
            await self._wake.wait()
            self._wake.clear()

    def _reconcile(self) -> None:
        stale = self._configuration.read()
        if stale:
            self._life.readiness.done(CONFIGURATION)
        members = self._membership.now()
        health_is_news = self._health.live and not self._health_was_live
        self._health_was_live = self._health.live
        if (leases := self._membership.taken()) != self._leases_taken:
            # opinions count from the taking of their prober's lease
            self._leases_taken = leases
            self._publisher.again()
        if members is not None and (stale or health_is_news or members != self._membership.shared):
            self._share(members)
        else:
            self._electorates.read(self._membership.revision)
        if not self._in_touch:
            return
        doubtful = self._publisher.audit(self._configuration.known)
        if doubtful:
            self._tell_engine(self._book.doubt(doubtful, self._publisher.standing))

    def _share(self, members: frozenset[str]) -> None:
        if members != self._membership.shared:
            log.info("%d prober(s) share the work: %s", len(members), ", ".join(sorted(members)))
        self._membership.shared = members
        self._electorates.share(members, self.targets, self._membership.revision, self._loop.time())
        mine: dict[str, Target] = {}
        voted: dict[str, None] = {}
        led = 0
        for key, target in self.targets.items():
            electorate = self._electorates.get(target.address)
            if electorate is not None and self._me in electorate.voters:
                mine[key] = target
                led += electorate.leader == self._me
                if electorate.several:
                    voted[key] = None
        if led != self._led:
            log.info("leading %d of %d real servers", led, len(self.targets))
        self._led = led
        orders = self._book.take(mine, self._publisher.standing, voted)
        self._publisher.keep_only(lambda key: sharing.leader(members, address_of(key)) == self._me)
        self._publisher.again()
        self._tell_engine(orders)
        metrics.MEMBERS.set(len(members))
        metrics.TARGETS.set(led)
        metrics.CHECKS.set(len(orders))

    def _tell_engine(self, checks: dict[Check, VerdictName | None]) -> None:
        self._engine.assign(engine.Orders(self._book.order, checks))

    def _electorate(self, key: str) -> sharing.Electorate | None:
        return self._electorates.get(address_of(key))

    def _checks_of(self, key: str) -> tuple[Check, ...]:
        target = self._book.targets.get(key)
        return target.checks if target is not None else ()

    # ---- what may be said

    @property
    def _in_touch(self) -> bool:
        """True while this replica knows what stands and who leads, and has a lease itself."""
        return (
            self._life.bus.connected
            and self._membership.sure
            and self._health.live
            and self._opinion.live
            and self._lease.held
        )

    def _may_write(self, key: str) -> bool:
        return self._in_touch and self._membership.leads(key)
