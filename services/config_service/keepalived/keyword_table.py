"""Writes docs/keywords.md: every keyword of keepalived.conf(5), what becomes of it, and who does it.

Made of the tables that the parser reads by, so that it says what the parser does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from config_service.keepalived import (
    addresses,
    includes,
    ipvs_globals,
    language,
    left_out,
    metrics,
    routes,
    rules,
    tracking,
)
from config_service.keepalived.checkers.common import AROUND
from config_service.keepalived.schema import TABLES, Table

_AGENT: Final = "vrrp-agent"
_PROBER: Final = "health-prober"
_PROGRAMMER: Final = "ipvs-programmer"
_READER: Final = "config-service"

_BY_BLOCK: Final = {
    "global_defs": _AGENT,
    "garp_group": _AGENT,
    "vrrp_instance": _AGENT,
    "authentication": _AGENT,
    "auth_hmac": _AGENT,
    "vrrp_sync_group": _AGENT,
    "vrrp_script": _AGENT,
    "track_file": f"{_AGENT}, {_PROBER}",
    "vrrp_track_process": _AGENT,
    "track_group": _AGENT,
    "virtual_server": _PROGRAMMER,
    "real_server": _PROGRAMMER,
    "": _AGENT,
}
"""Every other block is of a check."""
_ALL_CHECKS: Final = (*AROUND, "alpha")
_BY_KEYWORD: Final = {
    **{("global_defs", word): _PROGRAMMER for word in ipvs_globals.KEYWORDS},
    **{("global_defs", word): _READER for word in ("router_id", "include_check", "random_seed")},
    ("global_defs", "script_user"): f"{_AGENT}, {_PROGRAMMER}, {_PROBER}",
    ("global_defs", "enable_script_security"): f"{_AGENT}, {_PROGRAMMER}, {_PROBER}",
    ("global_defs", "notify_fifo"): f"{_AGENT}, {_PROGRAMMER}",
    ("global_defs", "notify_fifo_script"): f"{_AGENT}, {_PROGRAMMER}",
    **{(block, word): _PROBER for block in ("virtual_server", "real_server") for word in _ALL_CHECKS},
    ("vrrp_instance", "lvs_sync_daemon_interface"): _PROGRAMMER,
    ("", "global_defs"): "all",
    ("", "track_file"): f"{_AGENT}, {_PROBER}",
    ("", "vrrp_track_file"): f"{_AGENT}, {_PROBER}",
    ("", "SSL"): _PROBER,
    ("", "virtual_server"): f"{_PROGRAMMER}, {_PROBER}",
    ("", "virtual_server_group"): f"{_PROGRAMMER}, {_PROBER}",
}
_TEXT: Final = (
    *includes.VARIANTS,
    "@ID",
    "@^ID",
    "$NAME=",
    "$NAME",
    "${NAME}",
    "${_PWD}",
    "${_INSTANCE}",
    "${_RANDOM}",
    "${_ENV}",
    "${_HASH}",
    "${_BANG}",
    "~SEQ",
    "~SEQx",
    "~LST",
)
BFD_INSTANCE: Final = (
    "neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit max_hops "
    "multihop weight vrrp checker"
)
"""What goes with its block."""
_OF_ROUTES: Final = (*routes.OPTIONS, *metrics.METRICS, "weight", "lock")
_ORDER: Final = (
    "any line",
    "",
    "global_defs",
    "bfd_instance",
    "vrrp_script",
    "track_file",
    "vrrp_track_process",
    "track_group",
    "garp_group",
    "vrrp_sync_group",
    "vrrp_instance",
    "authentication",
    "auth_hmac",
    "a tracked name",
    "a unicast peer",
    "an address",
    "a route",
    "a rule",
    "virtual_server_group",
    "virtual_server",
    "real_server",
)


class Row(NamedTuple):
    """One keyword in one block."""

    block: str
    """Empty: the top of the file."""
    keyword: str
    why: str
    """Why it is a warning; empty: it is compiled."""
    service: str


def rows() -> list[Row]:
    """Give every keyword, block by block."""
    language.TOP  # noqa: B018  # every table is declared once this is there
    found = [*_of_text(), *_of_lines()]
    for table in TABLES:
        found += _of_table(table)
    by_block: dict[str, list[Row]] = {block: [] for block in _ORDER}
    for row in found:
        by_block.setdefault(row.block, []).append(row)
    return [row for block in by_block.values() for row in block]


def _of_table(table: Table[Any]) -> Iterator[Row]:
    for word, keyword in table.keywords.items():
        of_block = _BY_BLOCK.get(table.name, _PROBER)
        service = "" if keyword.idle else _BY_KEYWORD.get((table.name, word), of_block)
        if word.endswith(("_GET", "_CHECK")):
            service = _PROBER
        yield Row(table.name, word, keyword.idle, service)
    for word, why in table.left_out.items():
        yield Row(table.name, word, why, "")


def _of_text() -> Iterator[Row]:
    return (Row("any line", word, "", _READER) for word in _TEXT)


def _of_lines() -> Iterator[Row]:
    """Give the words of lines that are small languages of their own."""

    def compiled(block: str, words: Iterable[str], service: str = _AGENT) -> Iterator[Row]:
        return (Row(block, word, "", service) for word in dict.fromkeys(words))

    yield from compiled("a tracked name", ("weight", *tracking.DIRECTIONS))
    yield from compiled("a unicast peer", ("min_ttl", "max_ttl"))
    yield from compiled("an address", addresses.OPTIONS)
    yield from compiled("a route", (word for word in _OF_ROUTES if word != "append"))
    yield Row("a route", "append", "a route that is there is left alone", "")
    for word in routes.LEFT_OUT:
        yield Row("a route", word, "the route is set without", "")
    for word in routes.OTHER_ROUTES:
        yield Row("a route", word, "without it, it would be another route, which goes with it", "")
    yield from compiled("a rule", rules.OPTIONS)
    yield from compiled("virtual_server_group", ("fwmark", "inet", "inet6"), _PROGRAMMER)
    why = left_out.TOP["bfd_instance"]
    yield from (Row("bfd_instance", word, why, "") for word in BFD_INSTANCE.split())
    yield Row("BFD_CHECK", "name", left_out.REAL_SERVER["BFD_CHECK"], "")


_HEAD: Final = """\
# The keywords of keepalived.conf

