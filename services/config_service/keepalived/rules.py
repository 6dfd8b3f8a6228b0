"""Policy rules, in the words of ip-rule(8) (keepalived.conf(5), virtual_rules and static_rules)."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Final, Literal

from config_service.keepalived import options, values
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.options import Option
from config_service.keepalived.parser import Statement
from config_service.keepalived.words import Words, unknown
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import Family, VirtualRule

_USAGE: Final = "[not] [from PREFIX] [to PREFIX] [iif IF] [fwmark MARK] table TABLE preference NUMBER ..."
_HIGHEST: Final = 2**32 - 1
_RANGE: Final = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")

Action = Literal["lookup", "goto", "nop", "blackhole", "unreachable", "prohibit"]


class RuleDraft:
    """One line."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.family: Family | None = None
        self.priority: int | None = None
        self.action: Action | None = None
        self.table: int | None = None
        self.goto: int | None = None
        self.invert = False
        self.source: str | None = None
        self.destination: str | None = None
        self.tos = 0
        self.mark: int | None = None
        self.mask: int | None = None
        self.iif: str | None = None
        self.oif: str | None = None
        self.l3mdev = False
        self.tunnel: int | None = None
        self.suppress_prefix_length: int | None = None
        self.suppress_interface_group: int | None = None
        self.realm: int | None = None
        self.user_ids: tuple[int, int] | None = None
        self.ip_protocol: int | None = None
        self.source_ports: tuple[int, int] | None = None
        self.destination_ports: tuple[int, int] | None = None
        self.protocol: int | None = None
        self.tracked = True
        self.track_group: str | None = None

    def compiled(self, track_group: str | None = None) -> VirtualRule:
        """Make the rule; ``track_group`` is the instance or sync group that follows it."""
        return VirtualRule(
            family=self.family or 4,
            priority=self.priority,
            action=self.action or "lookup",
            table=self.table,
            goto=self.goto,
            invert=self.invert,
            source=self.source,
            destination=self.destination,
            tos=self.tos,
            mark=self.mark,
            mask=self.mask,
            iif=self.iif,
            oif=self.oif,
            l3mdev=self.l3mdev,
            tunnel=self.tunnel,
            suppress_prefix_length=self.suppress_prefix_length,
            suppress_interface_group=self.suppress_interface_group,
            realm=self.realm,
            user_ids=self.user_ids,
            ip_protocol=self.ip_protocol,
            source_ports=self.source_ports,
            destination_ports=self.destination_ports,
            protocol=self.protocol,
            tracked=self.tracked,
            track_group=track_group,
        )


def read_rule(statement: Statement, names: Names, report: Report, *, static: bool = False) -> RuleDraft:
    """Read a line.

    Raises:
        RefusedError: it is none.
    """
    draft = RuleDraft(statement)
    words = Words((statement.keyword, *statement.arguments))
    while words:
        word = words.take()
        if word == "track_group" and not static:
            raise RefusedError("track_group belongs to static rules; remove it")
        option = OPTIONS.get(word)
        if option is None:
            raise unknown(word, "a rule", _USAGE)
        words.once(_ALIASES.get(word, word))
        option(draft, words, names)
    _check(draft)
    if draft.priority is None:
        report.warning(
            statement.file,
            statement.line,
            "the rule has no preference, so where it stands among others depends on when it is added; "
            "add preference NUMBER",
        )
    return draft


def _check(draft: RuleDraft) -> None:
    if draft.action is None and not draft.l3mdev:
        raise RefusedError(
            "the rule says not what to do; add table TABLE, goto NUMBER, blackhole, unreachable or prohibit"
        )
    if draft.action == "lookup" and draft.l3mdev:
        raise RefusedError("l3mdev takes the table of the interface's VRF; remove table")
    if draft.goto is not None:
        if draft.priority is None:
            raise RefusedError("goto needs a preference to go on from; add preference NUMBER")
        if draft.priority >= draft.goto:
            raise RefusedError(f"goto {draft.goto} does not go forward from preference {draft.priority}")
    if draft.realm is not None and draft.action not in (None, "lookup"):
        raise RefusedError("realms are for rules with a table only; remove it")


def _family(draft: RuleDraft, family: Family) -> None:
    if draft.family not in (None, family):
        raise RefusedError("the rule mixes IPv4 and IPv6; write one rule for each")
    draft.family = family


def _prefix(name: str, field: str) -> Option:
    def option(draft: RuleDraft, words: Words, _names: Names) -> None:
        word = words.argument(name, "a prefix")
        if word not in ("all", "any", "default"):
            text, version = values.masked_network(word)
            _family(draft, 6 if version == 6 else 4)
            setattr(draft, field, text)

    return option


def _act(draft: RuleDraft, action: Action) -> None:
    if draft.action is not None:
        raise RefusedError(
            "only one of table, goto, nop, blackhole, unreachable and prohibit; remove the others"
        )
    draft.action = action


def _table(draft: RuleDraft, words: Words, names: Names) -> None:
    _act(draft, "lookup")
    draft.table = names.number("rt_tables", words.argument("table", "a routing table"))
    if draft.table == 0:
        raise RefusedError("table 0 is none; main is 254")


def _goto(draft: RuleDraft, words: Words, _names: Names) -> None:
    _act(draft, "goto")
    draft.goto = values.number(words.argument("goto", "a preference"), 1, _HIGHEST)


