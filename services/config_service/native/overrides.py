"""What one router has otherwise: ``[router.NAME.KIND.TABLE]``, laid over what all routers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config_service.native.walk import Misplaced, table_of, tables_of
from config_service.problems import quoted

Table = dict[str, Any]
"""TOML is dictionaries by nature; they end where a table becomes a struct."""


class Overrides:
    """The tables of a document as one router has them; remembers whose word each key is."""

    def __init__(self, document: Table, router: str) -> None:
        self._document = document
        self._path = f"router.{router}"
        routers = table_of(document.get("router", {}), "router")
        self._own = table_of(routers.get(router, {}), self._path)
        self._origins: list[tuple[str, str]] = []

    def table(self, kind: str) -> Table:
        """Give a table that there is once."""
        own = table_of(self._own.pop(kind, {}), f"{self._path}.{kind}")
        return self._laid(table_of(self._document.get(kind, {}), kind), own, kind, f"{self._path}.{kind}")

    def tables(self, kind: str, name_of: Callable[[Table], str]) -> list[Table]:
        """Give an array of tables, each of which a router names by what ``name_of`` says.

        Raises:
            Misplaced: the router names one that there is not.
        """
        own = table_of(self._own.pop(kind, {}), f"{self._path}.{kind}")
        found: list[Table] = []
        for number, table in enumerate(tables_of(self._document.get(kind, []), kind)):
            name = name_of(table)
            path = f"{self._path}.{kind}.{name}"
            found.append(self._laid(table, table_of(own.pop(name, {}), path), f"{kind}[{number}]", path))
        for name in own:
            raise Misplaced(f"{self._path}.{kind}.{name}", f"there is no {kind} named {quoted(name)}")
        return found

    def finish(self) -> None:
        """Refuse what is of no kind that was asked for.

        Raises:
            Misplaced: there is such a thing.
        """
        for key in self._own:
            raise Misplaced(f"{self._path}.{key}", f"unknown key {quoted(key)}")

    def origin(self, path: str) -> str:
        """Say where a key stands that may be the router's own word."""
        for shared, own in self._origins:
            if path == shared or path.startswith((f"{shared}.", f"{shared}[")):
                return own + path.removeprefix(shared)
        return path

    def _laid(self, table: Table, own: Table, place: str, path: str) -> Table:
        self._origins += [(f"{place}.{key}", f"{path}.{key}") for key in own]
        return {**table, **own}
