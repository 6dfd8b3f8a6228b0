"""SMTP_CHECK: greeting, HELO, QUIT (keepalived.conf(5)); its ``host`` blocks are older than the manual."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from config_service.keepalived import fields
from config_service.keepalived.checkers.common import KNOBS, TIMING, WAY, CheckerDraft, Connection, Site
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block, within
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Check, SmtpCheck

_HELO: Final = "smtpchecker.keepalived.org"
"""What keepalived calls itself."""


class SmtpDraft(CheckerDraft):
    """What one ``SMTP_CHECK`` says."""

    __slots__ = ("helo", "hosts")

    speaks_tcp: ClassVar[bool] = True

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.helo = _HELO
        self.hosts: list[HostDraft] = []

    def checks(self, site: Site, report: Report) -> tuple[Check, ...]:
        """Make a check of the real server, and one of each host: keepalived 2.2.7 has all of them."""
        for host in self.hosts:
            for keyword in _OF_ALL:
                said = host.given.get(keyword)
                if said is not None:
                    report.warning(
                        said.file,
                        said.line,
                        f"{keyword} inside host holds for the whole SMTP_CHECK; move it there",
                    )
        return tuple(
            self.steered(
                SmtpCheck(address=self.address(site, way), port=self.port(site, way), helo_name=self.helo),
                site,
                report,
                way,
            )
            for way in (self.connection, *(host.connection for host in self.hosts))
        )


class HostDraft(Draft):
    """What one ``host`` of it says; when it is checked is the same for all of them."""

    __slots__ = ("connection", "smtp")

    def __init__(self, statement: Statement, smtp: SmtpDraft) -> None:
        super().__init__(statement)
        self.connection = Connection()
        self.smtp = smtp


def _helo_name(word: str) -> str:
    if not word.isprintable() or not word.isascii() or " " in word or not 0 < len(word) <= 255:
        raise RefusedError(f"{quoted(word)} is no name to say HELO with; write a host's name")
    return word


_OF_ALL: Final = (*TIMING,)
_CONNECT_TIMEOUT: Final[dict[str, Keyword[Any]]] = {
    # keepalived gives a host without one no time at all
    "connect_timeout": fields.seconds("connect_timeout", "timeout", "0.000001", "4294.967295")
}
HOST: Final[Table[HostDraft]] = declare(
    Table(
        "host",
        {
            **within(lambda draft: draft.connection, {**WAY, **_CONNECT_TIMEOUT}),
            **within(lambda draft: draft.smtp.knobs, TIMING),
        },
    )
)


def _host(draft: SmtpDraft, statement: Statement, report: Report) -> None:
    host = HostDraft(statement, draft)
    read_block(statement.block or (), HOST, host, report)
    draft.hosts.append(host)


SMTP_CHECK: Final = declare(
    Table(
        "SMTP_CHECK",
        {
            **KNOBS,
            "helo_name": fields.word("helo_name", "NAME", "helo", _helo_name),
            "host": Keyword("host { ... }", _host, least=0, most=0, block=True, repeats=True),
        },
    )
)
