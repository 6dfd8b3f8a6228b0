"""The top of the language: the blocks that may stand in a file, and what a whole file says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from config_service.keepalived import (
    garp,
    global_defs,
    groups,
    instance,
    left_out,
    lvs,
    ssl,
    static,
    trackers,
    virtual_groups,
)
from config_service.keepalived.addresses import AddressDraft, read_address
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.parser import Statement
from config_service.keepalived.routes import RouteDraft, read_route
from config_service.keepalived.rules import RuleDraft, read_rule
from config_service.keepalived.schema import Draft, Keyword, Table, declare, each_line, read_block
from config_service.report import Report
from vipbus.contracts import InterfaceDelay


class FileDraft(Draft):
    """What a whole file says."""

    def __init__(self, statement: Statement, names: Names) -> None:
        super().__init__(statement)
        self.names = names
        self.globals = global_defs.GlobalDraft(statement)
        self.instances: list[instance.InstanceDraft] = []
        self.groups: list[groups.GroupDraft] = []
        self.scripts: list[trackers.ScriptDraft] = []
        self.files: list[trackers.TrackFileDraft] = []
        self.processes: list[trackers.TrackProcessDraft] = []
        self.garp_groups: list[garp.GarpGroupDraft] = []
        self.track_groups: list[static.TrackGroupDraft] = []
        self.static_addresses: list[AddressDraft] = []
        self.static_routes: list[RouteDraft] = []
        self.static_rules: list[RuleDraft] = []
        self.delays: list[InterfaceDelay] = []
        self.ssl = ssl.SslDraft(statement)
        self.virtual_servers: list[lvs.VirtualServerDraft] = []
        self.virtual_groups: list[virtual_groups.VirtualGroupDraft] = []


_Read = Callable[[FileDraft, Statement, Report], None]


def _global_defs(draft: FileDraft, statement: Statement, report: Report) -> None:
    global_defs.read_globals(draft.globals, statement, report)


def _vrrp_instance(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.instances.append(instance.read_instance(statement, draft.names, report))


def _vrrp_sync_group(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.groups.append(groups.read_group(statement, report))


def _vrrp_script(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.scripts.append(trackers.read_script(statement, report))


def _track_file(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.files.append(trackers.read_track_file(statement, report))


def _track_process(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.processes.append(trackers.read_track_process(statement, report))


def _garp_group(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.garp_groups.append(garp.read_garp_group(statement, report))


def _track_group(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.track_groups.append(static.read_track_group(statement, report))


def _static_ipaddress(draft: FileDraft, statement: Statement, report: Report) -> None:
    def line(inner: Statement) -> None:
        draft.static_addresses.append(read_address(inner, draft.names, static=True))

    each_line(statement, report, line)


def _static_routes(draft: FileDraft, statement: Statement, report: Report) -> None:
    def line(inner: Statement) -> None:
        draft.static_routes.append(read_route(inner, draft.names, report, static=True))

    each_line(statement, report, line)


def _static_rules(draft: FileDraft, statement: Statement, report: Report) -> None:
    def line(inner: Statement) -> None:
        draft.static_rules.append(read_rule(inner, draft.names, report, static=True))

    each_line(statement, report, line)


def _delays(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.delays += static.read_delays(statement, report)


def _ssl(draft: FileDraft, statement: Statement, report: Report) -> None:
    ssl.read_ssl(draft.ssl, statement, report)


def _virtual_server(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.virtual_servers.append(lvs.read_virtual_server(statement, report))


def _virtual_server_group(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.virtual_groups.append(virtual_groups.read_virtual_group(statement, report))


def _named(keyword: str, read: _Read) -> Keyword[FileDraft]:
    return Keyword(f"{keyword} NAME {{ ... }}", read, block=True, repeats=True)


def _unnamed(keyword: str, read: _Read) -> Keyword[FileDraft]:
    return Keyword(f"{keyword} {{ ... }}", read, least=0, most=0, block=True, repeats=True)


TOP: Final = declare(
    Table(
        "",
        {
            "global_defs": _unnamed("global_defs", _global_defs),
            "vrrp_instance": _named("vrrp_instance", _vrrp_instance),
            "vrrp_sync_group": _named("vrrp_sync_group", _vrrp_sync_group),
            "vrrp_script": _named("vrrp_script", _vrrp_script),
            "track_file": _named("track_file", _track_file),
            "vrrp_track_file": _named("vrrp_track_file", _track_file),
            "vrrp_track_process": _named("vrrp_track_process", _track_process),
            "garp_group": _unnamed("garp_group", _garp_group),
            "track_group": _named("track_group", _track_group),
            "static_ipaddress": _unnamed("static_ipaddress", _static_ipaddress),
            "static_routes": _unnamed("static_routes", _static_routes),
            "static_rules": _unnamed("static_rules", _static_rules),
            "interface_up_down_delays": _unnamed("interface_up_down_delays", _delays),
            "SSL": _unnamed("SSL", _ssl),
            "virtual_server_group": _named("virtual_server_group", _virtual_server_group),
            "virtual_server": Keyword(
                "virtual_server ADDRESS [PORT]|fwmark NUMBER|group NAME { ... }",
                _virtual_server,
                most=2,
                block=True,
                repeats=True,
            ),
        },
        left_out.TOP,
    )
)


def read_file(statements: tuple[Statement, ...], file: str, names: Names, report: Report) -> FileDraft:
    """Read a file's statements; what is wrong goes into the report."""
    draft = FileDraft(Statement("", (), 1, file), names)
    read_block(statements, TOP, draft, report)
    return draft
