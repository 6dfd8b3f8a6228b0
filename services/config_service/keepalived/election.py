"""How an instance takes part in the election: priority, interval, preemption, accept mode."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal, cast

import msgspec

from config_service.keepalived import fields, left_out, values
from config_service.keepalived.defaults import Defaults
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword
from config_service.report import Report

OWNER: Final = 255
"""The priority of a router that owns the addresses (RFC 9568 section 5.2.4)."""
_HUNDREDTH: Final = Decimal("0.01")
_LONGEST: Final = Decimal("40.95")
"""Seconds that version 3's 12 bits of hundredths can say."""
_STALLED: Final = "a router that stalled always steps down before it speaks"


class ElectionDraft:
    """What the file says of it; None: nothing, so that a default holds."""

    def __init__(self) -> None:
        self.state: Literal["MASTER", "BACKUP"] = "BACKUP"
        self.priority: int | None = None
        self.advert_int = Decimal(1)
        self.version: int | None = None
        self.nopreempt = False
        self.preempt_delay = 0.0
        self.down_timer_adverts: int | None = None
        self.strict: bool | None = None
        self.accept: bool | None = None
        self.lower_prio_no_advert: bool | None = None
        self.higher_prio_send_advert: bool | None = None
        self.owner_ignore_adverts: bool | None = None


class Election(msgspec.Struct, frozen=True, kw_only=True):
    """What holds: fields as in `vipbus.contracts.VrrpInstance`."""

    version: Literal[2, 3]
    state: Literal["MASTER", "BACKUP"]
    priority: int
    advert_int: float
    nopreempt: bool
    preempt_delay: float
    down_timer_adverts: int
    strict: bool
    accept: bool
    lower_prio_no_advert: bool
    higher_prio_send_advert: bool
    owner_ignore_adverts: bool


def _state(draft: ElectionDraft, statement: Statement, _report: Report) -> None:
    word = values.choice(statement.arguments[0], ("MASTER", "BACKUP"))
    draft.state = cast(Literal["MASTER", "BACKUP"], word)


def _advert_int(draft: ElectionDraft, statement: Statement, _report: Report) -> None:
    # what is right depends on the version, which may come later in the file
    draft.advert_int = values.seconds(statement.arguments[0], "0.01", "255")


def _timer_expired_backup(_draft: ElectionDraft, statement: Statement, report: Report) -> None:
    if statement.arguments:
        values.integer(statement.arguments[0], 1, 254)
    report.warning(
        statement.file,
        statement.line,
        f"{statement.keyword} has no effect here: {_STALLED}, with or without it",
    )


KEYWORDS: Final[dict[str, Keyword[ElectionDraft]]] = {
    "state": Keyword("state MASTER|BACKUP", _state),
    "priority": fields.whole("priority", "priority", 1, 255),
    "advert_int": Keyword("advert_int SECONDS", _advert_int),
    "version": Keyword(
        "version 2|3",
        lambda draft, line, _: setattr(draft, "version", values.integer(line.arguments[0], 2, 3)),
    ),
    "nopreempt": fields.flag("nopreempt", "nopreempt"),
    "preempt": fields.flag("preempt", "nopreempt", False, same_as="nopreempt"),
    "preempt_delay": fields.seconds("preempt_delay", "preempt_delay", "0", "1000"),
    "down_timer_adverts": fields.whole("down_timer_adverts", "down_timer_adverts", 1, 100),
    "strict_mode": fields.boolean("strict_mode", "strict"),
    "accept": fields.flag("accept", "accept"),
    "no_accept": fields.flag("no_accept", "accept", False, same_as="accept"),
    "lower_prio_no_advert": fields.boolean("lower_prio_no_advert", "lower_prio_no_advert"),
    "higher_prio_send_advert": fields.boolean("higher_prio_send_advert", "higher_prio_send_advert"),
    "owner_ignore_adverts": fields.boolean("owner_ignore_adverts", "owner_ignore_adverts"),
    "timer_expired_backup": Keyword(
        "timer_expired_backup [PRIORITY]", _timer_expired_backup, least=0, idle=_STALLED
    ),
    "thread_timer_expired": Keyword(
        "thread_timer_expired [PRIORITY]",
        _timer_expired_backup,
        least=0,
        same_as="timer_expired_backup",
        idle=_STALLED,
    ),
    "skip_check_adv_addr": fields.without_effect("skip_check_adv_addr", left_out.COMPARED),
}


class _Said:
    """Warns of keywords that mean nothing beside others, at their lines."""

    def __init__(self, draft: Draft, report: Report) -> None:
        self._draft = draft
        self._report = report

    def void(self, keyword: str, why: str) -> None:
        self._draft.void(keyword, why, self._report)

    def warning(self, keyword: str, text: str) -> None:
        self._report.warning(self._draft.statement.file, self._draft.line_of(keyword), text)


