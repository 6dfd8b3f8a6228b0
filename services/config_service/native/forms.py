"""The short ways to write a value, each with what a schema says of it: a text for an address, a unit of time.

A form turns what it knows into the contract's own; anything else stays as it is, and converting says what is
wrong with it. Reader, schema and whoever writes a document go by the same tables, at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from config_service.keepalived.programs import command
from config_service.native.misplaced import Misplaced
from config_service.native.network_forms import (
    METRICS,
    NUMBER_PAIR,
    SCOPE,
    address_form,
    metrics_form,
    pair_form,
    route_form,
    rule_form,
    scope_form,
    static_form,
)
from config_service.native.snippet_form import SNIPPETS, snippet_form
from config_service.native.values import DURATION, PERCENT, duration, listening, percent, whole_seconds
from config_service.problems import RefusedError, quoted
from vipbus.contracts import (
    Cache,
    Damping,
    DnsCheck,
    Fifo,
    GrpcCheck,
    HttpCheck,
    HttpRequest,
    IpvsTimeouts,
    Program,
    ProxyBind,
    ProxyLog,
    SlowStart,
    SmtpCheck,
    StaticAddress,
    StatusRange,
    SyncDaemon,
    TlsCheck,
    Tunnel,
    UdpCheck,
    UnicastPeer,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    VirtualServer,
    VrrpInstance,
)
from vipbus.contracts.checks import FieldValue, Token
from vipbus.contracts.vrrp import HmacKey

Schema = Mapping[str, Any]
_RANGE: Final = re.compile(r"([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?")


def _as_it_is(value: Any, _place: str) -> Any:
    return value


class Form(NamedTuple):
    """How a value may be written beside the contract's own way."""

    schemas: tuple[Schema, ...]
    """What else a schema allows."""
    read: Callable[[Any, str], Any] = _as_it_is
    """Makes the contract's own of it; the second argument is the path."""


def key_of(name: str) -> Callable[[Any, str], Any]:
    """Make a reader of a text that stands for a table with one key."""

    def read(value: Any, _place: str) -> Any:
        return {name: value} if isinstance(value, str) else value

    return read


def bind_form(value: Any, place: str) -> Any:
    """Read ``"192.0.2.1:80"``, or a table whose address may have its port."""
    whole = {"address": value} if isinstance(value, str) else value
    if not isinstance(whole, dict) or not isinstance(whole.get("address"), str) or "port" in whole:
        return whole
    try:
        address, port = listening(whole["address"])
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None
    if port is None:
        raise Misplaced(place, f'{quoted(address)} has no port; write "{address}:80"')
    return {**whole, "address": address, "port": port}


def _fifo(value: Any, place: str) -> Any:
    whole = {"path": value} if isinstance(value, str) else value
    if isinstance(whole, dict) and isinstance(whole.get("path"), str) and not whole["path"].startswith("/"):
        raise Misplaced(place, f"{quoted(whole['path'])} is no absolute path; begin it with /")
    return whole


def program_form(value: Any, place: str) -> Any:
    """Read a program: a command line, a list of its words, or a table.

    Raises:
        Misplaced: it is empty, or a quote in it is open.
    """
    if isinstance(value, str | list):
        value = {"arguments": value}
    if isinstance(value, dict):
        if not value.get("arguments"):
            raise Misplaced(place, "the command is empty; name a program")
        if isinstance(value["arguments"], str):
            try:
                value = {**value, "arguments": list(command(value["arguments"]))}
            except RefusedError as error:
                raise Misplaced(place, str(error)) from None
    return value


def _slow_start(value: Any, _place: str) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return {"duration": value}
    return value


def _all_or_none(value: Any, _place: str) -> Any:
    """Read ``true`` as a table with every default, ``false`` as none."""
    return ({} if value else None) if isinstance(value, bool) else value


def _tls_always(value: Any, place: str) -> Any:
    if value is False:
        raise Misplaced(place, 'this check is TLS; choose kind = "tcp" for one without')
    return {} if value is True else value


def _tls_by_security(value: Any, place: str) -> Any:
    if isinstance(value, bool):
        raise Misplaced(place, 'write security = "starttls" or security = "tls" instead')
    return value


def _status(value: Any, place: str) -> Any:
    return [_status_range(word, place) for word in (value if isinstance(value, list) else [value])]


def _status_range(word: Any, place: str) -> Any:
    if isinstance(word, dict):
        return word
    found = _RANGE.fullmatch(str(word).strip()) if isinstance(word, str | int) and word is not True else None
    if found is None:
        raise Misplaced(place, f'{quoted(str(word))} is no status code or range; write 200, or "200-299"')
    return {"first": int(found[1]), "last": int(found[2] or found[1])}


def _headers(value: Any, _place: str) -> Any:
    if isinstance(value, dict):
        return [{"name": name, "value": each} for name, each in value.items()]
    return value


def _upper(value: Any, _place: str) -> Any:
    return value.upper() if isinstance(value, str) else value


def _one_or_many(value: Any, _place: str) -> Any:
    return [value] if isinstance(value, str) else value


def _octets(value: Any, _place: str) -> Any:
    return re.sub(r"[ \t]", "", value) if isinstance(value, str) else value


def _percent(value: Any, place: str) -> Any:
    try:
        return percent(value)
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None


def _prefix(value: Any, place: str) -> Any:
    if not isinstance(value, str):
        return value
    digits = value.strip().removeprefix("/")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
        raise Misplaced(place, f'{quoted(value)} is no prefix length; write one like 24, or "/24"')
    return int(digits)


def duration_form(value: Any, place: str) -> Any:
    """Read a time with its unit as seconds.

    Raises:
        Misplaced: it is a text and no time.
    """
    return _seconds(value, place, duration)


