"""Follows the pools that somebody wants to hear of, and remembers what was told.

As keepalived tells it on every router, whatever the role: every router follows the verdicts.

What was told is kept in a file, so that a restart tells nothing twice. It holds for one boot of the host:
what programs did to the host is gone after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from ipvs_programmer.desired import Configured, Layout
from ipvs_programmer.notify.news import GONE, PoolState, follow, together
from ipvs_programmer.notify.pool import NotifiedPool, Telling, pools, programs, tellings
from vipbus.contracts import IpvsSettings
from vipbus.runtime.saved import Saved

LAST_WORDS: Final = 3.0
"""Seconds that what is told at the end may take."""


class Told(msgspec.Struct, frozen=True):
    """What was told, since when the host runs."""

    boot: str = ""
    pools: Mapping[str, PoolState] = {}
    """By the pool's name."""


class Listener(Protocol):
    """Whoever passes it on; `Notifier` is one."""

    def configure(self, settings: IpvsSettings, programs: set[tuple[str, ...]]) -> None:
        """Pass it on as this says from now on."""

    def tell(self, tellings: Iterable[Telling]) -> None:
        """Pass this on."""

    async def finish(self, within: float) -> None:
        """End, within so many seconds."""

    def close(self) -> None:
        """End at once."""


class Teller:
    """What was last told of every pool; whoever passes it on is made when there is somebody to hear it."""

    def __init__(
        self,
        path: Path | None,
        state: Callable[[Configured], PoolState],
        listener: Callable[[], Listener],
        *,
        ready: Callable[[], bool],
        boot: str,
    ) -> None:
        """Make it.

        Args:
            path: Of the file.
            state: Says what a virtual server is now.
            ready: Says whether that rests on the bus: what a file has may be older than what was told.
            listener: Makes whoever passes it on.
            boot: Names this boot of the host.
        """
        self._state = state
        self._make = listener
        self._ready = ready
        self._listener: Listener | None = None
        self._saved = Saved(path, Told, Told(), "what was told of pools")
        self._boot = boot
        self._told = dict(self._saved.value.pools) if self._saved.value.boot == boot else {}
        self._layout: Layout | None = None
        self._pools: dict[str, NotifiedPool] = {}
        self._names: dict[str, str] = {}
        """Names of pools, by the tokens of their virtual servers."""
        self._initial = False

    @property
    def behind(self) -> bool:
        """True when it could follow and did not yet."""
        return self._layout is None and self._ready()

    def follow(self, layout: Layout, servers: Iterable[Configured]) -> None:
        """Tell what has changed in these virtual servers, and with a new revision in all that it changes."""
        if not self._ready():
            return
        before: dict[str, NotifiedPool] = {}
        names = {name for server in servers if (name := self._names.get(server.virtual_server.id))}
        if layout is not self._layout:
            before = self._configure(layout)
            names |= {name for name, pool in self._pools.items() if before.get(name) != pool}
        for name in self._pools:
            if name in names or name not in self._told:
                self._look(self._pools[name], before.get(name))
        self._save()

    def _configure(self, layout: Layout) -> dict[str, NotifiedPool]:
        """Take in a revision; give the pools of the one before."""
        before, self._pools = self._pools, pools(layout)
        self._layout = layout
        self._names = {
            server.virtual_server.id: pool.name for pool in self._pools.values() for server in pool.servers
        }
        settings = layout.revision.ipvs or IpvsSettings(router=layout.revision.router)
        self._initial = settings.initial_notifies
        for name, pool in before.items():
            if name not in self._pools and not layout.servers.keys() & {
                server.virtual_server.id for server in pool.servers
            }:
                self._end(pool)
        self._told = {name: state for name, state in self._told.items() if name in self._pools}
        if self._pools and self._listener is None:
            self._listener = self._make()
        if self._listener is not None:
            self._listener.configure(settings, programs(self._pools))
        return before

    def _look(self, pool: NotifiedPool, before: NotifiedPool | None) -> None:
        states = [self._state(server) for server in pool.servers]
        now = states[0] if len(states) == 1 else together(states)
        self._told[pool.name], news = follow(
            self._told.get(pool.name),
            now,
            initial=self._initial,
            sorry=pool.virtual_server.sorry_server is not None,
        )
        self._tell(tellings(pool, news, before))

    def _end(self, pool: NotifiedPool) -> None:
        if (told := self._told.pop(pool.name, None)) is not None:
            self._tell(tellings(pool, follow(told, GONE)[1]))

    def _tell(self, told: list[Telling]) -> None:
        if told and self._listener is not None:
            self._listener.tell(told)

    def _save(self) -> None:
        self._saved.save(Told(self._boot, dict(self._told)) if self._told else Told())

    # ---- the end

    async def stop(self, *, removed: bool) -> None:
        """End; with ``removed`` the table is gone, and who wants to hear of that does (omega)."""
        if removed:
            for pool in self._pools.values():
                if pool.virtual_server.omega and (told := self._told.get(pool.name)) is not None:
                    self._tell(tellings(pool, follow(told, _down(told))[1]))
                    self._told[pool.name] = _down(told)
            self._save()
        if self._listener is not None:
            await self._listener.finish(LAST_WORDS)
            self._listener = None

    def close(self) -> None:
        """End without a word."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _down(told: PoolState) -> PoolState:
    return PoolState(
        quorum=False,
        real_servers={
            token: "unjudged" if state == "unjudged" else "down" for token, state in told.real_servers.items()
        },
    )
