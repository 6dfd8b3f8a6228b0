"""The keywords of ``virtual_server`` and what is in it (keepalived.conf(5), LVS CONFIGURATION)."""

from __future__ import annotations

from typing import Final

from config_service.keepalived import (
    fields,
    forwarding,
    left_out,
    mail,
    programs,
    scheduling,
    values,
)
from config_service.keepalived.checkers import dns, file, http, misc, smtp, tcp, udp
from config_service.keepalived.checkers.common import ALPHA, AROUND, CheckerDraft, Knobs, checker
from config_service.keepalived.forwarding import Method
from config_service.keepalived.parser import Statement
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.scheduling import SchedulingDraft
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block, within
from config_service.keepalived.virtual_groups import Member, mark
from config_service.problems import RefusedError, quoted
from config_service.report import Report

# the ranges below are keepalived 2.2.7's own, tried out, but for numbers beyond what the kernel takes
_LARGEST: Final = 2**31 - 1
_NOWHERE: Final = values.Address("", 4)


class RealServerDraft(Draft):
    """What one ``real_server`` says."""

    __slots__ = (
        "address",
        "checkers",
        "inhibit",
        "knobs",
        "lower_threshold",
        "method",
        "notify_down",
        "notify_up",
        "port",
        "upper_threshold",
        "weight",
    )

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.address = _NOWHERE
        self.port = 0
        """0: as the virtual server has it."""
        self.weight: int | None = None
        self.method: Method | None = None
        self.upper_threshold = 0
        self.lower_threshold = 0
        self.inhibit: bool | None = None
        self.notify_up: ProgramLine | None = None
        self.notify_down: ProgramLine | None = None
        self.knobs: Knobs | None = None
        """None: it says nothing, as nearly all do."""
        self.checkers: list[CheckerDraft] = []


class VirtualServerDraft(Draft):
    """What one ``virtual_server`` says; None where keepalived has a default that it mentions when used."""

    __slots__ = (
        "group",
        "ha_suspend",
        "hysteresis",
        "inhibit",
        "knobs",
        "member",
        "method",
        "omega",
        "quorum",
        "quorum_down",
        "quorum_up",
        "real_servers",
        "scheduling",
        "sorry_inhibit",
        "sorry_method",
        "sorry_server",
        "weight",
    )

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.group = ""
        """Empty: it is one service, `member`."""
        self.member = Member(statement)
        self.scheduling = SchedulingDraft()
        self.method = Method()
        self.weight = 1
        self.inhibit = False
        self.ha_suspend = False
        self.omega = False
        self.quorum = 1
        self.hysteresis = 0
        self.quorum_up: ProgramLine | None = None
        self.quorum_down: ProgramLine | None = None
        self.sorry_server: tuple[values.Address, int] | None = None
        self.sorry_inhibit = False
        self.sorry_method: Method | None = None
        self.knobs = Knobs()
        self.real_servers: list[RealServerDraft] = []

    @property
    def name(self) -> str:
        """As it is written after the keyword, for messages."""
        return " ".join(self.statement.arguments)


def _knobs(draft: RealServerDraft) -> Knobs:
    if draft.knobs is None:
        draft.knobs = Knobs()
    return draft.knobs


_LABELS: Final = {
    "smtp_alert": mail.NO_POOL_MAIL,
    "snmp_name": fields.without_effect("snmp_name", left_out.SNMP),
}
"""Of both levels."""

