"""Routes, in the words of ip-route(8) (keepalived.conf(5), virtual_routes and static_routes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast, get_args

import msgspec

from config_service.keepalived import options, values
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.metrics import METRICS, metric
from config_service.keepalived.options import Option
from config_service.keepalived.parser import Statement
from config_service.keepalived.words import Words, unknown
from config_service.problems import LeftOutError, RefusedError
from config_service.report import Report
from vipbus.contracts import Family, NextHop, VirtualRoute
from vipbus.contracts.vrrp_objects import RouteKind

_USAGE: Final = "[TYPE] ADDRESS[/LENGTH] [via ADDRESS] [dev IF] [src ADDRESS] [table TABLE] ..."
_KINDS: Final = get_args(RouteKind)
_WITHOUT_WAY: Final = ("throw", "unreachable", "prohibit", "blackhole")
LEFT_OUT: Final = ("expires", "realms", "ttl-propagate", "congctl")
"""With one word after them; the route is what it is without."""
OTHER_ROUTES: Final = ("encap", "as", "vrf", "nat")
"""Without them it would be another route: the line goes with the word."""
_PREFERENCES: Final = ("low", "medium", "high")


class RouteDraft:
    """One line."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.family: Family | None = None
        self.kind: RouteKind = "unicast"
        self.destination = ""
        self.via: values.Address | None = None
        self.dev: str | None = None
        self.source: values.Address | None = None
        self.source_prefix: str | None = None
        self.table = 254
        self.metric: int | None = None
        self.scope: int | None = None
        self.protocol: int | None = None
        self.tos = 0
        self.preference: Literal["low", "medium", "high"] | None = None
        self.onlink = False
        self.metrics: dict[str, int] = {}
        self.locks = 0
        self.nexthops: list[NextHop] = []
        self.tracked = True
        self.append = False
        self.track_group: str | None = None

    def compiled(self, track_group: str | None = None) -> VirtualRoute:
        """Make the route; ``track_group`` is the instance or sync group that follows it."""
        lock = (("lock", self.locks),) if self.locks else ()
        return VirtualRoute(
            family=self.family or 4,
            destination=self.destination,
            kind=self.kind,
            via=self.via.text if self.via else None,
            dev=self.dev,
            source=self.source.text if self.source else None,
            source_prefix=self.source_prefix,
            table=self.table,
            metric=self.metric,
            scope=self.scope,
            protocol=self.protocol,
            tos=self.tos,
            preference=self.preference,
            onlink=self.onlink,
            metrics=(*self.metrics.items(), *lock),
            nexthops=tuple(self.nexthops),
            tracked=self.tracked,
            track_group=track_group,
        )


def read_route(statement: Statement, names: Names, report: Report, *, static: bool = False) -> RouteDraft:
    """Read a line.

    Raises:
        RefusedError: it is none.
    """
    draft = RouteDraft(statement)
    words = Words((statement.keyword, *statement.arguments))
    if words.peek() in _KINDS:
        draft.kind = cast(RouteKind, words.take())
    while words:
        word = words.take()
        option = OPTIONS.get(word)
        if word == "track_group" and not static:
            raise RefusedError("track_group belongs to static routes; remove it")
        if word in METRICS:
            words.once(word)
            draft.locks |= metric(word, words, draft.metrics)
        elif option is not None:
            if word not in ("nexthop", "or"):
                words.once(_ALIASES.get(word, word))
            option(draft, words, names)
        elif word in LEFT_OUT or word in OTHER_ROUTES:
            _leave_out(word, words, statement, report)
        elif draft.destination:
            raise unknown(word, "a route", _USAGE)
        else:
            _destination(draft, word)
    _check(draft)
    if draft.append:
        report.warning(
            statement.file, statement.line, "append has no effect here: a route that is there is left alone"
        )
    return draft


def _leave_out(word: str, words: Words, statement: Statement, report: Report) -> None:
    """Warn of an option that vipbus goes without.

    Raises:
        LeftOutError: without it, it would be another route.
    """
    what = f"{word} of a route is left out of vipbus"
    if word in OTHER_ROUTES:
        raise LeftOutError(f"{what}, and this route with it; set it by ip route")
    words.argument(word, "a value")
    report.warning(statement.file, statement.line, f"{what}; the route is set without")


