"""Rules of a frontend as routes, redirects and headers; what those cannot say stays as it is, in its order.

A snippet stands before what the model writes. So of a list of rules all up to the last one that no model has
go into the snippet, and the others become the model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar, get_args

import msgspec

from config_service.haproxy.body import Body
from config_service.haproxy.conditions import Condition, condition, matches, only
from config_service.haproxy.guards import SECRET
from config_service.haproxy.keywords import FRONT
from config_service.haproxy.sections import Line
from config_service.haproxy.words import Word
from vipbus.contracts import HeaderChange, Hsts, ProxyRoute, Redirect
from vipbus.contracts.proxy_rules import ErrorStatus, RedirectStatus

Acls = Mapping[str, tuple[tuple[Word, ...], ...]]
_HSTS: Final = re.compile(r"max-age=([0-9]{1,9})((?:;\s*(?:includeSubDomains|preload))*);?", re.IGNORECASE)
_Made = TypeVar("_Made")


@dataclass
class Rules:
    """What the rules of a proxy become."""

    routes: list[ProxyRoute] = field(default_factory=list)
    redirect_https: bool = False
    redirect_status: int = 302
    request: list[HeaderChange] = field(default_factory=list)
    response: list[HeaderChange] = field(default_factory=list)
    hsts: Hsts | None = None


class _Effect(NamedTuple):
    """What a rule does to the proxy that is made."""

    kind: str
    """``route``, ``https`` or ``header``."""
    apply: Callable[[Rules], object]


class _Kept(Exception):  # noqa: N818  # it is no error
    """The model has no such rule."""


@dataclass
class _Rule:
    """A rule while it is read: its words up to the condition, and that."""

    words: list[str]
    said: Condition | None
    conditional: bool


def split(arguments: Sequence[Word], acls: Acls) -> _Rule:
    """Take a rule and its condition apart."""
    at = next(
        (at for at, each in enumerate(arguments) if each.text in ("if", "unless") and not each.quoted), None
    )
    if at is None:
        return _Rule([each.text for each in arguments], None, conditional=False)
    said = condition(arguments[at:], acls) if at + 1 < len(arguments) else None
    return _Rule([each.text for each in arguments[:at]], said, conditional=True)


def rules(body: Body, acls: Acls, taken: Collection[Line], *, tls: bool, kept: bool = False) -> Rules:
    """Read them all but those that are ``taken`` already.

    ``tls``: clients may come by TLS; ``kept``: what is done to requests stays in the snippet as a whole.
    """
    made = Rules()
    forwarded = body.last("option forwardfor") is not None

    def request(line: Line) -> _Effect:
        return _request(line, acls)

    def legacy(line: Line) -> _Effect:
        return _redirect(split(line.arguments, acls))

    def response(line: Line) -> _Effect:
        return _response(line, acls, tls=tls)

    asked = [each for each in body.every("http-request") if each not in taken]
    if forwarded:  # what that sets is set before any rule
        asked = [each for each in asked if not _of_forwarding(split(each.arguments, acls))]
    later = body.every("redirect")
    effects, ends = ([], []) if kept else (_from_the_end(asked, request), _from_the_end(later, legacy))
    if len(ends) < len(later):
        ends = []  # these come after http-request, where a route would come before
    # the model sends who comes without TLS away first
    if _late(effects):
        effects = []
    if _late([*effects, *ends]):
        ends = []
    _raw(body, asked[: len(asked) - len(effects)])
    _raw(body, later[: len(later) - len(ends)])
    for keyword in ("http-response", "http-after-response"):
        lines = [each for each in body.every(keyword) if each not in taken]
        found = _from_the_end(lines, response)
        _raw(body, lines[: len(lines) - len(found)])
        ends += found
    for effect in (*effects, *ends):
        effect.apply(made)
    return made


def changed(made: Rules, routes: Iterable[ProxyRoute]) -> bool:
    """Say whether a header is changed that a route looks at: the model looks at what came."""
    names = {each.name.lower() for each in made.request}
    return any(
        (each.host and "host" in names) or any(header.name.lower() in names for header in each.header)
        for each in routes
    )


def _late(effects: Sequence[_Effect]) -> bool:
    """Say whether something else is answered before a redirect to https."""
    kinds = [each.kind for each in effects]
    return "route" in kinds and "https" in kinds[kinds.index("route") :]


def backends(body: Body, acls: Acls, exists: Callable[[Line, str], bool]) -> list[ProxyRoute]:
    """Read which backends requests go to; ``exists`` says whether there is one, and notes it if not."""

    def route(line: Line) -> list[ProxyRoute]:
        rule = split(line.arguments, acls)
        if len(rule.words) != 1 or "%" in rule.words[0]:
            raise _Kept
        return [replace_pool(each, rule.words[0]) for each in _routes(rule)]

    lines = body.every("use_backend")
    for line in lines:
        if line.texts and "%" not in line.texts[0]:
            exists(line, line.texts[0])
    found = _from_the_end(lines, route)
    _raw(body, lines[: len(lines) - len(found)])
    return [each for routes in found for each in routes]


def replace_pool(route: ProxyRoute, name: str) -> ProxyRoute:
    """Give a route its pool."""
    return msgspec.structs.replace(route, pool=name)


def _raw(body: Body, lines: Sequence[Line]) -> None:
    for line in lines:
        body.raw(line, FRONT)


def _tried(read: Callable[[Line], _Made], line: Line) -> _Made | None:
    try:
        return read(line)
    except (_Kept, msgspec.ValidationError, ValueError, IndexError):
        return None


def _from_the_end(lines: Sequence[Line], read: Callable[[Line], _Made]) -> list[_Made]:
    """Read lines as long as the model has them, from the last one on; in the file's order."""
    found: list[_Made] = []
    for line in reversed(lines):
        made = None if line.variable or line.modifier else _tried(read, line)
        if made is None:
            break
        found.insert(0, made)
    return found


