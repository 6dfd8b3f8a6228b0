"""When neighbours are told where the addresses are: the ``garp_*`` keywords, and ``garp_group``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from config_service.keepalived import fields, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.problems import RefusedError
from config_service.report import Report
from vipbus.contracts import Garp, VirtualAddress

_DAY: Final = 86400
_LONGEST: Final = 4294
_MOST: Final = 2**31 - 1
_SHORTEST, _LONGEST_PAUSE = "0.000001", "4294.967295"


class GarpDraft:
    """What an instance says; None: the global default."""

    def __init__(self) -> None:
        self.master_delay: float | None = None
        self.master_repeat: int | None = None
        self.lower_prio_delay: float | None = None
        self.lower_prio_repeat: int | None = None
        self.master_refresh: float | None = None
        self.master_refresh_repeat: int | None = None
        self.extra: float | None = None
        self.extra_all = False


class GarpDefaults(GarpDraft):
    """What ``global_defs`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.arp_interval = 0.0
        self.na_interval = 0.0
        self.minimum = False

    @property
    def delay(self) -> float:
        """From the first burst to the second, in seconds."""
        return (0.0 if self.minimum else 5.0) if self.master_delay is None else self.master_delay

    @property
    def repeat(self) -> int:
        """Of each address in a burst."""
        return (1 if self.minimum else 5) if self.master_repeat is None else self.master_repeat


def _extra(draft: GarpDraft, statement: Statement, _report: Report) -> None:
    words = statement.arguments
    if len(words) == 2 and words[0] != "all":
        raise RefusedError(f"it is written {statement.keyword} [all] SECONDS")
    if words[-1] == "all":
        raise RefusedError("the seconds are missing; add them, or 0 for none")
    draft.extra_all = len(words) == 2
    draft.extra = float(values.integer(words[-1], 0, _DAY))


def keywords(prefix: str) -> dict[str, Keyword[Any]]:
    """Make the keywords that an instance and, with ``vrrp_`` before them, ``global_defs`` have."""

    def name(word: str) -> str:
        return f"{prefix}garp_{word}"

    return {
        name("master_delay"): fields.whole_seconds(name("master_delay"), "master_delay", 0, _LONGEST),
        name("master_repeat"): fields.whole(name("master_repeat"), "master_repeat", 1, _MOST),
        name("lower_prio_delay"): fields.whole_seconds(
            name("lower_prio_delay"), "lower_prio_delay", 0, _LONGEST
        ),
        name("lower_prio_repeat"): fields.whole(name("lower_prio_repeat"), "lower_prio_repeat", 0, _MOST),
        name("master_refresh"): fields.whole_seconds(name("master_refresh"), "master_refresh", 0, _LONGEST),
        name("master_refresh_repeat"): fields.whole(
            name("master_refresh_repeat"), "master_refresh_repeat", 1, _MOST
        ),
        name("extra_if"): Keyword(f"{name('extra_if')} [all] SECONDS", _extra, most=2),
    }


GLOBAL: Final[dict[str, Keyword[GarpDefaults]]] = {
    **keywords("vrrp_"),
    "vrrp_garp_interval": fields.seconds("vrrp_garp_interval", "arp_interval", _SHORTEST, _LONGEST_PAUSE),
    "vrrp_gna_interval": fields.seconds("vrrp_gna_interval", "na_interval", _SHORTEST, _LONGEST_PAUSE),
    "vrrp_min_garp": fields.boolean("vrrp_min_garp", "minimum"),
}
INSTANCE: Final[dict[str, Keyword[GarpDraft]]] = {
    **keywords(""),
    # until 2.2.2
    "vmac_garp_intvl": Keyword("vmac_garp_intvl [all] SECONDS", _extra, most=2, same_as="garp_extra_if"),
}


class GarpGroupDraft(Draft):
    """What one ``garp_group`` says: the pace on some interfaces."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.arp_interval: float | None = None
        self.na_interval: float | None = None
        self.interfaces: list[str] = []


def _interface(draft: GarpGroupDraft, statement: Statement, _report: Report) -> None:
    draft.interfaces.append(values.interface(statement.arguments[0]))


def _interfaces(draft: GarpGroupDraft, statement: Statement, _report: Report) -> None:
    for line in statement.block or ():
        draft.interfaces += [values.interface(word) for word in (line.keyword, *line.arguments)]


GARP_GROUP: Final = declare(
    Table(
        "garp_group",
        {
            "garp_interval": fields.seconds("garp_interval", "arp_interval", _SHORTEST, _LONGEST_PAUSE),
            "gna_interval": fields.seconds("gna_interval", "na_interval", _SHORTEST, _LONGEST_PAUSE),
            "interface": Keyword("interface NAME", _interface),
            "interfaces": Keyword(
                "interfaces { NAME ... }", _interfaces, least=0, most=0, block=True, same_as="interface"
            ),
        },
    )
)


def read_garp_group(statement: Statement, report: Report) -> GarpGroupDraft:
    """Read a ``garp_group`` block."""
    draft = GarpGroupDraft(statement)
    read_block(statement.block or (), GARP_GROUP, draft, report)
    if not draft.interfaces:
        report.error(statement.file, statement.line, "garp_group has no interface; add interface NAME")
    elif draft.arp_interval is None and draft.na_interval is None:
        report.error(
            statement.file, statement.line, "garp_group has no interval; add garp_interval or gna_interval"
        )
    elif len(draft.interfaces) > 1:
        report.warning(
            statement.file,
            draft.line_of("interface"),
            "the interval holds for each of these interfaces, not for all of them together",
        )
    return draft


def compile_garp(
    draft: GarpDraft,
    defaults: GarpDefaults,
    groups: Sequence[GarpGroupDraft],
    addresses: Sequence[VirtualAddress],
    interface: str,
    *,
    strict: bool,
) -> Garp:
    """Fill in the defaults: an instance's own, the global ones, keepalived's."""
    delay = defaults.delay if draft.master_delay is None else draft.master_delay
    repeat = defaults.repeat if draft.master_repeat is None else draft.master_repeat
    # keepalived takes the default from the global keyword even where the instance has one of its own
    lower_delay = _first(draft.lower_prio_delay, defaults.lower_prio_delay, defaults.delay)
    lower_repeat = _first(draft.lower_prio_repeat, defaults.lower_prio_repeat, defaults.repeat)
    if strict:
        lower_delay = lower_repeat = 0
    refresh = _first(draft.master_refresh, defaults.master_refresh, 0.0)
    extra, extra_all = (
        (defaults.extra, defaults.extra_all) if draft.extra is None else (draft.extra, draft.extra_all)
    )
    others = _others(addresses, interface, every=extra_all) if extra else ()
    if others and extra:
        # there is one refresh: as often as the one of both that is more often
        refresh = min(refresh, extra) if refresh else extra
    pace = [group for group in groups if {interface, *(one.dev for one in addresses)} & {*group.interfaces}]
    return Garp(
        master_delay=delay,
        master_repeat=repeat,
        lower_prio_delay=None if lower_delay == delay else float(lower_delay),
        lower_prio_repeat=None if lower_repeat == repeat else int(lower_repeat),
        master_refresh=float(refresh),
        master_refresh_repeat=int(_first(draft.master_refresh_repeat, defaults.master_refresh_repeat, 1)),
        arp_interval=_slowest([group.arp_interval for group in pace], defaults.arp_interval),
        na_interval=_slowest([group.na_interval for group in pace], defaults.na_interval),
        extra_interfaces=others,
        extra_all=bool(others) and extra_all,
    )


def _first(*given: float | None) -> float:
    return next(one for one in given if one is not None)


def _slowest(given: Collection[float | None], default: float) -> float:
    return max((one for one in given if one is not None), default=default)


def _others(addresses: Sequence[VirtualAddress], interface: str, *, every: bool) -> tuple[str, ...]:
    """Name the interfaces beside the instance's own that hold addresses, each once."""
    held = [one.dev for one in addresses if one.dev != interface and (every or one.own_mac)]
    return tuple(dict.fromkeys(held))
