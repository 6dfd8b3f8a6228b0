"""Compression and caches of a proxy or a pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config_service.haproxy.body import Body
from config_service.haproxy.sections import Line, Section
from config_service.haproxy.values import number
from config_service.problems import RefusedError

_ALGORITHMS: Final = ("gzip", "deflate", "raw-deflate", "identity")
_RULES: Final = (("http-request", "cache-use"), ("http-response", "cache-store"))


def content(body: Body, caches: Mapping[str, Section]) -> tuple[dict[str, Any], list[Line]]:
    """Read both; with the lines of rules that are a cache's."""
    found: dict[str, Any] = {}
    lines = body.every("compression algo", "compression type", "compression offload")
    if body.section.kind == "backend":
        lines = [each for each in lines if body.own(each)]  # what it inherits its proxies have
    if lines and body.mode == "http":
        if (compression := _compression(body, lines)) is not None:
            found["compression"] = compression
    elif any(body.own(each) for each in lines):
        body.warn(lines[-1], "compression is left out: it is of mode http alone")
    taken = [
        line
        for keyword, action in _RULES
        for line in body.every(keyword)
        if line.texts[:1] == (action,) and len(line.texts) == 2 and line.texts[1] in caches
    ]
    if {each.keyword for each in taken} == {keyword for keyword, _ in _RULES} and body.mode == "http":
        found["cache"] = _cache(body, caches[taken[0].texts[1]])
        return found, taken
    return found, []


def _compression(body: Body, lines: list[Line]) -> dict[str, Any] | None:
    found: dict[str, Any] = {"types": []}
    for line in lines:
        if line.keyword == "compression offload":
            found["offload"] = True
            continue
        key = "algorithms" if line.keyword == "compression algo" else "types"
        found[key] = list(line.texts)
    unknown = [each for each in found.get("algorithms", ()) if each not in _ALGORITHMS]
    if unknown or not found.get("algorithms"):
        body.warn(
            lines[0], "compression is left out: it needs one of gzip, deflate, raw-deflate and identity"
        )
        return None
    return found


def _cache(body: Body, section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {}
    keys = {"total-max-size": "size", "max-object-size": "max_object", "max-age": "max_age"}
    for line in section.lines:
        key = keys.get(line.keyword)
        try:
            if key is not None and line.texts:
                found[key] = number(line.texts[0], 1)
            elif line.keyword not in ("process-vary", "max-secondary-entries"):
                body.error(line, f"{line.keyword} is no keyword of a cache")
        except RefusedError as error:
            body.error(line, str(error))
    return found
