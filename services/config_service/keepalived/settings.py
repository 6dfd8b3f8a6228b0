"""What holds for the whole agent: ``VrrpSettings`` out of ``global_defs``."""

from __future__ import annotations

from collections.abc import Sequence

from config_service.keepalived.global_defs import GlobalDraft, SettingsDraft
from config_service.keepalived.programs import ProgramLine
from config_service.report import Report
from vipbus.contracts import (
    Fifo,
    InterfaceDelay,
    Mail,
    StaticAddress,
    VirtualRoute,
    VirtualRule,
    VrrpSettings,
)


def compile_settings(
    draft: GlobalDraft,
    router: str,
    *,
    mail: Mail | None,
    delays: Sequence[InterfaceDelay],
    static: tuple[tuple[StaticAddress, ...], tuple[VirtualRoute, ...], tuple[VirtualRule, ...]],
    report: Report,
) -> VrrpSettings:
    """Compile them."""
    settings = draft.settings
    for keyword, fifo, script in (
        ("notify_fifo", settings.fifo, settings.fifo_script),
        ("vrrp_notify_fifo", settings.vrrp_fifo, settings.vrrp_fifo_script),
    ):
        if script is not None and fifo is None:
            draft.void(f"{keyword}_script", f"there is no {keyword}; add it", report)
    if settings.fifo is not None and settings.fifo == settings.vrrp_fifo:
        report.error(
            draft.statement.file,
            draft.line_of("vrrp_notify_fifo"),
            f"vrrp_notify_fifo is the pipe of notify_fifo on line {draft.line_of('notify_fifo')}; rename it",
        )
    user, group = settings.script_user or (None, None)
    return VrrpSettings(
        router=router,
        startup_delay=settings.startup_delay,
        delay_after_boot=settings.delay_after_boot,
        dynamic_interfaces=settings.dynamic_interfaces,
        rt_priority=settings.rt_priority,
        rlimit_rttime=settings.rlimit_rttime,
        nice=settings.nice,
        no_swap=settings.no_swap,
        cpu_affinity=settings.cpu_affinity,
        script_user=user,
        script_group=group,
        script_security=settings.script_security,
        notify_fifo=_fifo(settings.fifo, settings.fifo_script),
        vrrp_notify_fifo=_fifo(settings.vrrp_fifo, settings.vrrp_fifo_script),
        fifo_states_on_reload=settings.fifo_states_on_reload,
        mail=mail,
        interface_delays=tuple(delays),
        log_unknown_vrids=settings.log_unknown_vrids,
        static_addresses=static[0],
        static_routes=static[1],
        static_rules=static[2],
    )


def _fifo(path: str | None, script: ProgramLine | None) -> Fifo | None:
    return Fifo(path=path, script=script.program if script else None) if path is not None else None


def fifo_scripts(settings: SettingsDraft) -> list[ProgramLine]:
    """Give the programs that read the pipes."""
    return [one for one in (settings.fifo_script, settings.vrrp_fifo_script) if one is not None]
