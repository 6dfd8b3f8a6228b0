"""The keywords of ``virtual_server`` and what is in it (keepalived.conf(5), LVS CONFIGURATION)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, cast, get_args

from config_service.keepalived import not_yet, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.problems import RefusedError, Report, quoted
from vipbus.contracts import ForwardingMethod, Protocol, Scheduler

# the ranges below are keepalived 2.2.7's own, tried out
_LONGEST_TIMEOUT: Final = "4294.967295"
_LARGEST_WEIGHT: Final = 2**31 - 1
_LONGEST_PERSISTENCE: Final = 2678400
_DEFAULT_PERSISTENCE: Final = 360


class CheckDraft(Draft):
    """What one ``TCP_CHECK`` says; no port: the real server's."""

    __slots__ = ("connect_timeout", "delay_before_retry", "port", "retry")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.port: int | None = None
        self.connect_timeout = Decimal(5)
        self.retry = 1
        self.delay_before_retry = Decimal(1)


class RealServerDraft(Draft):
    """What one ``real_server`` says."""

    __slots__ = ("address", "checks", "port", "weight")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.address = values.Address("", 4)
        self.port = 0
        self.weight = 1
        self.checks: list[CheckDraft] = []


class VirtualServerDraft(Draft):
    """What one ``virtual_server`` says; None where keepalived has a default that it mentions when used."""

    __slots__ = (
        "address",
        "delay_loop",
        "forwarding",
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
        self.delay_loop = Decimal(60)
        self.protocol: Protocol | None = None
        self.scheduler: Scheduler = "wlc"
        self.forwarding: ForwardingMethod = "NAT"
        self.persistence_timeout: int | None = None
        self.real_servers: list[RealServerDraft] = []


def _connect_timeout(draft: CheckDraft, statement: Statement, _report: Report) -> None:
    draft.connect_timeout = values.seconds(statement.arguments[0], "0.000001", _LONGEST_TIMEOUT)


def _connect_port(draft: CheckDraft, statement: Statement, _report: Report) -> None:
    draft.port = values.port(statement.arguments[0])


def _retry(draft: CheckDraft, statement: Statement, _report: Report) -> None:
    draft.retry = values.integer(statement.arguments[0], 0, 2**32 - 1)


def _delay_before_retry(draft: CheckDraft, statement: Statement, _report: Report) -> None:
    draft.delay_before_retry = values.seconds(statement.arguments[0], "0", _LONGEST_TIMEOUT)


TCP_CHECK: Final = declare(
    Table(
        "TCP_CHECK",
        {
            "connect_timeout": Keyword("connect_timeout SECONDS", _connect_timeout),
            "connect_port": Keyword("connect_port PORT", _connect_port),
            "retry": Keyword("retry COUNT", _retry),
            "delay_before_retry": Keyword("delay_before_retry SECONDS", _delay_before_retry),
        },
        not_yet.TCP_CHECK,
    )
)


def _weight(draft: RealServerDraft, statement: Statement, _report: Report) -> None:
    draft.weight = values.integer(statement.arguments[0], 0, _LARGEST_WEIGHT)


def _tcp_check(draft: RealServerDraft, statement: Statement, report: Report) -> None:
    check = CheckDraft(statement)
    read_block(statement.block or (), TCP_CHECK, check, report)
    draft.checks.append(check)


REAL_SERVER: Final = declare(
    Table(
        "real_server",
        {
            "weight": Keyword("weight NUMBER", _weight),
            "TCP_CHECK": Keyword("TCP_CHECK { ... }", _tcp_check, least=0, most=0, block=True, repeats=True),
        },
        not_yet.REAL_SERVER,
    )
)


def _delay_loop(draft: VirtualServerDraft, statement: Statement, _report: Report) -> None:
    # keepalived takes a microsecond, too; nothing answers that often
    draft.delay_loop = values.seconds(statement.arguments[0], "0.001", "2678400")


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
            "delay_loop": Keyword("delay_loop SECONDS", _delay_loop),
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
