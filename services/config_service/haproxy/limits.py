"""Limits by client, and who is not let in, where their rules are those that the model writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from config_service.haproxy.body import Body
from config_service.haproxy.rules import Acls, split
from config_service.haproxy.sections import Line
from config_service.haproxy.values import seconds, size
from config_service.problems import RefusedError
from vipbus.contracts import ClientLimit
from vipbus.contracts.proxy_limits import check_network

_STORED: Final = re.compile(r"(http_req_rate|conn_rate|conn_cur)(?:\(([^()]*)\))?")
_COUNTED: Final = re.compile(
    r"(?:sc0?_(http_req_rate|conn_rate|conn_cur)\(0\)|sc0_(http_req_rate|conn_rate|conn_cur))"
)
_SETS: Final = ("set-header", "add-header", "del-header")


class Limits(NamedTuple):
    """What was read, and of which lines."""

    deny: tuple[str, ...]
    limit: ClientLimit | None
    taken: tuple[Line, ...]


def limits(body: Body, acls: Acls) -> Limits:
    """Read them; what is otherwise stays for a snippet."""
    connection = body.every("tcp-request connection", "tcp-request session")
    deny: list[str] = []
    taken: list[Line] = []
    for line in connection:
        found = _denied(line, acls)
        if found is None:
            break
        deny += found
        taken.append(line)
    rest = [each for each in connection if each not in taken]
    limit, lines = _limit(body, acls, rest)
    for line in rest:
        if line not in lines:
            body.raw(line)
    return Limits(tuple(dict.fromkeys(deny)), limit, (*taken, *lines))


def _denied(line: Line, acls: Acls) -> list[str] | None:
    """Read ``reject if { src NETWORK ... }``."""
    rule = split(line.arguments, acls)
    if rule.words != ["reject"] or rule.said is None or rule.said.unless or line.variable:
        return None
    found: list[str] = []
    for terms in rule.said.either:
        if len(terms) != 1 or terms[0].negated:
            return None
        for words in terms[0].lines:
            if not words or words[0].text != "src" or len(words) == 1:
                return None
            found += [each.text for each in words[1:]]
    try:
        for each in found:
            check_network(each)
    except ValueError:
        return None
    return found


def _limit(body: Body, acls: Acls, connection: Sequence[Line]) -> tuple[ClientLimit | None, tuple[Line, ...]]:
    tables = body.every("stick-table")
    asked = body.every("http-request")
    every = [*connection, *asked]
    tracks = [each for each in every if any("track-sc" in word for word in each.texts[:1])]
    if len(tables) != 1 or len(tracks) != 1 or body.every("stick on", "stick match", "stick store-request"):
        return None, ()
    (table,), (track,) = tables, tracks
    if track.texts != ("track-sc0", "src") or table.variable:
        return None, ()
    counted = [each for each in every if each is not track and _counts(each, acls)]
    # only headers may be set before it, for the model asks for limits first
    last = max((asked.index(each) for each in (track, *counted) if each in asked), default=-1)
    before = [each for each in asked[: last + 1] if each not in (track, *counted)]
    if not counted or any(each.texts[:1] and each.texts[0] not in _SETS for each in before):
        return None, ()
    try:
        said = _table(table.texts)
        for line in counted:
            said |= _rule(line, acls, body.mode)
        limit: ClientLimit = msgspec.convert(said, ClientLimit)
    except (RefusedError, ValueError, IndexError, KeyError, msgspec.ValidationError):
        return None, ()
    if any(
        "sc0" in each.text or "sc_" in each.text for each in body.every("acl") if not _used(each, counted)
    ):
        return None, ()
    return limit, (table, track, *counted)


def _counts(line: Line, acls: Acls) -> bool:
    """Say whether a rule refuses somebody for what is counted."""
    if line.texts[:1] not in (("deny",), ("reject",)):
        return False
    said = split(line.arguments, acls).said
    every = (
        words for terms in (said.either if said is not None else ()) for term in terms for words in term.lines
    )
    return any(_COUNTED.fullmatch(words[0].text) for words in every if words)


def _used(acl: Line, counted: Sequence[Line]) -> bool:
    return bool(acl.texts) and any(acl.texts[0] in each.texts for each in counted)


def _table(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``type ip size 100k expire 30s store http_req_rate(10s)``."""
    said: dict[str, Any] = {}
    pairs = dict(zip(texts[::2], texts[1::2], strict=True))
    if pairs.pop("type") not in ("ip", "ipv6"):
        raise RefusedError("no table of addresses")
    said["size"] = min(max(size(pairs.pop("size")), 100), 10_000_000)
    pairs.pop("expire", None)
    for each in pairs.pop("store").split(","):
        found = _STORED.fullmatch(each)
        if found is None:
            raise RefusedError("another counter")
        if found[2]:
            said["period"] = round(seconds(found[2]))
    if pairs:
        raise RefusedError("another option")
    return said


def _rule(line: Line, acls: Acls, mode: str) -> dict[str, Any]:
    """Read ``deny deny_status 429 if { sc_http_req_rate(0) gt 100 }``."""
    rule = split(line.arguments, acls)
    if rule.said is None or rule.said.unless or len(rule.said.either) != 1 or len(rule.said.either[0]) != 1:
        raise RefusedError("another condition")
    (term,) = rule.said.either[0]
    if term.negated or len(term.lines) != 1:
        raise RefusedError("another condition")
    words = [each.text for each in term.lines[0]]
    found = _COUNTED.fullmatch(words[0])
    if found is None or len(words) != 3 or words[1] not in ("gt", "ge"):
        raise RefusedError("another condition")
    counter = found[1] or found[2]
    most = int(words[2]) - (words[1] == "ge")
    if counter == "conn_cur":
        if rule.words != ["reject"]:
            raise RefusedError("another answer")
        return {"connections": most}
    if mode == "http" and counter == "http_req_rate" and line.keyword == "http-request":
        _, *options = rule.words
        return {"rate": most, "status": int(options[1]) if options[:1] == ["deny_status"] else 403}
    if mode == "tcp" and counter == "conn_rate" and rule.words == ["reject"]:
        return {"rate": most}
    raise RefusedError("another counter")