Every keyword of keepalived.conf(5) and what becomes of it: compiled, with the service that does it, or a
warning with the reason. A warning never keeps a file from being accepted; `vipbus config check` prints it
with its place, a running config-service logs it and has it in `vipbus status`, in the answer to
`vipbus config reload` and in the event that the revision was accepted. What stands in no table is an error
with file, line and column, the line itself and the nearest known keyword.

Conditions are compared with `-i ID` of `vipbus run` and `vipbus config check`, with ROUTER where
config-service is given `--file ROUTER=FILE`, and else with the first part of the host's name, as keepalived
has it. A random number is another one for each such name and the same one at each reading of a file;
`random_seed` begins them anew. Definitions, sequences, lists and included files make at most 500,000 lines.

Made by `make keywords` from the tables that the parser reads by; a test holds it against them and against the
manual's own list.
"""


def document() -> str:
    """Write the page."""
    parts = [_HEAD]
    before = None
    for row in rows():
        if row.block != before:
            before = row.block
            parts.append(
                f"\n## {_title(row.block)}\n\n| keyword | what becomes of it | by |\n|---|---|---|\n"
            )
        what = f"warning: {row.why}" if row.why else "compiled"
        parts.append(f"| `{row.keyword}` | {what.replace('|', chr(92) + '|')} | {row.service or '-'} |\n")
    return "".join(parts)


def _title(block: str) -> str:
    return f"`{block}`" if block and " " not in block else block.capitalize() or "Top of the file"


if __name__ == "__main__":
    sys.stdout.write(document())
