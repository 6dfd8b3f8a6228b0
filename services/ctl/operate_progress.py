"""What each router's table has of a real server, and whether that is as an operator said. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from ctl.answers import OperatedTable
from ctl.words import from_token, listed
from vipbus.contracts import OperatorStateName, Verdict, VirtualServerTable, address_token


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


class Progress:
    """The tables of every router that has one of these pools."""

    def __init__(
        self,
        state: OperatorStateName | None,
        keys: Iterable[str],
        verdicts: Mapping[str, Verdict],
        answering: Collection[str],
    ) -> None:
        self._state = state
        self._keys = {key.partition(".")[0]: key for key in keys}
        self._verdicts = verdicts
        self._answering = answering
        self._by_router: dict[str, dict[Found, list[str]]] = {}

    def look(self, tables: Iterable[VirtualServerTable]) -> bool:
        """Take in the tables as they are now; True when every one has it as was said.

        A router that does not answer is not waited for: it will not change.
        """
        self._by_router = {}
        for table in sorted(tables, key=lambda table: (table.router, table.virtual_server)):
            key = self._keys.get(table.virtual_server)
            if key is not None:
                what = found(self._state, table, key.partition(".")[2], self._verdicts.get(key))
                names = self._by_router.setdefault(table.router, {}).setdefault(what, [])
                names.append(table.virtual_server)
        return all(what.done for router in self._answering for what in self._by_router.get(router, ()))

    @property
    def undone(self) -> list[str]:
        """The routers whose tables do not have it as was said, for no reason that is known."""
        return [
            router
            for router, by in self._by_router.items()
            if not all(what.done or what.explained for what in by)
        ]

    def tables(self) -> Iterator[OperatedTable]:
        """Tell what each router has."""
        for router, by in self._by_router.items():
            for what, tokens in by.items():
                yield OperatedTable(
                    router=router,
                    virtual_servers=tuple(tokens),
                    has=what.text,
                    done=what.done,
                    current=router in self._answering,
                )

    def lines(self) -> Iterator[str]:
        """Say what each router has."""
        for router, by in self._by_router.items():
            heard = "" if router in self._answering else "; LAST HEARD, its ipvs-programmer does not answer"
            for what, tokens in by.items():
                where = f" in {listed([from_token(token) for token in tokens])}" if len(by) > 1 else ""
                yield f"{router}: {what.text}{where}{heard}"
        if not self._by_router:
            yield "no router has said yet what its table holds"
