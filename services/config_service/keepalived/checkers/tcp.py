"""TCP_CHECK and PING_CHECK: nothing but the knobs that all checkers have."""

from __future__ import annotations

from typing import ClassVar, Final

from config_service.keepalived.checkers.common import KNOBS, CheckerDraft, Site
from config_service.keepalived.schema import Table, declare
from config_service.report import Report
from vipbus.contracts import Check, PingCheck, TcpCheck


class TcpDraft(CheckerDraft):
    """What one ``TCP_CHECK`` says."""

    speaks_tcp: ClassVar[bool] = True

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check."""
        return (self.steered(TcpCheck(address=self.address(site), port=self.port(site)), site, report),)


class PingDraft(CheckerDraft):
    """What one ``PING_CHECK`` says."""

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make the check."""
        for keyword in ("connect_port", "bind_port"):
            self.void(keyword, "an ICMP echo request has no port", report)
        self.connection.source_port = 0
        return (self.steered(PingCheck(address=self.address(site), port=site.port), site, report),)


TCP_CHECK: Final = declare(Table("TCP_CHECK", KNOBS))
PING_CHECK: Final = declare(Table("PING_CHECK", KNOBS))
