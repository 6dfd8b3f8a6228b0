"""Where mail goes: ``notification_email``, ``smtp_server`` and their like of ``global_defs``."""

from __future__ import annotations

from typing import Any, Final

from config_service.keepalived import fields, programs, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword, each_line
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Mail

_LONGEST: Final = 4294


class MailDraft:
    """What the file says of it."""

    def __init__(self) -> None:
        self.recipients: list[str] = []
        self.sender: str | None = None
        self.server = "127.0.0.1"
        self.port = 25
        self.helo: str | None = None
        self.timeout = 30.0

    def compiled(self, hostname: str) -> Mail | None:
        """Make the document's part; None where mail would go to nobody."""
        if not self.recipients:
            return None
        return Mail(
            recipients=tuple(dict.fromkeys(self.recipients)),
            sender=self.sender or f"keepalived@{hostname}",
            host=self.server,
            port=self.port,
            helo=self.helo,
            timeout=self.timeout,
        )


def _mailbox(word: str) -> str:
    if not word or len(word) > 254 or not word.isprintable() or any(letter in " ,;<>" for letter in word):
        raise RefusedError(f"{quoted(word)} is no mail address")
    return word


_NO_POOL_MAIL: Final = (
    "mail about pools is left out of vipbus; vipbus events, notify_up, notify_down and lvs_notify_fifo tell "
    "of them"
)


def _no_pool_mail(_part: object, statement: Statement, report: Report) -> None:
    if not statement.arguments or values.boolean(statement.arguments[0]):
        report.warning(
            statement.file,
            statement.line,
            f"{statement.keyword} has no effect here: {_NO_POOL_MAIL}",
        )


NO_POOL_MAIL: Final[Keyword[Any]] = Keyword("smtp_alert [on|off]", _no_pool_mail, least=0, idle=_NO_POOL_MAIL)
"""Of virtual servers, real servers and both together."""


def _recipients(draft: MailDraft, statement: Statement, report: Report) -> None:
    def line(inner: Statement) -> None:
        draft.recipients.extend(_mailbox(word) for word in (inner.keyword, *inner.arguments))

    each_line(statement, report, line)


def _server(draft: MailDraft, statement: Statement, _report: Report) -> None:
    draft.server = programs.host(statement.arguments[0])
    if len(statement.arguments) > 1:
        draft.port = values.port(statement.arguments[1])


KEYWORDS: Final[dict[str, Keyword[Any]]] = {
    "notification_email": Keyword(
        "notification_email { ADDRESS ... }", _recipients, least=0, most=0, block=True, repeats=True
    ),
    "notification_email_from": fields.word("notification_email_from", "ADDRESS", "sender", _mailbox),
    "smtp_server": Keyword("smtp_server HOST [PORT]", _server, most=2),
    "smtp_helo_name": fields.word("smtp_helo_name", "NAME", "helo", programs.host),
    "smtp_connect_timeout": fields.whole_seconds("smtp_connect_timeout", "timeout", 1, _LONGEST),
    "no_email_faults": fields.without_effect("no_email_faults", "mail tells of faults too"),
}
