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

from vipbus.contracts import ROLE, Role, name_token
from vipbus.runtime import life
from vipbus.runtime.ending import run_to_end
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import Settings
from vipbus.runtime.supervision import RESTARTED
from vipbus.telemetry import trace
from vrrp_agent import writing
from vrrp_agent.bus_sources import BusSources
from vrrp_agent.commands import Commands
from vrrp_agent.exchange import (
    AddressesLoaded,
    Answer,
    BusLost,
    Command,
    EventReport,
    Failed,
    Finished,
    Forgotten,
    Mailbox,
    Report,
    RoleReport,
    Settled,
    Shown,
    TakeoverReport,
)
from vrrp_agent.followers import Followers
from vrrp_agent.traces import Takeovers

if TYPE_CHECKING:
    from vipbus.bus import Bus, StateWriter
    from vipbus.runtime.life import Life
    from vipbus.runtime.revision import Revision

log = logging.getLogger(__name__)

_LAST_WRITES = 0.5
"""Seconds that the end waits for the last roles to be written."""
_END = 3.0
"""Seconds that the end waits for this thread."""
_RETRY = 1.0
"""Seconds until a bus that is not known, or that threw this client out, is tried again."""


class Bridge:
    """Runs in a daemon thread: a bus that hangs cannot keep the process from ending."""

    def __init__(
        self,
        *,
        settings: Settings,
        router: str,
        readiness: Readiness,
        inbox: Mailbox[Command],
        writes: bool = True,
    ) -> None:
        """Make it; with ``writes`` something is put somewhere from the first moment on."""
        self.outbox: Mailbox[Report] = Mailbox(self._wake)
        """Reports from the loop."""
        self._inbox = inbox
        self._settings = settings
        self._readiness = readiness
        self._life: Life | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reported = asyncio.Event()
        self._finishing = False
        self._writes = writes
        self._takeovers = Takeovers()
        self._roles: dict[str, Role] = {}
        self._commands = Commands(router, inbox, lambda: self._roles)
        self._sources = BusSources(inbox)
        self._followers = Followers(
            router=router, state_dir=settings.state_dir, inbox=inbox, on_revision=self._take
        )
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
        if self._writes and not self._load_writing():
            return
        flush = life.export("vrrp-agent", self._settings)
        try:
            run_to_end(self._sessions())
        except Exception:
            # the election goes on without a bus; whoever asks sees the service not ready
            log.exception("the bus thread ended")
            self._readiness.problem("bus thread", "the bus thread ended; restart vrrp-agent")
        flush()

    def _load_writing(self) -> bool:
        """Import what the loop writes with, and tell it; False: that cannot be."""
        try:
            writing.load()
        except ImportError as error:
            self._inbox.put(Failed(f"vrrp-agent needs pyroute2 ({error}): pip install vipbus[vrrp-agent]"))
            return False
        self._inbox.put(AddressesLoaded())
        return True

    def _take(self, revision: Revision) -> None:
        """Take what the loop has been told of."""
        if not self._writes and writing.needed(revision.vrrp):
            self._writes = self._load_writing()
            self._inbox.put(Settled())
        self._sources.track(revision)

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
        self._followers.follow(bus, self._readiness)
        self._sources.open(bus)
        writer = StateWriter(bus, ROLE)
        for role in self._roles.values():
            writer.set(role.key, role, trace.record("reconnect"))
        bus.on_change.append(lambda: None if bus.connected else self._inbox.put(BusLost()))
        bus.start()
        connected.serve(self._commands.served_on(bus))
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
        self._sources.close()
        await writer.close()
        await bus.close()
        if not self._finishing:
            # the election must not suffer for a credential: no restart of the process
            self._readiness.problem("no bus", f"no more of the bus at {bus.address}: {bus.ending}")
            await self._pause()

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
            case Answer() | Shown():
                self._commands.answered(report)
            case Finished():
                self._takeovers.abandon()


def _role(report: RoleReport) -> Role:
    return Role(
        router=report.config.router,
        instance=report.config.name,
        role=report.role,
        epoch=report.epoch,
        priority=report.config.priority,
        effective_priority=report.effective_priority,
        virtual_router_id=report.config.virtual_router_id,
        interface=report.config.interface,
        addresses=tuple(each.address for each in report.config.virtual_ipaddress),
        revision=report.revision,
        since=datetime.fromtimestamp(report.since, UTC),
        cause=report.cause,
        active_router=report.active_router,
        faults=report.faults,
        sync_group=report.sync_group,
    )
