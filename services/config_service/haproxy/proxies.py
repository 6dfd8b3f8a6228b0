"""A frontend, or the one half of a listen, as a proxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from config_service.haproxy.bases import Bases
from config_service.haproxy.binds import bind
from config_service.haproxy.body import Body
from config_service.haproxy.conditions import acls
from config_service.haproxy.keywords import FRONT
from config_service.haproxy.limits import limits
from config_service.haproxy.rules import Acls, backends, changed, rules
from config_service.haproxy.sections import Line
from config_service.haproxy.values import number, waiting
from vipbus.contracts import Proxy

_FAILS: Final = re.compile(r"if \{ (\S+) (lt|le|eq) ([0-9]{1,5}) \}")
NOBODY: Final = "nobody"
"""The pool of those that have none: without real servers, so it answers 503 as HAProxy does."""
Exists = Callable[[Line, str], bool]


def proxy(body: Body, said: dict[str, Any], exists: Exists, bases: Bases) -> Proxy | None:
    """Read a proxy; ``said`` is what is known of it already; None: it cannot be, which is noted."""
    known = acls(body.every("acl"))
    http = body.mode == "http"
    whole: dict[str, Any] = {
        **said,
        "name": body.section.name,
        "mode": body.mode,
        "bind": _binds(body, bases),
    }
    whole["pool"] = _default(body, exists) or said.get("pool", NOBODY)
    whole["max_connections"] = body.value("maxconn", number) or None
    whole["timeouts"] = _timeouts(body)
    limited = limits(body, known)
    whole["deny"], whole["limit"] = limited.deny, limited.limit
    forwards = body.last("option forwardfor")
    whole["forwarded_for"] = http and forwards is not None and not forwards.texts
    if forwards is not None and forwards.texts and http:
        body.raw(forwards, FRONT)
    _monitor(body, whole)
    if http:
        whole |= _rules(body, known, exists, limited.taken, whole["bind"])
    else:
        _raw_backends(body, exists)
    if body.section.kind != "listen" or not body.every("stick on"):
        for each in body.every("stick-table"):
            if each not in limited.taken:
                body.raw(each, FRONT)
    return _made(body, whole)


def _binds(body: Body, bases: Bases) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for line in body.every("bind"):
        found = bind(line, body, bases)
        if found is None:
            body.raw(line, FRONT)
        else:
            made += found
    return made


def _default(body: Body, exists: Exists) -> str | None:
    """Read the backend of all that has no other; None: there is none, or it is told by each request."""
    line = body.last("default_backend")
    if line is None or not line.texts:
        return None
    name = line.texts[0]
    if line.variable or "%" in name:
        body.raw(line, FRONT, f"use_backend {name}")
        return None
    return name if exists(line, name) else None


def _rules(
    body: Body, known: Acls, exists: Exists, taken: Sequence[Line], binds: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    tls = any("tls" in each for each in binds) or any(" ssl" in each for each in body.proxy.texts)
    made, chosen = rules(body, known, taken, tls=tls), backends(body, known, exists)
    if changed(made, (*made.routes, *chosen)):
        made = rules(body, known, taken, tls=tls, kept=True)
    found: dict[str, Any] = {
        "route": [*made.routes, *chosen],
        "request_header": made.request,
        "response_header": made.response,
        "hsts": made.hsts,
    }
    if made.redirect_https:
        found["redirect_https"], found["redirect_status"] = 443, made.redirect_status
    return found


def _raw_backends(body: Body, exists: Exists) -> None:
    """Put the choices of a proxy of mode tcp into its snippet: its routes would be of requests."""
    for line in body.every("use_backend"):
        if line.texts and "%" not in line.texts[0]:
            exists(line, line.texts[0])
        body.raw(line, FRONT)


def _made(body: Body, whole: dict[str, Any]) -> Proxy | None:
    given = {key: msgspec.to_builtins(value) for key, value in whole.items() if value is not None}
    raw_binds = [each for each in body.proxy.texts if each.startswith("bind ")]
    if not given["bind"] and not raw_binds:
        body.notes.error(
            body.section.number,
            1,
            f"{body.section.kind} {body.section.name} has no bind, so it listens nowhere",
        )
        return None
    if raw_binds:
        given["snippet"] = "\n".join(raw_binds)  # the whole of it is put in at the end
    try:
        return msgspec.convert(given, Proxy)
    except msgspec.ValidationError as error:
        body.notes.error(body.section.number, 1, f"{body.section.kind} {body.section.name}: {error}")
        return None


def _timeouts(body: Body) -> dict[str, float]:
    client = body.value("timeout client", waiting)
    request = body.value("timeout http-request", waiting)
    alive = body.value("timeout http-keep-alive", waiting)
    if client is None:
        body.notes.warn(body.section.number, f"{body.section.name} has no timeout client: here it is 50 s")
    if body.mode == "tcp":
        return {} if client is None else {"client": client}
    # what HAProxy takes where these are not said (configuration.txt, timeout http-request, http-keep-alive)
    request = client if request is None else request
    alive = request if alive is None else alive
    said = {"client": client, "http_request": request, "http_keep_alive": alive}
    return {key: value for key, value in said.items() if value is not None}


def _monitor(body: Body, whole: dict[str, Any]) -> None:
    uri, fails = body.last("monitor-uri"), body.every("monitor fail")
    if uri is None:
        return
    own = {f"nbsrv({whole['pool']})", f"nbsrv({body.section.name})"} if whole["pool"] != NOBODY else set()
    members = [_enough(each.texts, own) for each in fails] or [1 if own else None]
    if body.mode == "http" and uri.texts and len(members) == 1 and members[0] is not None:
        whole["monitor"], whole["monitor_members"] = uri.texts[0], members[0]
        return
    for each in (uri, *fails):
        body.raw(each, FRONT)


def _enough(texts: Sequence[str], own: Collection[str]) -> int | None:
    """Read how many members are enough: ``if { nbsrv(app) lt 2 }``; None: it is about something else."""
    found = _FAILS.fullmatch(" ".join(texts))
    if found is None or found[1] not in own:
        return None
    number = int(found[3])
    enough = {"lt": number, "le": number + 1, "eq": 1 if number == 0 else 0}[found[2]]
    return enough if 1 <= enough <= 65536 else None
