"""The bus thread: brings configuration and armed tables to the loop, takes roles and events from it.

Everything here may wait; the loop never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vipbus.contracts import CONFIG, ROLE, TABLE, InstanceTable, Role, name_token
from vipbus.runtime import life
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.revision import Revisions
from vipbus.runtime.settings import Settings
from vipbus.runtime.supervision import RESTARTED
from vipbus.telemetry import trace
from vrrp_agent import addresses, saved
from vrrp_agent.exchange import (
    AddressesLoaded,
    BusLost,
    Command,
    Configure,
    EventReport,
    Failed,
    Finished,
    Forgotten,
    Mailbox,
    Report,
    RoleReport,
    Settled,
    TableSeen,
    TakeoverReport,
)
from vrrp_agent.traces import Takeovers

if TYPE_CHECKING:
    from vipbus.bus import Bus, Follow, StateWriter
    from vipbus.contracts import ConfigDocument, TableDocument
    from vipbus.runtime.life import Life

log = logging.getLogger(__name__)

_LAST_WRITES = 0.5
"""Seconds that the end waits for the last roles to be written."""
_CALM = 0.01
"""Seconds between a change of the configuration and the look at it."""
_END = 3.0
"""Seconds that the end waits for this thread."""
_RETRY = 1.0
"""Seconds until a bus that is not known, or that threw this client out, is tried again."""


class Bridge:
    """Runs in a daemon thread: a bus that hangs cannot keep the process from ending."""

    def __init__(
        self, *, settings: Settings, router: str, readiness: Readiness, inbox: Mailbox[Command]
    ) -> None:
        self.outbox: Mailbox[Report] = Mailbox(self._wake)
        """Reports from the loop."""
        self._inbox = inbox
        self._settings = settings
        self._router = router
        self._readiness = readiness
        self._life: Life | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reported = asyncio.Event()
        self._finishing = False
        self._takeovers = Takeovers()
        self._roles: dict[str, Role] = {}
        self._answers: dict[str, int] = {}
        self._saved: saved.Saved | None = None
        self._head = b""
        """The head that was taken last, as it came."""
        self._looking: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._main, name="bus", daemon=True)

    @property
    def connected(self) -> bool:
        """True while a role that is written reaches the bus; for any thread."""
        life = self._life
        return life is not None and life.bus.connected

    def start(self) -> None:
        """Begin, in the background."""
        self._thread.start()

    def finish(self) -> None:
        """Write what is left and end; wait for that, for a bounded time."""
        self._finishing = True
        self.outbox.put(Finished())
        self._thread.join(_END)

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._reported.set)

    # ---- the thread

    def _main(self) -> None:
        try:
            addresses.load()
        except ImportError as error:
            self._inbox.put(Failed(f"vrrp-agent needs pyroute2 ({error}): pip install vipbus[vrrp-agent]"))
            return
        self._inbox.put(AddressesLoaded())
        flush = life.export("vrrp-agent", self._settings)
        try:
            asyncio.run(self._sessions())
        except Exception:
            # the election goes on without a bus; whoever asks sees the service not ready
            log.exception("the bus thread ended")
            self._readiness.problem("bus thread", "the bus thread ended; restart vrrp-agent")
        flush()

    async def _sessions(self) -> None:
        """Keep one session alive after another until the loop has finished."""
        self._loop = asyncio.get_running_loop()
        life.watch_faults(self._loop, self._readiness)
        self._reported.set()  # what was reported before now woke nobody
        listening = False
        while not self._finishing:
            try:
                self._life = connected = life.connect("vrrp-agent", self._settings, self._readiness)
            except life.FatalError as error:
                self._inbox.put(Settled())
                self._readiness.problem("no bus", f"{error}; electing without it")
                await self._pause()
                continue
            os.environ.pop(RESTARTED, None)  # it was told to this connection; the next one is no restart
            self._readiness.problem("no bus", "")
            if not listening:
                life.listen(connected)
                listening = True
            self._inbox.put(Settled())
            await self._session(connected)

    async def _pause(self) -> None:
        """Wait a little, or until the loop has something to say: it may be the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY):
                await self._reported.wait()
                self._reported.clear()

    async def _session(self, connected: Life) -> None:
        """Work on one connection, until the loop finishes or the bus closes this client for good."""
        from vipbus.bus import StateWriter  # noqa: PLC0415  # nats was imported by the connection

        bus = connected.bus
        token = name_token(self._router)
        revisions = Revisions()
        self._readiness.revisions_from(revisions.numbers)
        config = bus.follow(CONFIG, f"{token}.>", on_change=lambda: self._config_changed(config, revisions))
        table = bus.follow(TABLE, f"{token}.instance.>", on_change=lambda: self._table_changed(table))
        writer = StateWriter(bus, ROLE)
        for role in self._roles.values():
            writer.set(role.key, role, trace.record("reconnect"))
        bus.on_change.append(lambda: None if bus.connected else self._inbox.put(BusLost()))
        bus.start()
        connected.serve()
        closed = asyncio.ensure_future(bus.closed.wait())
        while not closed.done():
            reported = asyncio.ensure_future(self._reported.wait())
            await asyncio.wait({reported, closed}, return_when=asyncio.FIRST_COMPLETED)
            reported.cancel()
            self._reported.clear()
            for report in self.outbox.take():
                await self._handle(report, bus, writer)
            if self._finishing:
                break
        if bus.connected:
            await writer.flushed(_LAST_WRITES)
        closed.cancel()
        await writer.close()
        await bus.close()
        if not self._finishing:
            # the election must not suffer for a credential: no restart of the process
            self._readiness.problem("no bus", f"no more of the bus at {bus.address}: {bus.ending}")
            await self._pause()

    # ---- from the bus

    def _config_changed(self, follow: Follow[ConfigDocument], revisions: Revisions) -> None:
        """Look at the configuration soon: thousands of entities may come before their head does."""
        head = follow.entries.get(f"{name_token(self._router)}.head")
        if head is None or head.body == self._head or self._looking is not None:
            return
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_CALM, self._look_at_config, follow, revisions)

    def _look_at_config(self, follow: Follow[ConfigDocument], revisions: Revisions) -> None:
        """Hand a new whole revision to the loop; a bus without one is no order to stop."""
        self._looking = None
        token = name_token(self._router)
        revisions.update(follow.entries, self._router)
        revision = revisions.routers.get(token)
        head = follow.entries.get(f"{token}.head")
        if revision is None or head is None or revision.head != head.value:
            return  # not whole yet
        self._head = head.body
        new = saved.Saved(router=self._router, revision=revision.head.revision, instances=revision.instances)
        if new == self._saved:
            return
        self._saved = new
        self._inbox.put(Configure(revision=new.revision, instances=new.instances, trace=revision.trace))
        saved.save(self._settings.state_dir, new)

    def _table_changed(self, follow: Follow[TableDocument]) -> None:
        before, self._answers = self._answers, {key: each.revision for key, each in follow.entries.items()}
        for key, entry in follow.entries.items():
            answer = entry.value
            if before.get(key) == entry.revision or not isinstance(answer, InstanceTable):
                continue
            if answer.armed or answer.error:
                self._inbox.put(
                    TableSeen(
                        instance=name_token(answer.instance),
                        epoch=answer.epoch,
                        error=answer.error,
                        trace=entry.trace,
                    )
                )

    # ---- from the loop

    async def _handle(self, report: Report, bus: Bus, writer: StateWriter[Role]) -> None:
        match report:
            case RoleReport():
                role = _role(report)
                if self._roles.get(role.key) != role:
                    self._roles[role.key] = role
                    writer.set(role.key, role, self._takeovers.role_changed(report))
            case TakeoverReport():
                self._takeovers.completed(report)
            case EventReport(event):
                await bus.publish(event, trace.record(event.verb))
            case Forgotten(config):
                key = f"{name_token(config.router)}.{name_token(config.name)}"
                self._roles.pop(key, None)
                writer.delete(key, trace.record("forget instance"))
            case Finished():
                self._takeovers.abandon()


def _role(report: RoleReport) -> Role:
    return Role(
        router=report.config.router,
        instance=report.config.name,
        role=report.role,
        epoch=report.epoch,
        priority=report.config.priority,
        virtual_router_id=report.config.virtual_router_id,
        interface=report.config.interface,
        addresses=tuple(each.address for each in report.config.virtual_ipaddress),
        revision=report.revision,
        since=datetime.fromtimestamp(report.since, UTC),
        cause=report.cause,
        active_router=report.active_router,
    )
