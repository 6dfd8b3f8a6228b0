"""What each router's table or HAProxy has of a real server, and whether that is as an operator said. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ctl.answers import OperatedTable
from ctl.words import from_token, listed
from vipbus.contracts import (
    OperatorStateName,
    ProxyPoolTable,
    Verdict,
    VirtualServerTable,
    address_token,
    pool_token,
)

_TABLE, _HAPROXY = "ipvs-programmer", "haproxy-programmer"


class Found(msgspec.Struct, frozen=True):
    """What one table has of it, in words, and whether that is as said."""

    text: str
    done: bool
    explained: bool = False
    """True: if it stays so, that is no failure."""


def found(
    state: OperatorStateName | None, table: VirtualServerTable, real_server: str, verdict: Verdict | None
) -> Found:
    """Look at one table; ``state`` is what was said, ``verdict`` the real server's in this pool."""
    if table.error:
        return Found(f"not known: {table.error}", done=False)
    if not table.programmed:
        return Found("not in the table (standby)", done=True)
    weights = [
        each.weight for each in table.destinations if address_token(each.address, each.port) == real_server
    ]
    text = f"weight {weights[0]}" if weights else "out of the table"
    if state == "disable":
        return Found(text, done=not weights)
    if state == "drain":
        return Found(text, done=not any(weights))
    if any(weights):
        return Found(text, done=True)
    if verdict is not None and verdict.verdict != "up":
        # one that is unknown comes in, unless it is alpha
        why = f"{text}, since it is {verdict.verdict}: {verdict.cause}"
        return Found(why, done=verdict.verdict == "down", explained=True)
    return Found(text, done=False)


def found_in_pool(
    state: OperatorStateName | None, table: ProxyPoolTable, real_server: str, verdict: Verdict | None
) -> Found:
    """Look at one pool of HAProxy's, as `found` does at a table."""
    if table.error:
        return Found(f"not known: {table.error}", done=False)
    states = [
        each.state
        for each in table.members
        if each.state != "draining" and address_token(each.address, each.port) == real_server
    ]
    has = states[0] if states else ""
    text = f"{_IN_HAPROXY[has]} HAProxy"
    if state is not None:
        return Found(
            text, done=has in (("", "disabled") if state == "disable" else ("", "disabled", "drain"))
        )
    if has == "up" or verdict is None or verdict.verdict == "up":
        return Found(text, done=has == "up")
    why = f"{text}, since it is {verdict.verdict}: {verdict.cause}"
    return Found(why, done=verdict.verdict == "down" and has == "down", explained=True)


_IN_HAPROXY: Final = {
    "": "not in",
    "up": "up in",
    "down": "down in",
    "drain": "drained in",
    "disabled": "disabled in",
}


class Progress:
    """The tables of every router that has one of these pools, of either tier."""

    def __init__(
        self,
        state: OperatorStateName | None,
        keys: Iterable[str],
        verdicts: Mapping[str, Verdict],
        answering: Collection[str],
        proxied: Collection[str] = (),
    ) -> None:
        """Begin; ``answering`` and ``proxied`` are the routers whose programmers of either tier answer."""
        self._state = state
        self._keys = {key.partition(".")[0]: key for key in keys}
        self._verdicts = verdicts
        self._answering = {(router, _TABLE) for router in answering}
        self._answering |= {(router, _HAPROXY) for router in proxied}
        self._by_router: dict[tuple[str, str], dict[Found, list[str]]] = {}

    def look(self, tables: Iterable[VirtualServerTable], pools: Iterable[ProxyPoolTable] = ()) -> bool:
        """Take in the tables as they are now; True when every one has it as was said.

        A router that does not answer is not waited for: it will not change.
        """
        self._by_router = {}
        for table in sorted(tables, key=lambda table: (table.router, table.virtual_server)):
            key = self._keys.get(table.virtual_server)
            if key is not None:
                what = found(self._state, table, key.partition(".")[2], self._verdicts.get(key))
                self._note((table.router, _TABLE), what, table.virtual_server)
        for pool in sorted(pools, key=lambda pool: (pool.router, pool.pool)):
            token = pool_token(pool.pool)
            if (key := self._keys.get(token)) is not None:
                what = found_in_pool(self._state, pool, key.partition(".")[2], self._verdicts.get(key))
                self._note((pool.router, _HAPROXY), what, token)
        return all(what.done for who in self._answering for what in self._by_router.get(who, ()))

    def _note(self, who: tuple[str, str], what: Found, token: str) -> None:
        self._by_router.setdefault(who, {}).setdefault(what, []).append(token)

    @property
    def undone(self) -> list[str]:
        """The routers whose tables do not have it as was said, for no reason that is known."""
        return list(
            dict.fromkeys(
                router
                for (router, _), by in self._by_router.items()
                if not all(what.done or what.explained for what in by)
            )
        )

    def tables(self) -> Iterator[OperatedTable]:
        """Tell what each router has."""
        for who, by in self._by_router.items():
            for what, tokens in by.items():
                yield OperatedTable(
                    router=who[0],
                    virtual_servers=tuple(tokens),
                    has=what.text,
                    done=what.done,
                    current=who in self._answering,
                )

    def lines(self) -> Iterator[str]:
        """Say what each router has."""
        for (router, service), by in self._by_router.items():
            answers = (router, service) in self._answering
            heard = "" if answers else f"; LAST HEARD, its {service} does not answer"
            for what, tokens in by.items():
                where = f" in {listed([from_token(token) for token in tokens])}" if len(by) > 1 else ""
                yield f"{router}: {what.text}{where}{heard}"
        if not self._by_router:
            yield "no router has said yet what its table holds"
