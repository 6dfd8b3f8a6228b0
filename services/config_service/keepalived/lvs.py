"""The keywords of ``virtual_server`` and what is in it (keepalived.conf(5), LVS CONFIGURATION)."""

from __future__ import annotations

from typing import Final, cast, get_args

from config_service.keepalived import not_yet, values
from config_service.keepalived.checkers import dns, file, http, misc, smtp, tcp, udp
from config_service.keepalived.checkers.common import ALPHA, AROUND, CheckerDraft, Knobs, checker
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block, within
from config_service.problems import RefusedError, Report, quoted
from vipbus.contracts import ForwardingMethod, Protocol, Scheduler

# the ranges below are keepalived 2.2.7's own, tried out
_LARGEST_WEIGHT: Final = 2**31 - 1
_LONGEST_PERSISTENCE: Final = 2678400
_DEFAULT_PERSISTENCE: Final = 360


class RealServerDraft(Draft):
    """What one ``real_server`` says."""

    __slots__ = ("address", "checkers", "knobs", "port", "weight")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.address = values.Address("", 4)
        self.port = 0
        self.weight = 1
        self.knobs: Knobs | None = None
        """None: it says nothing, as nearly all do."""
        self.checkers: list[CheckerDraft] = []


class VirtualServerDraft(Draft):
    """What one ``virtual_server`` says; None where keepalived has a default that it mentions when used."""

    __slots__ = (
        "address",
        "forwarding",
        "knobs",
        "persistence_timeout",
        "port",
        "protocol",
        "real_servers",
        "scheduler",
    )

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.address = values.Address("", 4)
        self.port = 0
        self.protocol: Protocol | None = None
        self.scheduler: Scheduler = "wlc"
        self.forwarding: ForwardingMethod = "NAT"
        self.persistence_timeout: int | None = None
        self.knobs = Knobs()
        self.real_servers: list[RealServerDraft] = []


def _weight(draft: RealServerDraft, statement: Statement, _report: Report) -> None:
    draft.weight = values.integer(statement.arguments[0], 0, _LARGEST_WEIGHT)


def _knobs(draft: RealServerDraft) -> Knobs:
    if draft.knobs is None:
        draft.knobs = Knobs()
    return draft.knobs


REAL_SERVER: Final = declare(
    Table(
        "real_server",
        {
            "weight": Keyword("weight NUMBER", _weight),
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
        not_yet.REAL_SERVER,
    )
)


def _alpha(knobs: Knobs, statement: Statement, report: Report) -> None:
    knobs.alpha = True
    if statement.arguments:
        report.warning(
            statement.file,
            statement.line,
            f"alpha takes no value in a virtual_server, and is on whatever stands after it; remove "
            f"{quoted(statement.arguments[0])}, or alpha",
        )


def _scheduler(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    draft.scheduler = cast(Scheduler, values.choice(statement.arguments[0], get_args(Scheduler)))


def _forwarding(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    draft.forwarding = cast(
        ForwardingMethod, values.choice(statement.arguments[0], get_args(ForwardingMethod))
    )
    if len(statement.arguments) > 1:
        raise RefusedError(
            f"{quoted(statement.arguments[1])} after the method is not supported by vipbus yet; remove it"
        )


def _protocol(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    word, known = statement.arguments[0], get_args(Protocol)
    # of all these words only the protocol may be lower case in keepalived
    draft.protocol = cast(Protocol, values.choice(word.upper() if word.upper() in known else word, known))


def _persistence_timeout(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    draft.persistence_timeout = (
        values.integer(statement.arguments[0], 1, _LONGEST_PERSISTENCE)
        if statement.arguments
        else _DEFAULT_PERSISTENCE
    )


def _real_server(draft: VirtualServerDraft, statement: Statement, report: Report) -> None:
    server = RealServerDraft(statement)
    server.address, server.port = _endpoint(statement)
    read_block(statement.block or (), REAL_SERVER, server, report)
    draft.real_servers.append(server)


def _endpoint(statement: Statement) -> tuple[values.Address, int]:
    if len(statement.arguments) == 1:
        raise RefusedError("an address without a port is not supported by vipbus yet; add the port")
    return values.address(statement.arguments[0]), values.port(statement.arguments[1])


VIRTUAL_SERVER: Final = declare(
    Table(
        "virtual_server",
        {
            **within(lambda draft: draft.knobs, {**AROUND, "alpha": Keyword("alpha", _alpha, least=0)}),
            "lvs_sched": Keyword("lvs_sched NAME", _scheduler),
            "lb_algo": Keyword("lb_algo NAME", _scheduler, same_as="lvs_sched"),
            "lvs_method": Keyword("lvs_method NAT|DR|TUN", _forwarding, most=16),
            "lb_kind": Keyword("lb_kind NAT|DR|TUN", _forwarding, most=16, same_as="lvs_method"),
            "protocol": Keyword("protocol TCP|UDP|SCTP", _protocol),
            "persistence_timeout": Keyword("persistence_timeout [SECONDS]", _persistence_timeout, least=0),
            "real_server": Keyword(
                "real_server ADDRESS PORT { ... }", _real_server, most=2, block=True, repeats=True
            ),
        },
        not_yet.VIRTUAL_SERVER,
    )
)


def read_virtual_server(statement: Statement, report: Report) -> VirtualServerDraft:
    """Read a ``virtual_server`` block.

    Raises:
        RefusedError: what follows the keyword is no address and port.
    """
    if statement.arguments[0] in ("fwmark", "group"):
        raise RefusedError(
            f"{statement.arguments[0]} is keepalived's, but vipbus does not support it yet; "
            "name an address and a port"
        )
    draft = VirtualServerDraft(statement)
    draft.address, draft.port = _endpoint(statement)
    read_block(statement.block or (), VIRTUAL_SERVER, draft, report)
    return draft
