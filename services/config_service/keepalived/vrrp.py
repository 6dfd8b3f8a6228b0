"""The VRRP part of a file: its instances and all that is around them, as entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from config_service.keepalived.clashes import Claims
from config_service.keepalived.groups import GroupDraft, groups_of
from config_service.keepalived.instances import InstanceCompiler
from config_service.keepalived.outside import Outside
from config_service.keepalived.programs import ProgramLine, report_missing
from config_service.keepalived.servers import checked_files
from config_service.keepalived.settings import compile_settings, fifo_scripts
from config_service.keepalived.sources import Sources
from config_service.keepalived.static import Followers, compile_static
from config_service.keepalived.trackers import ScriptDraft
from config_service.report import Report
from vipbus.contracts import SyncGroup, VrrpInstance
from vipbus.contracts.vrrp import VrrpEntity

if TYPE_CHECKING:
    from config_service.keepalived.language import FileDraft


def compile_vrrp(
    draft: FileDraft, router: str, hostname: str, outside: Outside, report: Report
) -> list[VrrpEntity]:
    """Compile it; what is wrong goes into the report, and then the entities mean nothing."""
    _claim_addresses(draft, report)
    groups = groups_of(draft.groups, draft.instances, report)
    sources = Sources((*draft.scripts, *draft.files, *draft.processes), report)
    compiler = InstanceCompiler(
        router,
        globals_=draft.globals,
        sources=sources,
        garp_groups=draft.garp_groups,
        outside=outside,
        report=report,
    )
    instances = compiler.compile(draft.instances, groups)
    followers = Followers(draft.track_groups, {one.name for one in draft.instances}, draft.groups, report)
    static = compile_static(
        draft.static_addresses,
        draft.static_routes,
        draft.static_rules,
        draft.globals.defaults.interface,
        followers,
    )
    mail = draft.globals.mail.compiled(hostname)
    settings = compile_settings(
        draft.globals, router, mail=mail, delays=draft.delays, static=static, report=report
    )
    trackers = sources.used(checked_files(draft.virtual_servers))
    _report_programs(draft, [one for one in trackers if isinstance(one, ScriptDraft)], outside, report)
    entities: list[VrrpEntity] = [*instances, *(_group(draft, one, router) for one in draft.groups)]
    if mail is None:
        _report_lost_mail(draft, entities, report)
    entities += [made for one in trackers if (made := one.compiled(router)) is not None]
    return [settings, *entities] if instances or any(static) else entities


def _claim_addresses(draft: FileDraft, report: Report) -> None:
    claims = Claims(report)
    for one in draft.instances:
        claims.claim((*one.addresses, *one.excluded), one.interface or "", one.name)
    claims.claim(draft.static_addresses, draft.globals.defaults.interface, "static_ipaddress")


def _group(draft: FileDraft, group: GroupDraft, router: str) -> SyncGroup:
    defaults = draft.globals.defaults
    return SyncGroup(
        router=router,
        name=group.name,
        members=tuple(name for name, _ in group.members),
        notify=group.notify.compiled(mail=defaults.alerts, priority_changes=defaults.notify_priority_changes),
    )


def _report_programs(
    draft: FileDraft, scripts: Iterable[ScriptDraft], outside: Outside, report: Report
) -> None:
    """Warn of programs that are not on this machine, each once a line."""
    lines: list[ProgramLine] = [*fifo_scripts(draft.globals.settings)]
    lines += [one.script for one in scripts if one.script is not None]
    for notify in (*(one.notify for one in draft.instances), *(one.notify for one in draft.groups)):
        lines += notify.lines()
    for line in lines:
        report_missing(line, outside.program_problem(line.program.arguments[0]), report)


def _report_lost_mail(draft: FileDraft, entities: Iterable[VrrpEntity], report: Report) -> None:
    if any(isinstance(one, VrrpInstance | SyncGroup) and one.notify.mail for one in entities):
        report.warning(
            draft.globals.statement.file,
            draft.globals.line_of("smtp_alert"),
            "smtp_alert is on, but mail goes to nobody: add notification_email to global_defs",
        )


def references(instance: VrrpInstance) -> frozenset[str]:
    """Give the references of the passwords and keys that an instance names."""
    keys = [key.secret for key in instance.hmac.keys] if instance.hmac is not None else []
    return frozenset((*keys, *([instance.auth_pass] if instance.auth_pass is not None else [])))