def whole_seconds_form(value: Any, place: str) -> Any:
    """Read a time with its unit as seconds, for what the kernel counts in whole ones.

    Raises:
        Misplaced: it is a text and no such time.
    """
    return _seconds(value, place, whole_seconds)


def _seconds(value: Any, place: str, read: Callable[[str], float]) -> Any:
    try:
        return read(value) if isinstance(value, str) else value
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None


_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_PATH: Final[Schema] = {"type": "string", "pattern": "^/"}
_TIME: Final[Schema] = {"type": "string", "pattern": rf"^\s*{DURATION}\s*$"}
_STATUS_CODE: Final[Schema] = {"type": "integer", "minimum": 100, "maximum": 999}
_STATUS_RANGE: Final[Schema] = {"type": "string", "pattern": rf"^\s*{_RANGE.pattern}\s*$"}
_FLAG: Final[Schema] = {"enum": ["fallback", "port", "sh-fallback", "sh-port", "mh-fallback", "mh-port"]}
_HEADERS: Final[Schema] = {
    "type": "object",
    "propertyNames": {"pattern": get_args(Token)[1].pattern},
    "additionalProperties": {"type": "string", "pattern": get_args(FieldValue)[1].pattern},
}
_SECRET: Final[Schema] = {
    "type": "object",
    "description": "A secret in a file of its own; a path is relative to the document.",
    "properties": {"file": _TEXT},
    "required": ["file"],
    "additionalProperties": False,
}

DURATION_FORM: Final = Form((_TIME,), duration_form)
WHOLE_SECONDS: Final = Form((_TIME,), whole_seconds_form)
SECRET: Final = Form((_SECRET,))
"""Read with the document's directory at hand (`config_service.native.secrets`)."""

BY_TYPE: Final[Mapping[type, Form]] = {
    Program: Form((_TEXT, {"type": "array", "items": {"type": "string"}, "minItems": 1}), program_form),
    Tunnel: Form(({"enum": ["ipip", "gue", "gre"]},), key_of("type")),
    SlowStart: Form((_TIME, {"type": "number", "minimum": 0}), _slow_start),
    Damping: Form(({"type": "boolean"},), _all_or_none),
    Fifo: Form((_PATH,), _fifo),
    SyncDaemon: Form((_TEXT,), key_of("interface")),
    StatusRange: Form((_STATUS_CODE, _STATUS_RANGE), _status_range),
    UnicastPeer: Form((_TEXT,), key_of("address")),
    ProxyBind: Form((_TEXT,), bind_form),
    ProxyLog: Form(({"type": "boolean"},), _all_or_none),
    VirtualAddress: Form((_TEXT,), address_form),
    StaticAddress: Form((), static_form),
    VirtualRoute: Form((), route_form),
    VirtualRule: Form((), rule_form),
}
"""Wherever a field is of this type, or of many of it."""

BY_FIELD: Final[Mapping[tuple[type, str], Form]] = {
    (VrrpInstance, "advert_int"): DURATION_FORM,
    (VrrpInstance, "auth_pass"): SECRET,
    (HmacKey, "secret"): SECRET,
    (Damping, "half_life"): DURATION_FORM,
    (Program, "arguments"): Form((_TEXT,)),
    (VirtualServer, "hold_below"): Form(({"type": "string", "pattern": rf"^\s*{PERCENT}\s*$"},), _percent),
    (VirtualServer, "persistence_timeout"): WHOLE_SECONDS,
    (VirtualServer, "persistence_prefix"): Form(({"type": "string", "pattern": "^/?[0-9]{1,3}$"},), _prefix),
    # what they mean depends on the scheduler (`config_service.native.table_forms`)
    (VirtualServer, "scheduler_flags"): Form(
        ({"type": "array", "items": {"anyOf": [_FLAG, {"enum": ["flag-1", "flag-2", "flag-3"]}]}}, _FLAG)
    ),
    (VirtualAddress, "scope"): Form((SCOPE,), scope_form),
    (VirtualRoute, "scope"): Form((SCOPE,), scope_form),
    (VirtualRoute, "metrics"): Form((METRICS,), metrics_form),
    (VirtualRule, "user_ids"): Form((NUMBER_PAIR,), pair_form),
    (VirtualRule, "source_ports"): Form((NUMBER_PAIR,), pair_form),
    (VirtualRule, "destination_ports"): Form((NUMBER_PAIR,), pair_form),
    (IpvsTimeouts, "tcp"): WHOLE_SECONDS,
    (IpvsTimeouts, "tcp_fin"): WHOLE_SECONDS,
    (IpvsTimeouts, "udp"): WHOLE_SECONDS,
    (HttpCheck, "tls"): Form(({"type": "boolean"},), _all_or_none),
    (GrpcCheck, "tls"): Form(({"type": "boolean"},), _all_or_none),
    (TlsCheck, "tls"): Form(({"const": True},), _tls_always),
    (SmtpCheck, "tls"): Form((), _tls_by_security),
    (HttpRequest, "status"): Form((_STATUS_CODE, _STATUS_RANGE), _status),
    (HttpRequest, "headers"): Form((_HEADERS,), _headers),
    (DnsCheck, "type"): Form(({"type": "string", "pattern": "^[A-Za-z0-9]{1,10}$"},), _upper),
    (DnsCheck, "expect"): Form(({"type": "string"},), _one_or_many),
    (Cache, "max_age"): WHOLE_SECONDS,
    **dict.fromkeys(SNIPPETS, Form((), snippet_form)),
    **{
        (UdpCheck, field): Form(
            ({"type": "string", "pattern": r"^[ \t]*(?:[0-9a-fA-F][ \t]*[0-9a-fA-F][ \t]*)*$"},), _octets
        )
        for field in ("payload", "reply", "reply_mask")
    },
}
