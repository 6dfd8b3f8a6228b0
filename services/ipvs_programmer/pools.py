"""Every pool as it should be now, and what goes on in it from one look to the next.

Holds, quorums and drains remember; slow starts only need the time. A standby follows all of it too, whatever
its kernel holds, so that a router that takes over goes on where the other was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from ipvs_programmer.desired import Arranged, Configured, Layout, Picture, arrange, is_wanted
from ipvs_programmer.drains import Drains, Ended
from ipvs_programmer.holds import Holds
from ipvs_programmer.inputs import Inputs
from ipvs_programmer.notify.news import PoolState
from ipvs_programmer.notify.pool import state_of
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.table import Key, Pool
from ipvs_programmer.translate import canonical
from vipbus.contracts import Event, Standby

_NAMED: Final = 3
"""Real servers named in a cause."""

Cause = Callable[[Configured | None], str]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Pools:
    """What is desired, pool by pool."""

    def __init__(
        self,
        inputs: Inputs,
        holds: Holds,
        quorums: Quorums,
        drains: Drains,
        *,
        standby: Standby,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.arranged: dict[Key, Arranged] = {}
        """What was last found of every virtual server, of those that are leaving too."""
        self.now = now
        self._inputs = inputs
        self._holds = holds
        self._quorums = quorums
        self._drains = drains
        self._standby: Standby = standby
        self._steps: dict[Key, datetime] = {}
        """When the next step of a slow start is due."""
        self._cancelled: tuple[Ended, ...] = ()

    def apart(self) -> Pools:
        """Make a copy that may look at another configuration: nothing here hears of it, nothing is saved."""
        return Pools(
            self._inputs,
            self._holds.apart(),
            self._quorums.apart(),
            self._drains.apart(),
            standby=self._standby,
            now=self.now,
        )

    @property
    def due(self) -> datetime | None:
        """When a pool changes by the time alone; None: none does."""
        return min(self._steps.values(), default=None)

    @property
    def leaving(self) -> Mapping[Key, Configured]:
        """The virtual servers that have left the configuration and drain."""
        return self._drains.leaving

    def of_time(self) -> list[Key]:
        """Find the pools that have changed by the time alone."""
        now = self.now()
        return [key for key, at in self._steps.items() if at <= now]

    def slow_start(self, key: Key) -> str:
        """Say in words who starts slowly in a pool."""
        slow = [str(of) for of, origin in self.arranged[key].origins.items() if origin.ramp < 100]
        more = f" and {len(slow) - _NAMED} more" if len(slow) > _NAMED else ""
        return f"slow start of {', '.join(slow[:_NAMED])}{more}"

    def configure(self, layout: Layout) -> None:
        """Forget what is not configured any more."""
        self._holds.keep_only(layout.servers.keys())
        self._quorums.keep_only(layout.servers.keys())
        for key in self.arranged.keys() - layout.by_key.keys() - self.leaving.keys():
            del self.arranged[key]
            self._steps.pop(key, None)

    def active(self, layout: Layout, active: frozenset[str]) -> frozenset[str]:
        """Add the instances that have left with their virtual servers, while these have their addresses."""
        stay = {
            server.instance
            for server in self.leaving.values()
            if server.instance
            and server.instance not in layout.by_instance
            and server.virtual_server.address
            and canonical(server.virtual_server.address) in self._inputs.addresses
        }
        return active | stay

    def wanted(self, server: Configured, active: Collection[str]) -> bool:
        """Say whether a virtual server belongs into the kernel now."""
        return is_wanted(server, active, self._standby)

    def look(
        self,
        servers: Collection[Configured],
        believed: Mapping[Key, Pool],
        active: Collection[str],
        *,
        renewed: Layout | None,
        cause: Cause,
    ) -> dict[Key, Pool]:
        """Arrange these virtual servers anew and give the table of those that belong into the kernel.

        With ``renewed`` the servers are all of this layout, ``believed`` is everything of ours, and what left
        the configuration begins to drain; the table has these virtual servers too.
        """
        picture = self._picture(servers, believed)
        self._arrange(servers, picture)
        if renewed is not None:
            by_key = renewed.by_key
            concerned, self._cancelled = self._drains.follow(
                renewed, self.arranged, believed, picture, lambda key: cause(by_key.get(key))
            )
            picture = msgspec.structs.replace(picture, drains=self._drains.by_key)
            self._arrange((by_key[key] for key in concerned if key in by_key), picture)
            servers = [*servers, *self.leaving.values()]
            active = self.active(renewed, frozenset(active))
            self._arrange(self.leaving.values(), picture)
        return {
            server.key: self.arranged[server.key].pool for server in servers if self.wanted(server, active)
        }

    def news(self, servers: Iterable[Configured], active: Collection[str], cause: Cause) -> Iterator[Event]:
        """Give the events of what changed in these pools since they were last said."""
        for server in servers:
            event = self._holds.news(server, cause(server), wanted=self.wanted(server, active))
            if event is not None:
                yield event
            changed = self._quorums.news(server, self.arranged[server.key], cause(server))
            if changed is not None:
                yield changed
        cancelled, self._cancelled = self._cancelled, ()
        for ended in cancelled:
            yield self._drains.event(ended)

    def state(self, server: Configured) -> PoolState:
        """Say what a pool that was arranged is by its verdicts."""
        picture = Picture(
            verdicts=self._inputs.verdicts,
            operators=self._inputs.operators,
            holds=self._holds.by_server,
        )
        return state_of(server, picture, quorum=self.arranged[server.key].quorum)

    def save(self) -> None:
        """Keep what was said, for a restart."""
        self._quorums.save()

    def _picture(self, servers: Collection[Configured], believed: Mapping[Key, Pool]) -> Picture:
        picture = Picture(
            verdicts=self._inputs.verdicts,
            operators=self._inputs.operators,
            kept=None if self._inputs.verdicts_known else dict(believed),
            quorums=self._quorums.met,
            drains=self._drains.by_key,
            now=self.now(),
        )
        return msgspec.structs.replace(picture, holds=self._holds.follow(servers, picture, believed))

    def _arrange(self, servers: Iterable[Configured], picture: Picture) -> None:
        for server in servers:
            arranged = self.arranged[server.key] = arrange(server, picture)
            self._quorums.take(server, arranged)
            if arranged.due is None:
                self._steps.pop(server.key, None)
            else:
                self._steps[server.key] = arranged.due