REAL_SERVER: Final = declare(
    Table(
        "real_server",
        {
            "weight": fields.whole("weight", "weight", 0, _LARGEST),
            "lvs_method": forwarding.keyword("lvs_method"),
            "lb_kind": forwarding.keyword("lb_kind", same_as="lvs_method"),
            "uthreshold": fields.whole("uthreshold", "upper_threshold", 0, _LARGEST),
            "lthreshold": fields.whole("lthreshold", "lower_threshold", 0, _LARGEST),
            "inhibit_on_failure": fields.boolean("inhibit_on_failure", "inhibit"),
            "notify_up": programs.keyword("notify_up", "notify_up"),
            "notify_down": programs.keyword("notify_down", "notify_down"),
            **_LABELS,
            **within(_knobs, {**AROUND, "alpha": ALPHA}),
            "HTTP_GET": checker("HTTP_GET", http.HttpDraft, http.HTTP_GET),
            "SSL_GET": checker("SSL_GET", http.SslDraft, http.SSL_GET),
            "TCP_CHECK": checker("TCP_CHECK", tcp.TcpDraft, tcp.TCP_CHECK),
            "SMTP_CHECK": checker("SMTP_CHECK", smtp.SmtpDraft, smtp.SMTP_CHECK),
            "DNS_CHECK": checker("DNS_CHECK", dns.DnsDraft, dns.DNS_CHECK),
            "MISC_CHECK": checker("MISC_CHECK", misc.MiscDraft, misc.MISC_CHECK),
            "UDP_CHECK": checker("UDP_CHECK", udp.UdpDraft, udp.UDP_CHECK),
            "PING_CHECK": checker("PING_CHECK", tcp.PingDraft, tcp.PING_CHECK),
            "FILE_CHECK": checker("FILE_CHECK", file.FileDraft, file.FILE_CHECK),
        },
        left_out.REAL_SERVER,
    )
)


def _real_server(draft: VirtualServerDraft, statement: Statement, report: Report) -> None:
    server = RealServerDraft(statement)
    server.address, server.port = _endpoint(statement.arguments)
    read_block(statement.block or (), REAL_SERVER, server, report)
    draft.real_servers.append(server)


def _sorry_server(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    draft.sorry_server = _endpoint(statement.arguments)


def _endpoint(words: tuple[str, ...]) -> tuple[values.Address, int]:
    """Read ``ADDRESS [PORT]``; without a port, or with 0, it is 0."""
    return values.address(words[0]), values.integer(words[1], 0, 65535) if len(words) > 1 else 0


VIRTUAL_SERVER: Final = declare(
    Table(
        "virtual_server",
        {
            **within(lambda draft: draft.knobs, {**AROUND, "alpha": fields.switch("alpha", "alpha")}),
            **within(lambda draft: draft.scheduling, scheduling.KEYWORDS),
            "lvs_method": forwarding.keyword("lvs_method"),
            "lb_kind": forwarding.keyword("lb_kind", same_as="lvs_method"),
            "weight": fields.whole("weight", "weight", 1, _LARGEST),
            "inhibit_on_failure": fields.switch("inhibit_on_failure", "inhibit"),
            "ha_suspend": fields.switch("ha_suspend", "ha_suspend"),
            "omega": fields.switch("omega", "omega"),
            "quorum": fields.whole("quorum", "quorum", 1, _LARGEST),
            "hysteresis": fields.whole("hysteresis", "hysteresis", 0, _LARGEST),
            "quorum_up": programs.keyword("quorum_up", "quorum_up"),
            "quorum_down": programs.keyword("quorum_down", "quorum_down"),
            "sorry_server": Keyword("sorry_server ADDRESS [PORT]", _sorry_server, most=2),
            "sorry_server_inhibit": fields.switch("sorry_server_inhibit", "sorry_inhibit"),
            "sorry_server_lvs_method": forwarding.keyword("sorry_server_lvs_method"),
            **_LABELS,
            "real_server": Keyword(
                "real_server ADDRESS [PORT] { ... }", _real_server, most=2, block=True, repeats=True
            ),
        },
    )
)


def read_virtual_server(statement: Statement, report: Report) -> VirtualServerDraft:
    """Read a ``virtual_server`` block.

    Raises:
        RefusedError: what follows the keyword is no address and port, mark or group.
    """
    draft = VirtualServerDraft(statement)
    kind, *rest = statement.arguments
    if kind in ("fwmark", "group"):
        if not rest:
            raise RefusedError(f"nothing follows {kind}; name one")
        if kind == "group":
            draft.group = values.name(rest[0])
        else:
            draft.member = Member(statement, mark=mark(rest[0]))
    else:
        if "/" in kind or "-" in kind:
            raise RefusedError(
                f"{quoted(kind)} is a range, of which keepalived takes the first address alone; write a "
                "virtual_server_group with it, and virtual_server group NAME"
            )
        address, port = _endpoint(statement.arguments)
        draft.member = Member(statement, address.text, port, address.version)
    read_block(statement.block or (), VIRTUAL_SERVER, draft, report)
    return draft
