"""The block ``SSL``: what SSL_GET shows of itself (keepalived.conf(5))."""

from __future__ import annotations

from typing import Final

from config_service.keepalived import fields, left_out, programs
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Table, declare, read_block
from config_service.report import Report
from vipbus.contracts import Tls


class SslDraft(Draft):
    """What ``SSL`` blocks say."""

    __slots__ = ("certificate", "key")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.certificate: str | None = None
        self.key: str | None = None

    def compiled(self, report: Report) -> Tls:
        """Make what every SSL_GET has; keepalived verifies nothing, so nobody is warned either."""
        if self.key is not None and self.certificate is None:
            self.void("key", "there is no certificate that it is of; add certificate", report)
        return Tls(verify=False, warn_before=0.0, certificate=self.certificate, key=self.key)


SSL: Final = declare(
    Table(
        "SSL",
        {
            "ca": fields.without_effect(
                "ca", "keepalived verifies no certificate, and SSL_GET does as it does"
            ),
            "certificate": fields.word("certificate", "PATH", "certificate", programs.absolute),
            "key": fields.word("key", "PATH", "key", programs.absolute),
        },
        left_out=left_out.SSL,
    )
)


def read_ssl(draft: SslDraft, statement: Statement, report: Report) -> None:
    """Read an ``SSL`` block."""
    read_block(statement.block or (), SSL, draft, report)