def _check(draft: RouteDraft) -> None:
    if not draft.destination:
        raise RefusedError(f"the route has no destination; a line is {_USAGE}")
    _choose_family(draft)
    for what, found in (("via", draft.via), ("src", draft.source)):
        if found is None or found.version == draft.family or (what == "via" and draft.family == 4):
            continue
        raise RefusedError(f"{what} {found.text} is no IPv{draft.family} address, as the destination is")
    if draft.preference is not None and draft.family == 4:
        raise RefusedError("pref is for IPv6 routes only; remove it")
    if draft.source_prefix is not None and draft.family == 4:
        raise RefusedError("from is for IPv6 routes only; src names the preferred source address")
    if draft.nexthops and draft.via is not None:
        raise RefusedError("via before nexthop; name every gateway by nexthop via")
    if draft.nexthops and draft.dev is not None:
        # "via A or B dev IF": one interface for all that name none
        draft.nexthops = [
            hop if hop.dev else msgspec.structs.replace(hop, dev=draft.dev) for hop in draft.nexthops
        ]
        draft.dev = None
    if draft.kind in _WITHOUT_WAY and (draft.via or draft.nexthops):
        raise RefusedError(f"a {draft.kind} route has no gateway; remove via")


def _choose_family(draft: RouteDraft) -> None:
    """Take it from the destination; ``default`` has none of its own."""
    if draft.destination == "default":
        if draft.family is None:
            named = [one.text for one in (draft.via, draft.source) if one]
            named += [hop.via for hop in draft.nexthops if hop.via is not None]
            draft.family = 6 if any(":" in one for one in named) else 4
        draft.destination = "::/0" if draft.family == 6 else "0.0.0.0/0"
    version: Family = 6 if ":" in draft.destination else 4
    if draft.family not in (None, version):
        raise RefusedError(f"{draft.destination} is no IPv{draft.family} prefix; remove inet or inet6")
    draft.family = version


def _destination(draft: RouteDraft, word: str) -> None:
    draft.destination = "default" if word == "default" else values.network(word)[0]


def _to(draft: RouteDraft, words: Words, _names: Names) -> None:
    if draft.destination:
        raise RefusedError("the route has two destinations; remove one")
    _destination(draft, words.argument("to", "a destination"))


def _gateway(option: str, words: Words) -> values.Address:
    words.take_if("inet", "inet6")
    return values.address(words.argument(option, "an address"))


def _via_option(draft: RouteDraft, words: Words, _names: Names) -> None:
    draft.via = _gateway("via", words)


def _or(draft: RouteDraft, words: Words, _names: Names) -> None:
    """Read keepalived's old word for a second gateway."""
    if draft.via is not None:
        draft.nexthops.append(NextHop(via=draft.via.text))
        draft.via = None
    if not draft.nexthops:
        raise RefusedError("or without via before it; write via ADDRESS or ADDRESS")
    draft.nexthops.append(NextHop(via=_gateway("or", words).text))


def _nexthop(draft: RouteDraft, words: Words, _names: Names) -> None:
    via: str | None = None
    dev: str | None = None
    weight, onlink = 1, False
    while word := words.take_if("via", "dev", "weight", "onlink"):
        if word == "via":
            via = _gateway("via", words).text
        elif word == "dev":
            dev = values.interface(words.argument("dev", "an interface"))
        elif word == "weight":
            weight = values.integer(words.argument("weight", "a number"), 1, 256)
        else:
            onlink = True
    if via is None and dev is None:
        raise RefusedError("nexthop needs via or dev after it; name one, or remove nexthop")
    draft.nexthops.append(NextHop(via=via, dev=dev, weight=weight, onlink=onlink))


def _pref(draft: RouteDraft, words: Words, _names: Names) -> None:
    word = values.choice(words.argument("pref", "low, medium or high"), _PREFERENCES)
    draft.preference = cast(Literal["low", "medium", "high"], word)


_METRIC: Final = options.number("metric", "metric", 2**32 - 1)
_PROTOCOL: Final = options.named("protocol", "a routing protocol", "protocol", "rt_protos")
_TOS: Final = options.named("tos", "a traffic class", "tos", "rt_dsfield")

OPTIONS: Final[Mapping[str, Option]] = {
    "to": _to,
    "via": _via_option,
    "gw": _via_option,
    "or": _or,
    "nexthop": _nexthop,
    "dev": options.interface("dev"),
    "oif": options.interface("dev"),
    "src": options.word("src", "an address", "source", values.address),
    "from": options.word("from", "a prefix", "source_prefix", lambda word: values.network(word)[0]),
    "table": options.named("table", "a routing table", "table", "rt_tables"),
    "metric": _METRIC,
    "priority": _METRIC,
    "preference": _METRIC,
    "scope": options.named("scope", "a scope", "scope", "rt_scopes"),
    "protocol": _PROTOCOL,
    "proto": _PROTOCOL,
    "tos": _TOS,
    "dsfield": _TOS,
    "pref": _pref,
    "onlink": options.flag("onlink"),
    "inet": options.flag("family", 4),
    "inet6": options.flag("family", 6),
    "append": options.flag("append"),
    "prepend": options.flag("append", False),
    "no_track": options.flag("tracked", False),
    "track_group": options.TRACK_GROUP,
}
_ALIASES: Final = {
    "gw": "via",
    "oif": "dev",
    "priority": "metric",
    "preference": "metric",
    "proto": "protocol",
    "dsfield": "tos",
    "inet6": "inet",
}
