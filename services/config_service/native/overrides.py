"""What one router has otherwise: ``[router.NAME.KIND.TABLE]``, laid over what all routers share.

A key of a router replaces the shared one, tables key by key. A document that names routers names all of them:
a host that is none of them is a mistake, not a router with nothing of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from config_service.keepalived.values import missing, near
from config_service.native.environment import expanded
from config_service.native.misplaced import Misplaced, Table, table_of, tables_of
from config_service.native.network_forms import unknown_key
from config_service.problems import quoted

Names = Callable[[Table], Collection[str]]
"""Gives every name that a table goes by."""
ROUTERS: Final = "routers"
"""The key of a table that only these routers have."""
ADDRESS: Final = "address"
"""The key of a router's own addresses."""


class Placed(NamedTuple):
    """A table and where it stands."""

    place: str
    table: Table


class Overrides:
    """The tables of a document as one router has them; remembers whose word each key is."""

    def __init__(self, document: Table, router: str, environment: Mapping[str, str]) -> None:
        """Take a document apart.

        Raises:
            Misplaced: it has no such router, or the environment lacks a variable.
        """
        self._routers = table_of(document.get("router", {}), "router")
        shared = {key: value for key, value in document.items() if key != "router"}
        self._document = expanded(shared, "", environment)
        self._environment = environment
        self.router = router
        if self._routers and router not in self._routers:
            raise Misplaced(
                f"router.{next(iter(self._routers))}",
                f"there is no [router.{router}]{near(router, self._routers)}; this document is for "
                f"{' '.join(self._routers)}: add it, or say which one this is by --router",
            )
        self._path = f"router.{router}"
        self._own = table_of(expanded(self._routers.get(router, {}), self._path, environment), self._path)
        self._asked: set[str] = {ADDRESS}
        self._origins: list[tuple[str, str]] = []

    @property
    def routers(self) -> tuple[str, ...]:
        """The names of all routers, in the document's order; none: it is for any."""
        return tuple(self._routers)

    @property
    def values(self) -> tuple[Table, Table]:
        """All that is shared, and all that is this router's."""
        return self._document, self._own

    def of_router(self, router: str, *keys: str) -> tuple[Any, str]:
        """Give a value of some router's own table and its path; None where there is none."""
        path, value = f"router.{router}", self._routers.get(router, {})
        for key in keys:
            path = f"{path}.{key}"
            value = value.get(key) if isinstance(value, dict) else None
        return expanded(value, path, self._environment), path

    def table(self, kind: str) -> Table:
        """Give a table that there is once."""
        self._asked.add(kind)
        path = f"{self._path}.{kind}"
        own = table_of(self._own.get(kind, {}), path)
        return self._laid(table_of(self._document.get(kind, {}), kind), own, kind, path)

    def tables(self, kind: str, names_of: Names, keys: Collection[str]) -> list[Placed]:
        """Give those of an array of tables that this router has, by their names.

        What other routers have of their own is looked at too: ``keys`` are what may stand there.

        Raises:
            Misplaced: a router names one that there is not, or a key.
        """
        self._asked.add(kind)
        shared = tables_of(self._document.get(kind, []), kind)
        owners = [self._owners(table, f"{kind}[{at}]") for at, table in enumerate(shared)]
        names = [names_of(table) for table in shared]
        laid = dict(enumerate(shared))
        for router in self._routers or (self.router,):
            own, path = (self._own.get(kind), f"{self._path}.{kind}")
            if router != self.router:
                value = self._routers[router]
                own, path = (value.get(kind) if isinstance(value, dict) else None, f"router.{router}.{kind}")
            for name, table in table_of(own or {}, path).items():
                at = _find(kind, name, names, f"{path}.{name}")
                if (having := owners[at]) is not None and router not in having:
                    raise Misplaced(f"{path}.{name}", f"{router} is none of its {ROUTERS}; add it there")
                whole = table_of(table, f"{path}.{name}")
                for key in whole:
                    if key not in keys:
                        raise unknown_key(key, tuple(keys), f"{path}.{name}.{key}")
                if router == self.router:
                    laid[at] = self._laid(laid[at], whole, f"{kind}[{at}]", f"{path}.{name}")
        return [
            Placed(f"{kind}[{at}]", table)
            for at, table in laid.items()
            if (own := owners[at]) is None or self.router in own
        ]

    def shared(self, kind: str, name: str) -> Table:
        """Give a table as all routers have it."""
        tables = tables_of(self._document.get(kind, []), kind)
        return next((table for table in tables if table.get("name") == name), {})

    def has(self, router: str, kind: str, name: str) -> bool:
        """Say whether a router has the table of this name."""
        for at, table in enumerate(tables_of(self._document.get(kind, []), kind)):
            if table.get("name") == name:
                owners = self._owners(table, f"{kind}[{at}]")
                return owners is None or router in owners
        return False

    def finish(self) -> None:
        """Refuse what is of no kind that was asked for, whichever router says it.

        Raises:
            Misplaced: there is such a thing.
        """
        for router, table in self._routers.items():
            for key in table_of(table, f"router.{router}"):
                if key not in self._asked:
                    raise unknown_key(key, tuple(sorted(self._asked)), f"router.{router}.{key}")

    def origin(self, path: str) -> str:
        """Say where a key stands that may be the router's own word."""
        for shared, own in self._origins:
            if path == shared or path.startswith((f"{shared}.", f"{shared}[")):
                return own + path.removeprefix(shared)
        return path

    def _owners(self, table: Table, place: str) -> list[str] | None:
        """Take out which routers have a table; None: all."""
        if ROUTERS not in table:
            return None
        owners = table.pop(ROUTERS)
        path = f"{place}.{ROUTERS}"
        if not isinstance(owners, list) or not owners or not all(isinstance(each, str) for each in owners):
            raise Misplaced(path, 'is no list of names; write ["lb-a"]')
        for at, name in enumerate(owners):
            if name not in self._routers:
                raise Misplaced(f"{path}[{at}]", missing("router", name, self._routers))
        return owners

    def _laid(self, table: Table, own: Table, place: str, path: str) -> Table:
        whole = dict(table)
        for key, value in own.items():
            before = whole.get(key)
            if isinstance(before, dict) and isinstance(value, dict):
                whole[key] = self._laid(before, value, f"{place}.{key}", f"{path}.{key}")
            else:
                whole[key] = value
                self._origins.append((f"{place}.{key}", f"{path}.{key}"))
        return whole


def _find(kind: str, name: str, names: list[Collection[str]], path: str) -> int:
    found = [at for at, known in enumerate(names) if name in known]
    if not found:
        every = tuple(each for known in names for each in known)
        raise Misplaced(path, f"there is no {kind} named {quoted(name)}{near(name, every)}", of_key=True)
    if len(found) > 1:
        raise Misplaced(
            path, f"{len(found)} of {kind} are {quoted(name)}; give each a name, and use it here", of_key=True
        )
    return found[0]