def _routes(rule: _Rule) -> list[ProxyRoute]:
    if not rule.conditional:
        return [ProxyRoute()]
    found = matches(rule.said) if rule.said is not None else None
    if found is None:
        raise _Kept
    return found


def _request(line: Line, acls: Acls) -> _Effect:
    rule = split(line.arguments, acls)
    action, *rest = rule.words
    if action == "redirect":
        return _redirect(_Rule(rest, rule.said, rule.conditional))
    if action in ("deny", "block"):
        status = _status(rest)
        found = [_checked(ProxyRoute, each, deny=status) for each in _routes(rule)]
        return _Effect("route", lambda made: made.routes.extend(found))
    if action in ("set-header", "add-header", "del-header"):
        change = _header(action, rest, rule)
        return _Effect("header", lambda made: made.request.append(change))
    raise _Kept


def _of_forwarding(rule: _Rule) -> bool:
    """Say whether a rule is about a header that `forwarded_for` takes care of."""
    action, name, *value = [*(each.lower() for each in rule.words), "", ""][:3]
    if name == "x-forwarded-for" and not rule.conditional:
        return action == "del-header" or (action == "set-header" and value == ["%[src]"])
    if action != "set-header":
        return False
    if name == "x-forwarded-proto":
        return (value, only(rule.said, "ssl_fc")) in ((["https"], True), (["http"], False))
    return name == "x-forwarded-port" and value == ["%[dst_port]"] and not rule.conditional


def _header(action: str, rest: Sequence[str], rule: _Rule) -> HeaderChange:
    if rule.conditional or len(rest) != (1 if action == "del-header" else 2):
        raise _Kept
    if action == "del-header":
        return _checked(HeaderChange, HeaderChange(name=rest[0]))
    text = rest[1].replace("%%", "\0")
    if "%" in text or SECRET.search(rest[0]):
        raise _Kept
    value = text.replace("\0", "%")
    return _checked(HeaderChange, HeaderChange(name=rest[0], value=value, add=action == "add-header"))


def _response(line: Line, acls: Acls, *, tls: bool) -> _Effect:
    rule = split(line.arguments, acls)
    action, *rest = rule.words
    if action not in ("set-header", "add-header", "del-header"):
        raise _Kept
    change = _header(action, rest, rule)
    if tls and change.name.lower() == "strict-transport-security" and not change.add:
        found = _HSTS.fullmatch((change.value or "").strip())
        if found is not None:
            words = found[2].lower()
            said = {"subdomains": "includesubdomains" in words, "preload": "preload" in words}
            try:
                hsts = msgspec.convert({"max_age": int(found[1]), **said}, Hsts)
            except msgspec.ValidationError:
                hsts = None
            if hsts is not None:
                return _Effect("header", lambda made: setattr(made, "hsts", hsts))
    return _Effect("header", lambda made: made.response.append(change))


def _redirect(rule: _Rule) -> _Effect:
    kind, to, *options = rule.words
    status = 302
    while options:
        if options[0] != "code" or int(options[1]) not in get_args(RedirectStatus):
            raise _Kept
        status, options = int(options[1]), options[2:]
    if kind == "scheme":
        if to != "https" or (rule.conditional and only(rule.said, "ssl_fc") is not False):
            raise _Kept

        def https(made: Rules) -> None:
            made.redirect_https, made.redirect_status = True, status

        return _Effect("https", https)
    if kind not in ("location", "prefix") or "%" in to:
        raise _Kept
    redirect = _checked(Redirect, Redirect(to=to, keep_path=kind == "prefix", status=_redirected(status)))
    found = [_checked(ProxyRoute, each, redirect=redirect) for each in _routes(rule)]
    return _Effect("route", lambda made: made.routes.extend(found))


def _redirected(status: int) -> Any:
    return status


def _status(rest: Sequence[str]) -> int:
    if not rest:
        return 403
    if (
        len(rest) != 2
        or rest[0] not in ("deny_status", "status")
        or int(rest[1]) not in get_args(ErrorStatus)
    ):
        raise _Kept
    return int(rest[1])


def _checked(kind: type[_Made], value: msgspec.Struct, **changes: Any) -> _Made:
    """Make a struct as decoding would, so that what it may not hold is refused."""
    return msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(value, **changes)), kind)
