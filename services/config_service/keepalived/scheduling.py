"""How a virtual server chooses: scheduler, flags, persistence, protocol (keepalived.conf(5), ipvsadm(8))."""

from __future__ import annotations

import ipaddress
from typing import Any, Final, NamedTuple, cast, get_args

from config_service.keepalived import fields, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Keyword
from config_service.keepalived.virtual_groups import family
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Protocol, Scheduler, SchedulerFlag

_LONGEST_PERSISTENCE: Final = 2678400
DEFAULT_PERSISTENCE: Final = 360
_FLAGS: Final[dict[str, tuple[str, SchedulerFlag]]] = {
    # the flag of that number has that meaning for this scheduler (ipvsadm(8), --sched-flags)
    "sh-fallback": ("sh", "flag-1"),
    "sh-port": ("sh", "flag-2"),
    "mh-fallback": ("mh", "flag-1"),
    "mh-port": ("mh", "flag-2"),
}


class Granularity(NamedTuple):
    """Clients of one network are one client; which family the text was of."""

    version: int
    prefix: int


class SchedulingDraft:
    """What a ``virtual_server`` says of it."""

    __slots__ = (
        "engine",
        "family",
        "flags",
        "granularity",
        "one_packet",
        "owned_flags",
        "persistence_timeout",
        "protocol",
        "scheduler",
    )

    def __init__(self) -> None:
        self.protocol: Protocol | None = None
        """None: keepalived's default, UDP, which it mentions."""
        self.scheduler: Scheduler = "wlc"
        self.flags: set[SchedulerFlag] = set()
        self.owned_flags: list[Statement] = []
        """Those that name the scheduler that they are for."""
        self.one_packet = False
        self.persistence_timeout: int | None = None
        self.granularity: Granularity | None = None
        self.engine = ""
        self.family = 0
        """As ``ip_family`` says; 0: it does not."""

    def refuse_others_flags(self, report: Report) -> None:
        """Report flags of a scheduler that it is not; where they stand does not matter, unlike keepalived."""
        for said in self.owned_flags:
            owner = _FLAGS[said.keyword][0]
            if owner != self.scheduler:
                report.error(
                    said.file,
                    said.line,
                    f"{said.keyword} is of the scheduler {owner}, and this one is {self.scheduler}; remove "
                    f"it, or choose lvs_sched {owner}",
                )


def _scheduler(part: SchedulingDraft, statement: Statement, _report: Report) -> None:
    part.scheduler = cast(Scheduler, values.choice(statement.arguments[0], get_args(Scheduler)))


def _protocol(part: SchedulingDraft, statement: Statement, _report: Report) -> None:
    word, known = statement.arguments[0], get_args(Protocol)
    # of all these words only the protocol may be lower case in keepalived
    part.protocol = cast(Protocol, values.choice(word.upper() if word.upper() in known else word, known))


def _persistence_timeout(part: SchedulingDraft, statement: Statement, _report: Report) -> None:
    part.persistence_timeout = (
        values.integer(statement.arguments[0], 1, _LONGEST_PERSISTENCE)
        if statement.arguments
        else DEFAULT_PERSISTENCE
    )


def _granularity(part: SchedulingDraft, statement: Statement, _report: Report) -> None:
    word = statement.arguments[0]
    if "." not in word:
        try:
            part.granularity = Granularity(6, values.integer(word, 1, 128))
        except RefusedError:
            raise RefusedError(
                f"{quoted(word)} is no IPv4 mask, like 255.255.255.0, and no IPv6 prefix length from 1 to 128"
            ) from None
        return
    mask = int(ipaddress.IPv4Address(values.any_address(word).text))
    prefix = mask.bit_count()
    if not prefix or mask != (2**32 - 1) >> (32 - prefix) << (32 - prefix):
        raise RefusedError(f"{quoted(word)} is no mask of a network; write one like 255.255.255.0")
    part.granularity = Granularity(4, prefix)


def _family(part: SchedulingDraft, statement: Statement, _report: Report) -> None:
    part.family = family(statement.arguments[0])


def _owned_flag(part: SchedulingDraft, statement: Statement, report: Report) -> None:
    fields.ignored(statement, report)
    part.flags.add(_FLAGS[statement.keyword][1])
    part.owned_flags.append(statement)


def _flag(part: SchedulingDraft, statement: Statement, report: Report) -> None:
    fields.ignored(statement, report)
    part.flags.add(cast(SchedulerFlag, statement.keyword))


KEYWORDS: Final[dict[str, Keyword[Any]]] = {
    "lvs_sched": Keyword("lvs_sched NAME", _scheduler),
    "lb_algo": Keyword("lb_algo NAME", _scheduler, same_as="lvs_sched"),
    **{name: Keyword(name, _flag, least=0) for name in get_args(SchedulerFlag)},
    **{name: Keyword(name, _owned_flag, least=0) for name in _FLAGS},
    "ops": fields.switch("ops", "one_packet"),
    "protocol": Keyword("protocol TCP|UDP|SCTP", _protocol),
    "persistence_timeout": Keyword("persistence_timeout [SECONDS]", _persistence_timeout, least=0),
    "persistence_granularity": Keyword("persistence_granularity NETMASK", _granularity),
    "persistence_engine": fields.word(
        "persistence_engine", "sip", "engine", lambda word: values.choice(word, ("sip",))
    ),
    "ip_family": Keyword("ip_family inet|inet6", _family),
}