def compile_election(
    election: ElectionDraft, draft: Draft, family: int, defaults: Defaults, report: Report
) -> Election:
    """Fill in the defaults, and void what contradicts what else is there, as keepalived does."""
    said = _Said(draft, report)
    version = _version(election, family, defaults, said)
    strict = defaults.strict if election.strict is None else election.strict
    state, priority = _priority(election, said, strict=strict)
    nopreempt = _nopreempt(election, said, priority)
    return Election(
        version=version,
        state=state,
        priority=priority,
        advert_int=_interval(election, version, said),
        nopreempt=nopreempt,
        preempt_delay=_preempt_delay(
            election, said, nopreempt=nopreempt, owner=priority == OWNER, strict=strict
        ),
        down_timer_adverts=_down_timer_adverts(election, defaults, said, strict=strict),
        strict=strict,
        accept=_accept(election, said, priority, version, strict=strict),
        lower_prio_no_advert=_lower_prio_no_advert(election, defaults, said, strict=strict),
        higher_prio_send_advert=_higher_prio_send_advert(election, defaults, said, strict=strict),
        owner_ignore_adverts=(
            defaults.owner_ignore_adverts
            if election.owner_ignore_adverts is None
            else election.owner_ignore_adverts
        ),
    )


def _version(election: ElectionDraft, family: int, defaults: Defaults, said: _Said) -> Literal[2, 3]:
    if family == 6:
        if election.version == 2:
            said.void("version", "VRRP for IPv6 is version 3")
        return 3
    return cast(Literal[2, 3], election.version or defaults.version)


def _priority(
    election: ElectionDraft, said: _Said, *, strict: bool
) -> tuple[Literal["MASTER", "BACKUP"], int]:
    if election.priority is None and election.state == "MASTER":
        said.warning(
            "state",
            "state MASTER without a priority means 255, the owner of the addresses; add priority to say so",
        )
        return "MASTER", OWNER
    priority = 100 if election.priority is None else election.priority
    if strict and election.state == "MASTER" and priority != OWNER:
        said.void("state", "in strict mode only priority 255 begins as MASTER")
        return "BACKUP", priority
    return election.state, priority


def _interval(election: ElectionDraft, version: int, said: _Said) -> float:
    """Give what the version can carry, rounded as keepalived does."""
    interval = election.advert_int
    if version == 2:
        carried = max(interval.quantize(Decimal(1), ROUND_HALF_UP), Decimal(1))
        why = "version 2 has whole seconds from 1 to 255"
        advice = f"write {carried}, or add version 3"
    else:
        carried = min(interval.quantize(_HUNDREDTH, ROUND_HALF_UP), _LONGEST)
        why = f"version 3 has 0.01 to {_LONGEST} seconds in steps of 0.01"
        advice = f"write {carried}"
    if carried != interval:
        said.warning("advert_int", f"advert_int {interval} is taken as {carried}: {why}; {advice}")
    return float(carried)


def _nopreempt(election: ElectionDraft, said: _Said, priority: int) -> bool:
    if election.nopreempt and priority == OWNER:
        said.void("nopreempt", "priority 255 owns the address and always takes over")
        return False
    if election.nopreempt and election.state == "MASTER":
        said.void("nopreempt", "state MASTER asks for the opposite; write state BACKUP to keep it")
        return False
    return election.nopreempt


def _preempt_delay(
    election: ElectionDraft, said: _Said, *, nopreempt: bool, owner: bool, strict: bool
) -> float:
    if strict:
        said.void("preempt_delay", "strict mode has no delay")
    elif nopreempt:
        said.void("preempt_delay", "with nopreempt nothing is taken over that could be delayed")
    elif owner:
        said.void("preempt_delay", "priority 255 owns the address and always takes over")
    elif election.state == "MASTER":
        said.void("preempt_delay", "state MASTER asks for the opposite; write state BACKUP to keep it")
    else:
        return election.preempt_delay
    return 0.0


def _down_timer_adverts(election: ElectionDraft, defaults: Defaults, said: _Said, *, strict: bool) -> int:
    if strict:
        if election.down_timer_adverts not in (None, 3):
            said.void("down_timer_adverts", "in strict mode it is 3")
        return 3
    return election.down_timer_adverts or defaults.down_timer_adverts


def _accept(election: ElectionDraft, said: _Said, priority: int, version: int, *, strict: bool) -> bool:
    if priority == OWNER:
        return True
    if strict and version == 2 and election.accept:
        said.void("accept", "strict mode knows it for version 3 only")
        return False
    return not strict if election.accept is None else election.accept


def _lower_prio_no_advert(election: ElectionDraft, defaults: Defaults, said: _Said, *, strict: bool) -> bool:
    if strict:
        if election.lower_prio_no_advert is False:
            said.void("lower_prio_no_advert", "strict mode does not answer a lower priority")
        return True
    given = election.lower_prio_no_advert
    return defaults.lower_prio_no_advert if given is None else given


def _higher_prio_send_advert(
    election: ElectionDraft, defaults: Defaults, said: _Said, *, strict: bool
) -> bool:
    if strict:
        if election.higher_prio_send_advert:
            said.void("higher_prio_send_advert", "strict mode yields without a last advertisement")
        return False
    given = election.higher_prio_send_advert
    return defaults.higher_prio_send_advert if given is None else given
