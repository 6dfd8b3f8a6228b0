"""Lines that the model lacks, gathered for the section where they go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from config_service.haproxy.sections import Line

_REFERENCE: Final = re.compile(
    r"\b(nbsrv|be_conn|be_conn_free|be_sess_rate|connslots|queue|avg_queue|table_avl|table_cnt)\(([^()]*)\)"
)
_TABLE: Final = re.compile(r"\b(sc_\w+|sc[012]_\w+|src_\w+|table_\w+|in_table)\(([^()]*)\)")
_WORD: Final = re.compile(r"(?<=\btable )([A-Za-z0-9_.:-]+)")
_BACKEND: Final = re.compile(r"^use_backend\s+(\S+)")


class Names:
    """What sections are called afterwards: backends are pools, and tables stand where their section is."""

    def __init__(self, pools: Mapping[str, str], tables: Mapping[str, str]) -> None:
        self.pools = pools
        self._tables = tables

    def written(self, text: str) -> str:
        """Write a line with the names of afterwards."""
        text = _REFERENCE.sub(lambda found: self._called(found, self.pools), text)
        text = _TABLE.sub(lambda found: self._called(found, self._tables), text)
        text = _WORD.sub(lambda found: self._tables.get(found[0], found[0]), text)
        return _BACKEND.sub(lambda found: f"use_backend {self._backend(found[1])}", text)

    @staticmethod
    def _called(found: re.Match[str], names: Mapping[str, str]) -> str:
        arguments = (names.get(each.strip(), each) for each in found[2].split(","))
        return f"{found[1]}({','.join(arguments)})"

    def _backend(self, name: str) -> str:
        return f"pool-{name}" if "%[" in name else self.pools.get(name, name)


class Snippet:
    """Lines for one section; each is said once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[str, int] = {}

    def add(self, line: Line, text: str | None = None) -> None:
        """Add a line of the file, or what stands for it."""
        modifier = f"{line.modifier} " if line.modifier and text is not None else ""
        self._lines.setdefault(line.text if text is None else modifier + text, line.number)

    @property
    def texts(self) -> tuple[str, ...]:
        """The lines so far."""
        return tuple(self._lines)

    def written(self, names: Names) -> str | None:
        """Write them in the order of the file, below comments that say where; None: there are none."""
        made: list[str] = []
        last = -1
        for text, number in sorted(self._lines.items(), key=lambda one: one[1]):
            if number not in (last, last + 1):
                made.append(f"# {self._file}:{number}")
            made.append(names.written(text))
            last = number
        return "\n".join(made) + "\n" if made else None
