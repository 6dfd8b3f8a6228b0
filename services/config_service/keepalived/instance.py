"""The keywords of ``vrrp_instance``, each with the part that it belongs to (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from config_service.keepalived import (
    authentication,
    election,
    fields,
    garp,
    left_out,
    notify,
    tracking,
    transport,
    values,
    virtual_mac,
)
from config_service.keepalived.addresses import AddressDraft, read_address
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.parser import Statement
from config_service.keepalived.routes import RouteDraft, read_route
from config_service.keepalived.rules import RuleDraft, read_rule
from config_service.keepalived.schema import Draft, Keyword, Table, declare, each_line, read_block, within
from config_service.keepalived.tracking import TrackDraft
from config_service.report import Report


class InstanceDraft(Draft):
    """What one ``vrrp_instance`` says."""

    def __init__(self, statement: Statement, names: Names) -> None:
        super().__init__(statement)
        self.names = names
        self.name = ""
        self.interface: str | None = None
        self.virtual_router_id: int | None = None
        self.vrf: str | None = None
        self.sync_interface: str | None = None
        """Where the connections of IPVS are synchronised, in the old spelling."""
        self.native_ipv6 = False
        self.no_addresses = False
        self.promote_secondaries = False
        self.track_interface = True
        self.election = election.ElectionDraft()
        self.transport = transport.TransportDraft()
        self.authentication = authentication.AuthenticationDraft()
        self.virtual_mac = virtual_mac.VirtualMacDraft()
        self.garp = garp.GarpDraft()
        self.notify = notify.NotifyDraft()
        self.tracks: list[TrackDraft] = []
        self.addresses: list[AddressDraft] = []
        self.excluded: list[AddressDraft] = []
        self.routes: list[RouteDraft] = []
        self.rules: list[RuleDraft] = []

    @property
    def family(self) -> int:
        """4 or 6, as the first virtual address says, or whatever else there is."""
        if self.addresses:
            return self.addresses[0].version
        if self.native_ipv6:
            return 6
        return 6 if any(":" in address for address in self.transport.addresses()) else 4


def _block(usage: str, read: Callable[[InstanceDraft, Statement, Report], None]) -> Keyword[InstanceDraft]:
    return Keyword(usage, read, least=0, most=0, block=True, repeats=True)


def _virtual_ipaddress(draft: InstanceDraft, statement: Statement, report: Report) -> None:
    each_line(statement, report, lambda line: draft.addresses.append(read_address(line, draft.names)))


def _excluded(draft: InstanceDraft, statement: Statement, report: Report) -> None:
    each_line(statement, report, lambda line: draft.excluded.append(read_address(line, draft.names)))


def _routes(draft: InstanceDraft, statement: Statement, report: Report) -> None:
    each_line(statement, report, lambda line: draft.routes.append(read_route(line, draft.names, report)))


def _rules(draft: InstanceDraft, statement: Statement, report: Report) -> None:
    each_line(statement, report, lambda line: draft.rules.append(read_rule(line, draft.names, report)))


VRRP_INSTANCE: Final = declare(
    Table(
        "vrrp_instance",
        {
            "interface": fields.word("interface", "NAME", "interface", values.interface),
            "virtual_router_id": fields.whole("virtual_router_id", "virtual_router_id", 1, 255),
            "vrf": fields.word("vrf", "NAME", "vrf", values.interface),
            "native_ipv6": fields.flag("native_ipv6", "native_ipv6"),
            **within(lambda draft: draft.election, election.KEYWORDS),
            **within(lambda draft: draft.transport, transport.KEYWORDS),
            **within(lambda draft: draft.authentication, authentication.KEYWORDS),
            **within(lambda draft: draft.virtual_mac, virtual_mac.KEYWORDS),
            "virtual_ipaddress": _block("virtual_ipaddress { ... }", _virtual_ipaddress),
            "virtual_ipaddress_excluded": _block("virtual_ipaddress_excluded { ... }", _excluded),
            "no_virtual_ipaddress": fields.flag("no_virtual_ipaddress", "no_addresses"),
            "promote_secondaries": fields.flag("promote_secondaries", "promote_secondaries"),
            "virtual_routes": _block("virtual_routes { ... }", _routes),
            "virtual_rules": _block("virtual_rules { ... }", _rules),
            **within(lambda draft: draft.garp, garp.INSTANCE),
            "dont_track_primary": fields.flag("dont_track_primary", "track_interface", False),
            **within(lambda draft: draft.tracks, tracking.KEYWORDS),
            **within(lambda draft: draft.notify, notify.INSTANCE),
            "lvs_sync_daemon_interface": fields.word(
                "lvs_sync_daemon_interface", "NAME", "sync_interface", values.interface
            ),
            "debug": fields.without_effect("debug", "keepalived has not given it one either"),
        },
        left_out.VRRP_INSTANCE,
    )
)


def read_instance(statement: Statement, names: Names, report: Report) -> InstanceDraft:
    """Read a ``vrrp_instance`` block.

    Raises:
        RefusedError: its name is none.
    """
    draft = InstanceDraft(statement, names)
    draft.name = values.name(statement.arguments[0])
    read_block(statement.block or (), VRRP_INSTANCE, draft, report)
    return draft
