"""Read what a running HAProxy says of its servers (management.txt). Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Final

import msgspec

from haproxy_programmer.wanted import DOWN, DRAIN, MAINT
from vipbus.contracts.proxy import MemberState

_GENERATION: Final = re.compile(r"proc\.gen: type=str value=<([0-9a-f]*)>")
_PID: Final = re.compile(r"^Pid: ([0-9]+)$", re.MULTILINE)
ENABLED: Final = 4
"""Of ``srv_agent_state`` (include/haproxy/check-t.h, CHECK_ST_ENABLED)."""
GENERATION: Final = "get var proc.gen"
WORKER: Final = f"{GENERATION}; show info"
QUESTION: Final = f"{WORKER}; show servers state"
_COLUMNS: Final = (
    "be_name",
    "srv_name",
    "srv_addr",
    "srv_port",
    "srv_admin_state",
    "srv_op_state",
    "srv_uweight",
    "srv_agent_state",
)
SESSIONS: Final = "show stat -1 4 -1"
"""Servers alone."""


class UnreadableError(Exception):
    """What came is no answer to the question."""


class Server(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A slot as it is."""

    address: str
    port: int
    admin: int
    operational: int
    weight: int
    agent: bool = False
    """True: its agent is asked."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, at one moment."""

    generation: str
    """Empty: a process that did not begin from a file of ours."""
    pid: int
    servers: Mapping[tuple[str, str], Server]
    """By the names of backend and server."""

    @property
    def worker(self) -> tuple[str, int]:
        """Who it is."""
        return self.generation, self.pid


def observed(text: str) -> Observed:
    """Read the answer to `QUESTION`.

    Raises:
        UnreadableError: it is none.
    """
    found, pid = worker(text)
    return Observed(generation=found, pid=pid, servers=_servers(text))


def worker(text: str) -> tuple[str, int]:
    """Read the answer to `WORKER`, or to what begins with it: the generation, and the process id.

    Raises:
        UnreadableError: it is none.
    """
    pid = _PID.search(text)
    if pid is None:
        raise UnreadableError(f"HAProxy answered what is not understood: {text[:200]!r}")
    return generation(text), int(pid[1])


def generation(text: str) -> str:
    """Read the answer to `GENERATION`, or to what begins with it; empty: it is not there."""
    found = _GENERATION.search(text)
    return found[1] if found is not None else ""


def _servers(text: str) -> dict[tuple[str, str], Server]:
    _, found, rows = text.partition("\n# be_id ")
    if not found:
        raise UnreadableError("HAProxy did not say how its servers are")
    head, *lines = rows.split("\n")
    names = ("be_id", *head.split())
    servers: dict[tuple[str, str], Server] = {}
    try:
        at = [names.index(name) for name in _COLUMNS]
        columns = itemgetter(*at)
        # thousands of lines, several times for each change: what is behind these columns stays one piece,
        # which is there where they are whole
        pieces = min(max(at) + 2, len(names))
        for line in lines:
            words = line.split(" ", pieces - 1)
            if len(words) < pieces:
                break  # an empty line ends it
            backend, server, address, port, admin, operational, weight, agent = columns(words)
            servers[backend, server] = Server(
                address=address,
                port=int(port),
                admin=int(admin),
                operational=int(operational),
                weight=int(weight),
                agent=bool(int(agent) & ENABLED),
            )
    except ValueError as error:
        raise UnreadableError(f"HAProxy's list of servers is not understood: {error}") from None
    return servers


def member_state(there: Server, *, configured: bool) -> MemberState:
    """Say how HAProxy has a member; one that is not configured any more drains."""
    if not configured:
        return "draining"
    if there.admin & MAINT:
        return "disabled"
    if there.admin & DRAIN:
        return "drain"
    return "down" if there.operational == DOWN else "up"


def busy(text: str) -> dict[tuple[str, str], int]:
    """Read the answer to `SESSIONS`: how many sessions, queued ones included, each server has.

    Raises:
        UnreadableError: it is none.
    """
    lines = [line for line in text.lstrip("# ").splitlines() if line.strip()]
    found: dict[tuple[str, str], int] = {}
    try:
        for row in csv.DictReader(lines):
            if row["svname"] not in ("FRONTEND", "BACKEND"):
                count = int(row["scur"] or 0) + int(row["qcur"] or 0)
                found[row["pxname"], row["svname"]] = count
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UnreadableError(f"HAProxy's statistics are not understood: {error}") from None
    return found
