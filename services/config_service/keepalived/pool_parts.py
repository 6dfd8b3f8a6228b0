"""What all members of a group have in common: protocol, quorum, and how the real servers are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

from config_service.keepalived import values
from config_service.keepalived.checkers.common import Site, Surroundings
from config_service.keepalived.checkers.tcp import TcpDraft
from config_service.keepalived.lvs import RealServerDraft, VirtualServerDraft
from config_service.keepalived.programs import report_missing
from config_service.keepalived.virtual_groups import Member
from config_service.pools import NOWHERE
from config_service.report import Report
from vipbus.contracts import Check, FileCheck, PingCheck, Protocol, ScriptCheck

_WITHOUT_PORT: Final = (PingCheck, ScriptCheck, FileCheck)


class Checked(NamedTuple):
    """How a real server is checked."""

    checks: tuple[Check, ...]
    alpha: bool
    """True: it starts down."""


_UNCHECKED: Final = Checked((), alpha=False)


class Parts(NamedTuple):
    """What is made once for a block."""

    protocol: Protocol
    quorum: int
    hysteresis: int
    checked: tuple[Checked, ...]
    """Of each real server."""
    template: tuple[Check, ...]
    """Of real servers that come from elsewhere into an empty pool."""


class Told:
    """Reports each thing once, however many members of a group it is true of."""

    def __init__(self, file: str, report: Report) -> None:
        self._file = file
        self._report = report
        self._seen: set[tuple[int, str]] = set()

    def error(self, line: int, text: str) -> None:
        """Note an error."""
        self._once(line, text, self._report.error)

    def warning(self, line: int, text: str) -> None:
        """Note a warning."""
        self._once(line, text, self._report.warning)

    def _once(self, line: int, text: str, tell: Callable[[str, int, str], None]) -> None:
        if (line, text) not in self._seen:
            self._seen.add((line, text))
            tell(self._file, line, text)


def weight_of(draft: VirtualServerDraft, server: RealServerDraft) -> int:
    """Give a real server's weight, its own or the one that holds for all."""
    return draft.weight if server.weight is None else server.weight


def shared_parts(
    draft: VirtualServerDraft, members: Sequence[Member], around: Surroundings, told: Told, report: Report
) -> Parts:
    """Make them; what is wrong goes into the report."""
    draft.scheduling.refuse_others_flags(report)
    _report_programs(draft, around, report)
    if "sorry_server" not in draft.given:
        for keyword in ("sorry_server_inhibit", "sorry_server_lvs_method"):
            draft.void(keyword, "there is no sorry_server; add it", report)
    quorum, hysteresis = _quorum(draft, told)
    ports = {member.port for member in members}
    port = ports.pop() if len(ports) == 1 else 0
    return Parts(
        protocol=_protocol(draft, members, told, report),
        quorum=quorum,
        hysteresis=hysteresis,
        checked=tuple(_checked(draft, server, port, around, report) for server in draft.real_servers),
        template=() if draft.real_servers else _template(draft, members[0], around, report),
    )


def _protocol(draft: VirtualServerDraft, members: Sequence[Member], told: Told, report: Report) -> Protocol:
    if not any(member.address for member in members):
        draft.void("protocol", "a firewall mark is of every protocol", report)
        return "TCP"
    if draft.scheduling.protocol is not None:
        return draft.scheduling.protocol
    checkers = [one for server in draft.real_servers for one in server.checkers]
    if "protocol" not in draft.given and any(one.speaks_tcp for one in checkers):
        told.warning(
            draft.statement.line,
            f"virtual_server {draft.name} has no protocol and so is UDP, but its real servers are checked by "
            "TCP; say protocol TCP or protocol UDP",
        )
    return "UDP"


def _quorum(draft: VirtualServerDraft, told: Told) -> tuple[int, int]:
    """Give quorum and hysteresis, as keepalived takes them when they cannot be as they are written."""
    quorum, hysteresis = draft.quorum, draft.hysteresis
    weight = sum(weight_of(draft, server) for server in draft.real_servers)
    most = max(weight, 1)
    if quorum > most and draft.real_servers:
        told.warning(
            draft.line_of("quorum"),
            f"quorum: {quorum} is above the weight of the whole pool, {weight}, and is taken as {most}; "
            "choose a smaller one, or add real servers",
        )
        quorum = most
    if hysteresis and hysteresis >= quorum:
        told.warning(
            draft.line_of("hysteresis"),
            f"hysteresis: {hysteresis} is not below the quorum of {quorum} and is taken as 0; choose a "
            "smaller one",
        )
        hysteresis = 0
    return quorum, hysteresis


def _checked(
    draft: VirtualServerDraft, server: RealServerDraft, port: int, around: Surroundings, report: Report
) -> Checked:
    """Make a real server's checks; ``port`` is its virtual server's."""
    if not server.checkers and "alpha" not in server.given:
        return _UNCHECKED
    levels = (draft.knobs,) if server.knobs is None else (server.knobs, draft.knobs)
    site = Site(server.address, server.port or port, levels, around)
    checks: list[Check] = []
    for checker in server.checkers:
        made = checker.checks(site, report)
        checks += made
        for check in made:
            if not check.port and not isinstance(check, _WITHOUT_PORT):
                report.error(
                    checker.statement.file,
                    checker.statement.line,
                    f"{checker.statement.keyword} has no port to go to, for its real_server has none; add "
                    "connect_port",
                )
                break
    if "alpha" in server.given and not any(checker.knows_alpha for checker in server.checkers):
        server.void("alpha", "nothing but FILE_CHECK, or nothing at all, checks this real server", report)
    # it starts down if one of its checkers does, for all must pass before it is up
    return Checked(tuple(checks), any(checker.alpha(site) for checker in server.checkers))


def _template(
    draft: VirtualServerDraft, member: Member, around: Surroundings, report: Report
) -> tuple[Check, ...]:
    """Check as an empty TCP_CHECK would, where TCP is spoken."""
    if not member.address or draft.scheduling.protocol != "TCP":
        return ()
    site = Site(values.any_address(NOWHERE[member.version]), 0, (draft.knobs,), around)
    return TcpDraft(draft.statement).checks(site, report)


def _report_programs(draft: VirtualServerDraft, around: Surroundings, report: Report) -> None:
    problem = cache(around.program_problem)
    lines = [draft.quorum_up, draft.quorum_down]
    for server in draft.real_servers:
        if server.notify_up is not None or server.notify_down is not None:
            lines += [server.notify_up, server.notify_down]
    for line in lines:
        if line is not None:
            report_missing(line, problem(line.program.arguments[0]), report)
