"""Keeps one router's configuration in the bucket as its file says, whatever the bus does meanwhile.

Level-triggered: whenever the bus becomes usable, the file is read again or someone else wrote the keys, all
of it is compared and what differs is written. So whatever cut a write off, the next look completes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from config_service import metrics
from config_service.overlay import Overlaid, Overlay
from config_service.publish import write_all
from config_service.revise import Changes, Desired, Write, compare, next_head
from vipbus.bus import Bus, BusAwayError, RefusedError
from vipbus.contracts import CONFIG, ConfigAccepted, ConfigRefused, Head, name_token, revision_digest
from vipbus.runtime.readiness import Readiness
from vipbus.telemetry import trace

log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 1.0
"""Seconds from someone else's write to the next look: two writers must not race each other."""
_RETRY: Final = 2.0
"""Seconds until a write that the server refused is tried again."""


class Keeper:
    """One router's keys in the bucket ``config``."""

    def __init__(
        self,
        bus: Bus,
        readiness: Readiness,
        router: str,
        *,
        on_look: Callable[[], None] = lambda: None,
        awaits_overlay: bool = False,
    ) -> None:
        self.router = router
        self.settled = asyncio.Event()
        """Set while the bucket holds what the file says, or nothing is desired."""
        self._bus = bus
        self._readiness = readiness
        self._on_look = on_look
        self._base: Desired | None = None
        self._overlaid = Overlaid(awaited=awaits_overlay)
        self._laid = ""
        """Why the overlay is another than at the last revision; empty: it is not."""
        self._asked = 0
        """Counts what was wanted: what is settled may be wanted no more."""
        self._refusals: list[tuple[str, str]] = []
        self._head_key = f"{name_token(router)}.head"
        self._known = 0
        self._own_last = 0
        self._unsure: ConfigAccepted | None = None
        self._compared = False
        self._look: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._follow = bus.follow(CONFIG, f"{name_token(router)}.>", on_change=self._on_entries)
        bus.on_change.append(self._on_bus)
        self.task = asyncio.get_running_loop().create_task(self._run())
        """Runs until `close`; it ends by itself only by a fault of this program."""

    @property
    def head(self) -> Head | None:
        """The head in the bucket, as last seen."""
        entry = self._follow.entries.get(self._head_key)
        return entry.value if entry is not None and isinstance(entry.value, Head) else None

    @property
    def revision(self) -> int:
        """The revision that runs; 0 before any."""
        return self.head.revision if self.head is not None else 0

    def want(self, desired: Desired) -> None:
        """Take what the file says from now on."""
        self._base = desired
        self._want_anew()

    def overlay(self, overlay: Overlay | None, cause: str) -> None:
        """Lay an overlay over whatever is wanted, from now on; ``cause`` is why it is another than before.

        With ``awaits_overlay`` the last one's real servers stay until this is called for the first time.
        """
        self._overlaid.lay(overlay)
        self._laid = cause
        self._want_anew()

    def _want_anew(self) -> None:
        self._asked += 1
        self.settled.clear()
        self._wake.set()

    def refused(self, source: str, reason: str) -> None:
        """Say that a file was refused, as soon as it is known which revision goes on."""
        self._refusals.append((source, reason))
        self._wake.set()

    async def close(self) -> None:
        """Stop."""
        if self._look is not None:
            self._look.cancel()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    # ---- what wakes it

    def _on_bus(self) -> None:
        if not self._bus.connected:
            self._compared = False
        self._moved.set()

    def _on_entries(self) -> None:
        self._moved.set()
        if not self._compared:
            self._wake.set()
        elif self._follow.revision > self._own_last and self._look is None:
            self._look = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._wake.set()

    async def _until_live(self) -> None:
        await self._bus.usable()
        while not self._follow.live:
            self._moved.clear()
            await self._moved.wait()

    async def _until_seen(self, revision: int) -> None:
        """Wait until the picture holds our own write, so that the next look does not do it again."""
        while self._follow.revision < revision:
            if not self._follow.live:
                raise BusAwayError("the bus went away before our own writes were seen")
            self._moved.clear()
            await self._moved.wait()

    # ---- the loop

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._until_live()
                await self._say_refusals()
                await self._settle()
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

    async def _say_refusals(self) -> None:
        while self._refusals:
            source, reason = self._refusals.pop(0)
            event = ConfigRefused(
                router=self.router, source=source, reason=reason, running_revision=self.revision
            )
            await self._bus.publish(event, trace.record("refuse configuration", error=reason))

    async def _settle(self) -> None:
        base, asked = self._base, self._asked
        if base is not None:
            await self._write(self._under_overlay(base))
        self._compared = True
        if self.head is not None:
            metrics.REVISION.set(self.revision, router=self.router)
            metrics.ENTITIES.set(self.head.entities, router=self.router)
        self._on_look()
        if self._asked == asked:
            self._laid = ""
            self.settled.set()

    def _under_overlay(self, base: Desired) -> Desired:
        bodies = self._overlaid.over(base.bodies, self._follow.entries)
        if bodies is base.bodies:
            return base
        return msgspec.structs.replace(
            base,
            bodies=bodies,
            digest=revision_digest(bodies),
            cause=self._laid or base.cause,
        )

    async def _write(self, desired: Desired) -> None:
        head, entry = self.head, self._follow.entries.get(self._head_key)
        self._known = max(self._known, self.revision)
        held = dict(self._follow.entries)
        held.pop(self._head_key, None)
        unreadable = [key for key in self._follow.malformed if key != self._head_key]
        changes = compare(desired.bodies, held, unreadable)
        damaged = self._head_key in self._follow.malformed
        now = datetime.now(UTC)
        new = next_head(desired, None if damaged else head, self._known, now)
        if new is None and not changes.writes:
            await self._say_if_it_was_applied()
            if not self.settled.is_set():
                log.info("%s: revision %d is what %s says", self.router, self.revision, desired.source)
            return
        if new is None:
            log.warning("%s: someone else changed the configuration; it is put back", self.router)
        last = None if damaged else entry.revision if entry is not None else 0
        seconds = asyncio.get_running_loop().time()
        with trace.span(
            "publish vipbus.state.config",
            kind="producer",
            attributes={
                "messaging.system": "nats",
                "messaging.destination.template": "vipbus.state.config",
                "vipbus.router": self.router,
                "vipbus.cause": desired.cause,
            },
        ) as span:
            self._own_last = await write_all(self._bus, changes.writes, span.context, now)
            if new is not None:
                self._unsure = _accepted(new, changes, desired.warnings)
                write = Write(self._head_key, msgspec.json.encode(new), last)
                self._own_last = await write_all(self._bus, (write,), span.context, now)
                self._known = new.revision
                await self._say_accepted(span.context)
        metrics.WRITES.add(len(changes.writes) + (new is not None), router=self.router)
        metrics.PUBLISH_SECONDS.observe(asyncio.get_running_loop().time() - seconds)
        await self._until_seen(self._own_last)

    async def _say_if_it_was_applied(self) -> None:
        """Say that a revision was accepted whose head was written, but whose answer was lost."""
        if self._unsure is not None and self._unsure.revision == self.revision:
            await self._say_accepted(trace.record("publish vipbus.state.config", kind="producer"))

    async def _say_accepted(self, context: trace.TraceContext) -> None:
        event, self._unsure = self._unsure, None
        if event is None:
            return
        log.info(
            "%s: revision %d of %s: %d added, %d changed, %d removed",
            self.router,
            event.revision,
            event.source,
            event.added,
            event.changed,
            event.removed,
        )
        await self._bus.publish(event, context)


def _accepted(head: Head, changes: Changes, warnings: tuple[str, ...]) -> ConfigAccepted:
    return ConfigAccepted(
        router=head.router,
        revision=head.revision,
        source=head.source,
        added=changes.added,
        changed=changes.changed,
        removed=changes.removed,
        warnings=warnings,
    )
