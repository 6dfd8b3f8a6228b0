"""Addresses, routes and rules as people write them: with what follows from the rest left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config_service.keepalived import values
from config_service.native.misplaced import Misplaced
from config_service.problems import RefusedError, quoted
from vipbus.contracts import StaticAddress, VirtualAddress

SCOPES: Final[Mapping[str, int]] = {"global": 0, "site": 200, "link": 253, "host": 254}
"""As rtnetlink(7) numbers them."""
SCOPE: Final[Mapping[str, Any]] = {"enum": [*SCOPES]}
METRICS: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": {"type": "integer"}}
NUMBER_PAIR: Final[Mapping[str, Any]] = {"type": "integer"}
"""One number stands for a range of itself."""
DEFAULT: Final = "default"
STATIC: Final = tuple(VirtualAddress.__struct_fields__)
"""Keys of an address that stand in a static one's own table."""


def address_form(value: Any, place: str) -> Any:
    """Read ``ADDRESS/LENGTH``, alone or as ``address`` of a table; without a length it is the host's own.

    Raises:
        Misplaced: the length is no number.
    """
    whole = {"address": value} if isinstance(value, str) else value
    if not isinstance(whole, dict) or not isinstance(whole.get("address"), str):
        return value
    address, slash, length = whole["address"].partition("/")
    if slash and "prefix" in whole:
        raise Misplaced(f"{place}.prefix", "stands beside an address with a length; remove one")
    if slash and not (length.isascii() and length.isdigit()):
        raise Misplaced(place, f"{quoted(whole['address'])} is no address; write ADDRESS/LENGTH")
    own = 128 if ":" in address else 32
    return {**whole, "address": address, "prefix": int(length) if slash else whole.get("prefix", own)}


def static_form(value: Any, place: str) -> Any:
    """Read a table of an address with the sync group or instance that follows it."""
    if not isinstance(value, dict) or isinstance(value.get("address"), dict):
        return value
    own = {key: value[key] for key in value if key in STATIC}
    others = {key: value[key] for key in value if key not in STATIC}
    known = (*STATIC, *StaticAddress.__struct_fields__)
    for key in others:
        if key not in known:
            raise unknown_key(key, known, f"{place}.{key}")
    return {"address": own, **others}


def unknown_key(key: str, known: tuple[str, ...], path: str) -> Misplaced:
    """Say that nothing has this key, and which is near."""
    return Misplaced(
        path, f"unknown key {quoted(key)}{values.near(key, known) or '; remove it'}", of_key=True
    )


def route_form(value: Any, place: str) -> Any:
    """Read a route; its family follows from its addresses, a destination without a length is a host."""
    if not isinstance(value, dict):
        return value
    whole = dict(value)
    destination = whole.get("destination")
    # a gateway may be of the other family (RFC 5549): it says something of the default route alone
    said = [destination] if destination != DEFAULT else [whole.get("via"), whole.get("source")]
    whole.setdefault("family", 6 if any(isinstance(each, str) and ":" in each for each in said) else 4)
    if destination == DEFAULT:
        whole["destination"] = "::/0" if whole["family"] == 6 else "0.0.0.0/0"
    elif isinstance(destination, str):
        whole["destination"] = _prefix(destination, f"{place}.destination")
    return whole


def rule_form(value: Any, place: str) -> Any:
    """Read a rule; its family follows from its addresses."""
    if not isinstance(value, dict):
        return value
    whole = dict(value)
    for key in ("source", "destination"):
        if isinstance(whole.get(key), str):
            whole[key] = _prefix(whole[key], f"{place}.{key}")
    six = any(":" in str(whole.get(key, "")) for key in ("source", "destination"))
    return {"family": 6 if six else 4, **whole}


def _prefix(text: str, place: str) -> str:
    try:
        return values.network(text)[0]
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None


def scope_form(value: Any, place: str) -> Any:
    """Read a scope's name.

    Raises:
        Misplaced: it is none.
    """
    if not isinstance(value, str):
        return value
    if value not in SCOPES:
        raise Misplaced(place, f"{quoted(value)} is no scope; write one of {' '.join(SCOPES)}, or its number")
    return SCOPES[value]


def metrics_form(value: Any, _place: str) -> Any:
    """Read a table of a route's metrics."""
    return [[name, number] for name, number in value.items()] if isinstance(value, dict) else value


def pair_form(value: Any, _place: str) -> Any:
    """Read one number as the range that has only it."""
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value
