"""Keeps one HAProxy what configuration, verdicts and operators say.

Level-triggered: each step works from whole pictures and from what the worker says of itself. What can be done
by command is done at once; what is structure takes a reload, and several of those in a short time are one.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

from haproxy_programmer import metrics, runtime
from haproxy_programmer.causes import Causes
from haproxy_programmer.desired import desired
from haproxy_programmer.documents import Documents
from haproxy_programmer.findings import Findings
from haproxy_programmer.inputs import Inputs
from haproxy_programmer.listing import Listing
from haproxy_programmer.observed import Observed, UnreadableError
from haproxy_programmer.plan import plan
from haproxy_programmer.process import NotReloadedError, NotStartedError, Process
from haproxy_programmer.render import generation
from haproxy_programmer.rotation import Rotation
from haproxy_programmer.runtime import SilentError
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slots, deadline
from haproxy_programmer.standing import Told
from haproxy_programmer.structure import RefusedError, Structure
from haproxy_programmer.telling import Teller
from haproxy_programmer.wanted import Wanted, left, wanted
from haproxy_programmer.writing import UnwritableError
from vipbus.contracts import Event, ProxyRefused, ProxyReloaded
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.saved import Saved
from vipbus.telemetry.trace import TraceContext

log = logging.getLogger(__name__)

_LOOK: Final = 1.0
"""Seconds between two looks at what the worker holds."""
_AGAIN: Final = 0.2
"""Seconds until a start that failed is tried again; each time twice as many, up to `_AGAIN_AT_MOST`."""
_AGAIN_AT_MOST: Final = 5.0

Publish = Callable[[Event, TraceContext], None]


class Programmer:
    """One router's HAProxy."""

    def __init__(
        self,
        inputs: Inputs,
        process: Process,
        place: Place,
        documents: Documents,
        readiness: Readiness,
        *,
        told: Told,
        saved: Saved[dict[str, Slots]],
        publish: Publish,
        router: str,
        between_reloads: float,
    ) -> None:
        self.due = 0.0
        """When to look again although nothing changed, on the monotonic clock."""
        self.site: Site | None = None
        """What HAProxy is to be; None: that is not known yet."""
        self._inputs = inputs
        self._process = process
        self._place = place
        self._told = told
        self._readiness = readiness
        self._saved = saved
        self._publish = publish
        self._router = router
        self._between = between_reloads
        self._causes = Causes()
        self._teller = Teller(documents, self._causes)
        self._wrong: dict[str, str] = {}
        """Why HAProxy is not as it should be, as readiness has it."""
        self._rotation = Rotation(place.socket)
        self._listing = Listing(place)
        self.structure = Structure(process, place, self._rotation, self._listing)
        """What goes by a start or a reload."""
        self._findings = Findings(place.socket, router, publish)
        self._idle: set[tuple[str, str]] = set()
        self._seen = Observed(generation="", pid=0, servers={})
        """What the last look found."""
        self._refused = ""
        """The generation that HAProxy refused: it is not tried again."""
        self._next_reload = 0.0
        self._next_start = 0.0
        self._patience = _AGAIN
        self._first = True

    async def step(self) -> None:
        """Take in what changed and bring HAProxy there."""
        began = time.monotonic()
        changes = self._inputs.changes()
        self._causes.add(changes)
        if not self._inputs.ready or self._inputs.revision is None:
            self.due = math.inf
            return
        if not changes and began < self.due < math.inf and self._process.pid is not None:
            return  # a verdict of the other tier, or a revision that is not whole yet
        self._readiness.done("a configuration")
        site = desired(
            self._inputs.revision,
            self._inputs.verdicts,
            self._inputs.operators,
            self._saved.value,
            idle=self._idle,
            now=began,
        )
        self.site = site
        self._saved.save(dict(site.slots))
        if self._first:
            self._first = False
            if await self._process.find():
                log.info("going on with HAProxy, process %s", self._process.pid)
                if not self._process.writes_to(self._place.lines):
                    self._problem("log", "HAProxy's log goes elsewhere: end it, and it is started anew")
        self.due = began + _LOOK
        try:
            await self._bring(site, began)
        except UnwritableError as error:
            self._refuse(generation(site), str(error))
            if self._process.pid is None:
                self._told.silent(str(error), time.monotonic())
        except (SilentError, UnreadableError) as error:
            self._problem("haproxy", f"{error}; its log is {self._place.log}")
            if isinstance(error, SilentError):
                self._told.silent(str(error), time.monotonic())
            else:
                self._told.heard(time.monotonic())  # an answer all the same: unknown is never down
            self._tell(site, None)
            return
        self._readiness.done("the first write")

    async def stop(self, *, keep: bool) -> None:
        """End: the process goes once its connections have ended, or stays for whoever comes next."""
        if not keep:
            self._process.signal(signal.SIGUSR1)
            if self._process.pid is not None:
                self._told.ended("haproxy-programmer was stopped, and HAProxy with it")
            log.info("HAProxy ends when its last connection has, at the latest within an hour")
        self._process.forget()
        if not keep:
            self._teller.gone()

    # ---- the way there

    async def _bring(self, site: Site, began: float) -> None:
        if not site.proxies and not site.pools and self._process.pid is None:
            self._problem("haproxy", "")
            self._told.nothing_to_serve(began)
            self._tell(site, None)
            return
        if self._process.pid is None and not await self._start(site, began):
            self._tell(site, None)
            return
        digest, want = generation(site), wanted(site)
        done = await self._at_once(want, digest)
        there = await runtime.look(self._place.socket)
        self._told.heard(time.monotonic())
        if there.generation != digest:
            self._seen = there
            there = await self._reload(site, there)
        current = there.generation == digest
        if current:
            self._problem("reload", "")
            self._refused = ""
        missing = plan(want, there.servers)
        if missing:
            await self._apply(missing)
            there = await runtime.look(self._place.socket)
            missing, done = plan(want, there.servers), True
        if done:
            metrics.APPLY_SECONDS.observe(time.monotonic() - began)
        self._problem("haproxy", f"HAProxy did not take {missing[0]!r}; it is tried again" if missing else "")
        self._seen = there
        self._causes.add(await self._findings.look(site, there))
        self._readiness.problem("certificates", await self._rotation.bring(site, there.pid))
        self._readiness.problem("lists", await self._listing.bring(site, there.pid, current=current))
        await self._drains(site, there)
        self._tell(site, there)

    async def _at_once(self, want: Mapping[tuple[str, str], Wanted], digest: str) -> bool:
        """Give what is new to the worker that the last look was at, before all of it is looked at again.

        True: it was given; whether it was taken, the look after it tells.
        """
        if self._seen.generation != digest:
            return False
        commands = plan(want, self._seen.servers)
        if not commands or await runtime.worker(self._place.socket) != self._seen.worker:
            return False
        await self._apply(commands)
        return True

    async def _apply(self, commands: tuple[str, ...]) -> None:
        refused = await runtime.apply(self._place.socket, commands)
        metrics.COMMANDS.add(len(commands) - len(refused), result="done")
        if refused:
            metrics.COMMANDS.add(len(refused), result="refused")
            log.warning("HAProxy refused %d commands: %s", len(refused), refused[0])
        _log(commands, self._causes.text())

    async def _start(self, site: Site, began: float) -> bool:
        if began < self._next_start:
            self.due = min(self.due, self._next_start)
            return False
        self._next_start = began + self._patience
        try:
            await self.structure.start(site, self._seen.servers)
        except RefusedError as error:
            self._refuse(generation(site), str(error))
            self._told.silent(f"its configuration is refused: {error}", time.monotonic())
            return False
        except (NotStartedError, SilentError) as error:
            self._patience = min(2 * self._patience, _AGAIN_AT_MOST)
            self.due = min(self.due, self._next_start)
            self._problem("haproxy", f"HAProxy could not be started: {error}")
            self._told.silent(f"it could not be started: {error}", time.monotonic())
            return False
        self._patience = _AGAIN
        self._problem("log", "")
        self._next_reload = time.monotonic() + self._between
        log.info("HAProxy runs, process %s", self._process.pid)
        return True

    async def _reload(self, site: Site, there: Observed) -> Observed:
        """Bring a new structure in; the worker of before goes on where that fails."""
        digest, now = generation(site), time.monotonic()
        if digest == self._refused:
            return there
        if now < self._next_reload:
            self.due = min(self.due, self._next_reload)
            return there
        self._next_reload = now + self._between
        context = self._causes.trace()
        try:
            found = await self.structure.reload(site, there.servers)
        except RefusedError as error:
            self._refuse(digest, str(error))
            return there
        except (NotStartedError, NotReloadedError, SilentError, UnreadableError) as error:
            metrics.RELOADS.add(1, result="failed")
            self._problem("reload", f"HAProxy did not reload, what ran goes on: {error}")
            return there
        seconds = time.monotonic() - now
        metrics.RELOADS.add(1, result="done")
        metrics.RELOAD_SECONDS.observe(seconds)
        log.info("HAProxy reloaded in %.3f s (%s)", seconds, self._causes.text())
        self._publish(ProxyReloaded(router=self._router, cause=self._causes.text(), seconds=seconds), context)
        return found

    def _refuse(self, digest: str, reason: str) -> None:
        if digest == self._refused:
            return
        self._refused = digest
        metrics.RELOADS.add(1, result="refused")
        runs = "what ran goes on" if self._process.pid is not None else "and none runs"
        self._problem(
            "reload", f"HAProxy refuses the configuration, {runs}: {reason}; correct it and apply again"
        )
        self._publish(
            ProxyRefused(router=self._router, cause=self._causes.text(), reason=reason), self._causes.trace()
        )

    async def _drains(self, site: Site, there: Observed) -> None:
        """Find out which members that left have no connection any more."""
        self._idle.clear()
        leaving = left(site) & there.servers.keys()
        if not leaving:
            return
        busy = await runtime.sessions(self._place.socket)
        self._idle = {key for key in leaving if not busy.get(key)}
        if self._idle:
            self.due = 0.0  # their slots are free now
        elif (end := deadline(site.slots.values())) is not None:
            self.due = min(self.due, end)

    # ---- what is told

    def _problem(self, name: str, text: str) -> None:
        self._wrong[name] = text
        self._readiness.problem(name, text)

    def _tell(self, site: Site, there: Observed | None) -> None:
        revision = self._inputs.revision
        assert revision is not None  # noqa: S101  # asked before
        error = self._wrong.get("haproxy") or self._wrong.get("reload") or ""
        self._teller.tell(site, there, revision=revision.head.revision, error=error)


def _log(commands: tuple[str, ...], cause: str) -> None:
    for command in commands[:10]:
        log.info("%s (%s)", command, cause)
    if len(commands) > 10:
        log.info("and %d commands more", len(commands) - 10)
