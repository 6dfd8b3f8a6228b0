"""What holds for a router's whole table: ``IpvsSettings`` out of ``global_defs`` and the instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from config_service.keepalived import values
from config_service.keepalived.ipvs_globals import SyncDraft
from config_service.keepalived.outside import Outside
from config_service.keepalived.programs import report_missing
from config_service.problems import quoted
from config_service.report import Report
from vipbus.contracts import Fifo, IpvsSettings, SyncDaemon

if TYPE_CHECKING:
    from config_service.keepalived.language import FileDraft


def compile_ipvs_settings(
    draft: FileDraft, router: str, outside: Outside, report: Report
) -> IpvsSettings | None:
    """Compile them; None where the file says nothing that is not so anyway."""
    ipvs, settings = draft.globals.ipvs, draft.globals.settings
    found = IpvsSettings(
        router=router,
        sync_daemon=_sync_daemon(draft, report),
        timeouts=ipvs.timeouts,
        flush=ipvs.flush,
        flush_on_stop=cast("None", ipvs.flush_on_stop),
        notify_fifo=_fifo(draft, outside, report),
        initial_notifies=ipvs.initial_notifies,
    )
    user, group = settings.script_user or (None, None)
    whole = msgspec.structs.replace(
        found, script_user=user, script_group=group, script_security=settings.script_security
    )
    if found != IpvsSettings(router=router):
        return whole
    # who runs programs matters only where there are some
    return whole if draft.virtual_servers and whole != found else None


def _sync_daemon(draft: FileDraft, report: Report) -> SyncDaemon | None:
    instances = {one.name: one for one in draft.instances}
    sync = draft.globals.ipvs.sync
    said = "" if sync is None else "lvs_sync_daemon"
    for one in draft.instances:
        if one.sync_interface is None:
            continue
        statement = one.given["lvs_sync_daemon_interface"]
        if sync is not None:
            report.error(
                statement.file,
                statement.line,
                f"lvs_sync_daemon_interface: the kernel has one synchronisation, and {said} on line "
                f"{sync.statement.line} says it already; remove one",
            )
            continue
        sync, said = SyncDraft(statement, one.sync_interface), "lvs_sync_daemon_interface"
        sync.instance = one.name
        sync.sync_id = 0  # of the old keyword, whatever the VRID is
    if sync is None:
        return None
    if sync.instance is None:
        return sync.compiled(0)
    if (owner := instances.get(sync.instance)) is None:
        why = values.missing("vrrp_instance", sync.instance, instances)
        report.error(sync.statement.file, sync.statement.line, f"lvs_sync_daemon: {why}")
        return None
    return sync.compiled(owner.virtual_router_id or 0)


def _fifo(draft: FileDraft, outside: Outside, report: Report) -> Fifo | None:
    globals_, ipvs, settings = draft.globals, draft.globals.ipvs, draft.globals.settings
    if ipvs.fifo is None:
        globals_.void("lvs_notify_fifo_script", "there is no lvs_notify_fifo; add it", report)
        if settings.fifo is not None and draft.virtual_servers:
            said = globals_.given["notify_fifo"]
            report.warning(
                said.file,
                said.line,
                "notify_fifo hears of instances and groups alone here; add lvs_notify_fifo for real servers",
            )
        return None
    for keyword, path in (("notify_fifo", settings.fifo), ("vrrp_notify_fifo", settings.vrrp_fifo)):
        if path == ipvs.fifo:
            said = globals_.given["lvs_notify_fifo"]
            report.error(
                said.file,
                said.line,
                f"lvs_notify_fifo is the pipe of {keyword} on line {globals_.line_of(keyword)}, "
                f"{quoted(path)}; rename it",
            )
    if ipvs.fifo_script is not None:
        problem = outside.program_problem(ipvs.fifo_script.program.arguments[0])
        report_missing(ipvs.fifo_script, problem, report)
    return Fifo(path=ipvs.fifo, script=ipvs.fifo_script.program if ipvs.fifo_script else None)