def _type(draft: RuleDraft, words: Words, _names: Names) -> None:
    word = words.argument("type", "an action")
    _action(values.choice(word, ("blackhole", "unreachable", "prohibit", "nop")))(draft, words, _names)


def _action(action: str) -> Option:
    def option(draft: RuleDraft, _words: Words, _names: Names) -> None:
        _act(draft, action)  # type: ignore[arg-type]  # every caller names one of them

    return option


def _mark(draft: RuleDraft, words: Words, _names: Names) -> None:
    mark, slash, mask = words.argument("fwmark", "a mark").partition("/")
    draft.mark = values.number(mark, 0, _HIGHEST)
    draft.mask = values.number(mask, 0, _HIGHEST) if slash else None


def _realms(draft: RuleDraft, words: Words, names: Names) -> None:
    word = words.argument("realms", "a realm")
    first, slash, second = word.partition("/")
    if slash and not (first and second):
        raise RefusedError(f"{quoted(word)} is no realm; write REALM or FROM/TO")
    realms = [names.number("rt_realms", part) for part in ((first, second) if slash else ("0", first))]
    draft.realm = realms[0] << 16 | realms[1]


def _range(option: str, words: Words, low: int, high: int) -> tuple[int, int]:
    word = words.argument(option, "a number or a range")
    found = _RANGE.fullmatch(word)
    first = int(found[1]) if found else -1
    last = int(found[2]) if found and found[2] else first
    if not low <= first <= last <= high:
        raise RefusedError(f"{option} {quoted(word)} is no number or range from {low} to {high}")
    return first, last


def _user_ids(draft: RuleDraft, words: Words, _names: Names) -> None:
    draft.user_ids = _range("uidrange", words, 0, _HIGHEST - 1)


def _source_ports(draft: RuleDraft, words: Words, _names: Names) -> None:
    draft.source_ports = _range("sport", words, 1, 65535)


def _destination_ports(draft: RuleDraft, words: Words, _names: Names) -> None:
    draft.destination_ports = _range("dport", words, 1, 65535)


def _ip_protocol(draft: RuleDraft, words: Words, _names: Names) -> None:
    word = words.argument("ipproto", "a protocol")
    if word[:1].isdigit():
        draft.ip_protocol = values.number(word, 1, 255)
        return
    try:
        draft.ip_protocol = socket.getprotobyname(word.lower())
    except (OSError, UnicodeError, ValueError):
        raise RefusedError(
            f"{quoted(word)} is no protocol that this machine knows; write its number"
        ) from None


def _inet(family: Family) -> Option:
    def option(draft: RuleDraft, _words: Words, _names: Names) -> None:
        _family(draft, family)

    return option


_PREFERENCE: Final = options.number("preference", "priority", _HIGHEST)
_TOS: Final = options.named("tos", "a traffic class", "tos", "rt_dsfield")
_SUPPRESS_LENGTH: Final = options.word(
    "suppress_prefixlength", "a length", "suppress_prefix_length", lambda word: values.integer(word, 0, 128)
)
_SUPPRESS_GROUP: Final = options.named("suppress_ifgroup", "a group", "suppress_interface_group", "group")
_PROTOCOL: Final = options.named("protocol", "a routing protocol", "protocol", "rt_protos")

OPTIONS: Final[Mapping[str, Option]] = {
    "not": options.flag("invert"),
    "from": _prefix("from", "source"),
    "to": _prefix("to", "destination"),
    "preference": _PREFERENCE,
    "pref": _PREFERENCE,
    "priority": _PREFERENCE,
    "order": _PREFERENCE,
    "table": _table,
    "lookup": _table,
    "goto": _goto,
    "type": _type,
    "nop": _action("nop"),
    "blackhole": _action("blackhole"),
    "unreachable": _action("unreachable"),
    "prohibit": _action("prohibit"),
    "fwmark": _mark,
    "tos": _TOS,
    "dsfield": _TOS,
    "iif": options.interface("iif"),
    "dev": options.interface("iif"),
    "oif": options.interface("oif"),
    "l3mdev": options.flag("l3mdev"),
    "tun_id": options.number("tun_id", "tunnel", 2**64 - 1, 1),
    "suppress_prefixlength": _SUPPRESS_LENGTH,
    "sup_pl": _SUPPRESS_LENGTH,
    "suppress_ifgroup": _SUPPRESS_GROUP,
    "sup_group": _SUPPRESS_GROUP,
    "realms": _realms,
    "uidrange": _user_ids,
    "ipproto": _ip_protocol,
    "ip_proto": _ip_protocol,
    "sport": _source_ports,
    "dport": _destination_ports,
    "protocol": _PROTOCOL,
    "proto": _PROTOCOL,
    "inet": _inet(4),
    "inet6": _inet(6),
    "no_track": options.flag("tracked", False),
    "track_group": options.TRACK_GROUP,
}
_ALIASES: Final = {
    "pref": "preference",
    "priority": "preference",
    "order": "preference",
    "lookup": "table",
    "dsfield": "tos",
    "dev": "iif",
    "sup_pl": "suppress_prefixlength",
    "sup_group": "suppress_ifgroup",
    "ip_proto": "ipproto",
    "proto": "protocol",
}
