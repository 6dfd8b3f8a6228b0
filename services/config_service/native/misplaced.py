"""A refusal that knows the key it is about, and the two shapes that everything in a document has."""

from __future__ import annotations

import re
from typing import Any, Final

from config_service.problems import RefusedError

_NUMBER: Final = re.compile(r"\[\d+\]")

Table = dict[str, Any]
"""TOML is dictionaries by nature; they end where a table becomes a struct."""


class Misplaced(RefusedError):  # noqa: N818  # it is a refusal with a place
    """A refusal, and the path of the key that it is about."""

    def __init__(self, path: str, text: str, *, of_key: bool = False, line: int = 0) -> None:
        super().__init__(text)
        self.path = path
        self.of_key = of_key
        """True: the key is wrong, and not what stands after it."""
        self.line = line
        """Of the text that stands there, counted from 1; 0: of all of it."""


def table_of(value: Any, path: str) -> Table:
    """Give a copy of a table.

    Raises:
        Misplaced: it is none.
    """
    if not isinstance(value, dict):
        raise Misplaced(path, f"is no table; write [{path}]")
    return dict(value)


def tables_of(value: Any, path: str) -> list[Table]:
    """Give copies of the tables in an array.

    Raises:
        Misplaced: it is no array of tables.
    """
    if not isinstance(value, list):
        name = _NUMBER.sub("", path)
        raise Misplaced(path, f"is no array of tables; write [[{name}]]")
    return [table_of(each, f"{path}[{number}]") for number, each in enumerate(value)]
