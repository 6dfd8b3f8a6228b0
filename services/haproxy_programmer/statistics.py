"""Read the statistics of a running HAProxy (management.txt, Statistics and monitoring, CSV format). Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Final, Literal

import msgspec

from haproxy_programmer.observed import UnreadableError

QUESTION: Final = "show info; show stat"
_INFO: Final = re.compile(r"^(\w+): ([0-9]{1,19})$", re.MULTILINE)
_HEAD: Final = "\n# pxname,svname,"
_DIGITS: Final = 19
"""Of the largest number that is read: HAProxy counts in 64 bits."""

Kind = Literal["frontend", "backend", "server"]
Key = tuple[Kind, str, str]
"""Who a row is of, as long as the worker runs: its kind, its section, its slot."""
_KINDS: Final[Mapping[str, Kind]] = {"0": "frontend", "1": "backend", "2": "server"}
NUMBERS: Final = (
    "qcur",
    "scur",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "weight",
    "chkfail",
    "chkdown",
    "downtime",
    "rate",
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
    "req_tot",
    "cli_abrt",
    "srv_abrt",
    "qtime",
    "ctime",
    "rtime",
    "ttime",
    "conn_tot",
    "dcon",
    "dses",
)
"""The columns that are read as numbers, by HAProxy's names."""
_AT: Final = {name: at for at, name in enumerate(NUMBERS)}
_TEXTS: Final = ("pxname", "svname", "type", "status", "check_status")


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frontend, a backend or a server, at one moment."""

    kind: Kind
    proxy: str
    """The name of its section."""
    server: str = ""
    """The slot; empty for what is no server."""
    status: str = ""
    check: str = ""
    """What HAProxy's own check found: ``L4OK``; empty: it makes none."""
    cells: tuple[str, ...] = ()
    """Those of `NUMBERS` as they came: of most members nothing has changed since the last time."""

    def number(self, name: str) -> int | None:
        """Give one of `NUMBERS`; None: HAProxy leaves it empty."""
        if not self.cells:
            return None
        cell = self.cells[_AT[name]]
        return int(cell) if cell.isdigit() and cell.isascii() and len(cell) <= _DIGITS else None

    @property
    def numbers(self) -> dict[str, int]:
        """All that are there."""
        return {name: number for name in NUMBERS if (number := self.number(name)) is not None}

    def changed(self, before: Row, name: str) -> bool:
        """Say whether one of `NUMBERS` is another one than before, without reading it."""
        return self.cells[_AT[name]] != before.cells[_AT[name]]

    @property
    def key(self) -> Key:
        """Who it is."""
        return self.kind, self.proxy, self.server


ZERO: Final = Row(kind="server", proxy="", cells=("0",) * len(NUMBERS))
"""What a worker begins with."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    pid: int
    """Of the worker: another one counts from 0."""
    info: Mapping[str, int]
    """The numbers of ``show info``, by HAProxy's names."""
    rows: tuple[Row, ...]


def statistics(text: str) -> Read:
    """Read the answer to `QUESTION`.

    Raises:
        UnreadableError: it is none, or it is cut short.
    """
    told, found, table = text.partition(_HEAD)
    info = {name: int(value) for name, value in _INFO.findall(told)}
    if not found or "Pid" not in info:
        raise UnreadableError(f"HAProxy answered what are no statistics: {text[:200]!r}")
    if not table.endswith("\n\n"):
        raise UnreadableError("HAProxy's statistics are cut short")
    names, *rows = table.rstrip("\n").split("\n")
    at = {name: number for number, name in enumerate(("pxname", "svname", *names.split(",")))}
    missing = [name for name in (*_TEXTS, *NUMBERS) if name not in at]
    if missing:
        raise UnreadableError(f"HAProxy's statistics have no {missing[0]}")
    numbers = itemgetter(*(at[name] for name in NUMBERS))
    try:
        return Read(
            pid=info["Pid"],
            info=info,
            rows=tuple(
                [
                    _row(_KINDS[cells[at["type"]]], cells, at, numbers(cells))
                    for cells in csv.reader(rows, strict=True)
                    if cells[at["type"]] in _KINDS
                ]
            ),
        )
    except (IndexError, csv.Error) as error:
        raise UnreadableError(f"HAProxy's statistics are not understood: {error!r}") from None


def _row(kind: Kind, cells: list[str], at: Mapping[str, int], numbers: tuple[str, ...]) -> Row:
    return Row(
        kind=kind,
        proxy=cells[at["pxname"]],
        server=cells[at["svname"]] if kind == "server" else "",
        status=cells[at["status"]],
        check=cells[at["check_status"]],
        cells=numbers,
    )
