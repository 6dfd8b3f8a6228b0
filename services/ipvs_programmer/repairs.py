"""Puts right what someone else changed, and says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from ipvs_programmer.desired import Configured
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.metrics import DRIFT_REPAIRS
from ipvs_programmer.report import Report
from ipvs_programmer.table import Key
from vipbus.contracts import DriftRepaired, Event
from vipbus.telemetry.trace import TraceContext, span

log = logging.getLogger(__name__)


def repair(
    keys: Collection[Key],
    keeper: Keeper,
    report: Report,
    *,
    server_of: Callable[[Key], Configured | None],
    publish: Callable[[Event, TraceContext], None],
) -> None:
    """Make these services what they should be.

    Raises:
        KernelError: the table cannot be written or read at all.
    """
    with span("repair drift") as repairing:
        written = keeper.write(keys, repairing.context)
    repairs: dict[Key, list[str]] = {}
    for operation in written.operations:
        repairs.setdefault(operation.key, []).append(str(operation))
        log.warning("the table was changed by someone else; repaired: %s", operation)
    for key, lines in repairs.items():
        DRIFT_REPAIRS.add()
        server = server_of(key)
        if server is None:
            continue
        virtual = server.virtual_server
        event = DriftRepaired(router=virtual.router, virtual_server=virtual.id, repairs=tuple(lines))
        publish(event, written.trace)
        report.server(server, f"changed by someone else; repaired: {lines[0]}", written.trace)
    report.instances(written.trace)
    report.condition()
