"""Keeps the rules of `masquerade` as they should be; programs run in a thread, and nothing waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ipvs_programmer.masquerade import Masked
from ipvs_programmer.nat_rules import PLACES, Kind, NatRules
from ipvs_programmer.ours import Ours, Place
from vipbus.contracts import Event, SettingChanged
from vipbus.runtime.packet_filter import PacketFilterError
from vipbus.telemetry.trace import TraceContext, record

log = logging.getLogger(__name__)

_WITHOUT: Final = "masquerade does not hold"
_STAYS: Final = "the rules of masquerade are not removed"


class Masquerading:
    """One job at a time; what is wanted meanwhile comes after it."""

    def __init__(
        self,
        ours: Ours,
        router: str,
        publish: Callable[[Event, TraceContext], None],
        *,
        on_change: Callable[[], None] = lambda: None,
        places: Mapping[Kind, NatRules] = PLACES,
    ) -> None:
        """``on_change`` is called when `problem` may be another."""
        self.problem = ""
        """Why the rules are not as they should be, and what to do."""
        self._ours = ours
        self._router = router
        self._publish = publish
        self._on_change = on_change
        self._places = places
        self._wanted = Masked()
        self._written: Masked | None = None
        self._standing = ""
        """What stood right after the last write, in words of its place."""
        self._job: asyncio.Task[None] | None = None
        self._again = False

    @property
    def active(self) -> bool:
        """True while there are rules to look after."""
        return bool(self._wanted) or bool(self._ours.made.rules)

    def want(self, wanted: Masked) -> None:
        """Have exactly these rules from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self.look()

    def look(self) -> None:
        """See whether what stands is what was written, and write it again where it is not."""
        self._again = self.active
        if self._again and self._job is None:
            self._job = asyncio.get_running_loop().create_task(self._work())

    async def finish(self, *, remove: bool) -> None:
        """End; with ``remove`` without a trace in the kernel."""
        if remove:
            self._wanted = Masked()
            self.look()
        if self._job is not None:
            await self._job

    async def _work(self) -> None:
        try:
            while self._again:
                self._again = False
                try:
                    await self._bring_about(self._wanted)
                    self.problem = ""
                except PacketFilterError as error:
                    self._written = None
                    self.problem = f"{_WITHOUT if self._wanted else _STAYS}: {error}"
                self._on_change()
        finally:
            self._job = None

    async def _bring_about(self, wanted: Masked) -> None:
        if not wanted:
            await self._remove(self._ours.made.rules)
            self._written = None
            self._own("")
            log.info("masquerade is asked for no more; its rules are removed")
            return
        changed = False
        if wanted == self._written and self._ours.made.rules:
            standing = await asyncio.to_thread(self._places[self._ours.made.rules].standing)
            if standing == self._standing:
                return
            changed = True
        before = self._ours.made.rules
        kind = await self._put(wanted)
        if before and before != kind:
            await self._remove(before)
        self._written = wanted
        if changed:
            log.warning("the rules of masquerade (%s) were changed by someone else; put back", kind)
            event = SettingChanged(
                router=self._router,
                name=f"masquerade by {kind}",
                before="changed by someone else",
                value="put back",
                set=True,
            )
            self._publish(event, record("put back masquerade"))
        else:
            log.info("masquerade for %d virtual servers stands, by %s", len(wanted), kind)

    async def _put(self, wanted: Masked) -> Kind:
        """Write in the first place that works, beginning with the one where our rules are."""
        refusals = []
        before = self._ours.made.rules
        for kind in sorted(self._places, key=lambda kind: kind != before):
            # ours from before the write, so that a crash after it leaves nothing without an owner
            self._own(before or kind)
            try:
                self._standing = await asyncio.to_thread(self._places[kind].put, wanted)
            except PacketFilterError as error:
                refusals.append(str(error))
                self._own(before)
                continue
            self._own(kind)
            return kind
        raise PacketFilterError("; ".join(refusals))

    async def _remove(self, kind: Place) -> None:
        if kind:
            await asyncio.to_thread(self._places[kind].remove)

    def _own(self, place: Place) -> None:
        self._ours.save(msgspec.structs.replace(self._ours.made, rules=place))
