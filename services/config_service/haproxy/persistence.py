"""Cookies and stick tables of a backend as a pool's persistence."""

from __future__ import annotations

from typing import Any, Final

from config_service.haproxy.body import Body
from config_service.haproxy.keywords import BACK
from config_service.haproxy.sections import Line
from config_service.haproxy.values import seconds, size
from config_service.problems import RefusedError

_KNOWN: Final = ("insert", "indirect", "nocache", "httponly", "secure", "dynamic")
_VALUED: Final = ("maxlife", "maxidle", "attr", "domain")


def persistence(body: Body) -> dict[str, Any] | None:
    """Read who stays with a server; None: nobody, or a snippet says it."""
    cookie = body.last("cookie")
    sticks = body.every("stick on")
    tables = body.every("stick-table") if sticks or body.section.kind == "backend" else []
    if cookie is not None and (found := _cookie(body, cookie)) is not None:
        if sticks:
            body.warn(sticks[0], "it is a line of the snippet: the cookie is the pool's persistence")
        _raw(body, tables, sticks)
        return found
    if len(sticks) == 1 and len(tables) == 1 and sticks[0].texts == ("src",):
        try:
            table = _table(body, tables[0])
        except (RefusedError, ValueError, KeyError):
            table = None
        if table is not None:
            return table
    _raw(body, tables, sticks)
    return None


def _raw(body: Body, *lines: list[Line]) -> None:
    for each in lines:
        for line in each:
            body.raw(line, BACK)


def _table(body: Body, line: Line) -> dict[str, Any] | None:
    """Read ``type ip size 200k expire 30m``."""
    words = [each for each in line.texts if each != "nopurge"]
    said = dict(zip(words[::2], words[1::2], strict=True))
    if said.pop("type") not in ("ip", "ipv6") or line.variable:
        return None
    found: dict[str, Any] = {"kind": "source", "size": min(max(size(said.pop("size")), 100), 10_000_000)}
    if "expire" in said:
        found["expire"] = max(1, round(seconds(said.pop("expire"))))
    if "peers" in said:
        said.pop("peers")
        body.warn(line, "its peers are left out: this table is each router's own; balance source needs none")
    return None if said else found


def _cookie(body: Body, line: Line) -> dict[str, Any] | None:
    name, *words = line.texts or ("",)
    if "insert" not in words or body.mode == "tcp" or line.variable:
        if body.mode == "http":
            said = "a pool's cookie is one that it inserts; add persistence to have clients stay"
            body.warn(line, f"cookie is left out: {said}")
        return None
    found: dict[str, Any] = {"kind": "cookie", "name": name, "secure": "secure" in words}
    rest = iter(words)
    for each in rest:
        if each not in _KNOWN:
            value = next(rest, "") if each in _VALUED else ""
            if not _said(body, line, found, each, value):
                body.warn(
                    line, f"{each} {value}".rstrip() + " of the cookie is left out: vipbus has no such thing"
                )
    if found.get("same_site") == "None":
        found["secure"] = True
    return found


def _said(body: Body, line: Line, found: dict[str, Any], key: str, value: str) -> bool:
    """Take an option of a cookie; False: there is no such thing."""
    if key == "maxlife":
        try:
            found["max_life"] = max(1, round(seconds(value, "s")))
        except RefusedError as error:
            body.error(line, str(error))
        return True
    name, _, word = value.partition("=")
    if key == "attr" and name.lower() == "samesite" and word.capitalize() in ("Strict", "Lax", "None"):
        found["same_site"] = word.capitalize()
        return True
    return False
