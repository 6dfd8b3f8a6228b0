"""Everything that ``vipbus status`` looks at, as it was at one moment."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ctl.supervisor_file import SupervisorState
from vipbus.contracts import (
    Condition,
    Head,
    OperatorState,
    ProxyPoolTable,
    Role,
    Verdict,
    VirtualServerTable,
)
from vipbus.runtime.revision import Revision


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    now: datetime
    bus: str
    """The URL without its secrets; empty when none is known."""
    bus_problem: str = ""
    """Why the bus could not be read; empty when it could."""
    heads: tuple[Head, ...] = ()
    """Of every router, its revision whole or not."""
    revisions: tuple[Revision, ...] = ()
    """The whole ones."""
    roles: tuple[Role, ...] = ()
    tables: tuple[VirtualServerTable, ...] = ()
    pools: tuple[ProxyPoolTable, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    operators: tuple[OperatorState, ...] = ()
    conditions: tuple[Condition, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Bucket and key of every document that is not what it should be, and why."""
    supervisor: SupervisorState | None = None
    """What the state directory tells; None where it tells nothing or was not asked."""
    supervisor_runs: bool = False
