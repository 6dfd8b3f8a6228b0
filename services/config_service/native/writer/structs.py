"""A struct as the table that a person would write: what is so anyway left out, the rest in its short forms.

The other half of `config_service.native.walk` and `config_service.native.forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from config_service.keepalived.programs import command
from config_service.native.forms import BY_FIELD, DURATION_FORM, WHOLE_SECONDS
from config_service.native.misplaced import Table
from config_service.native.network_forms import DEFAULT, SCOPES
from config_service.native.values import duration
from config_service.native.walk import fields_of, parts_of
from config_service.problems import RefusedError
from vipbus.contracts import (
    Damping,
    DnsCheck,
    Fifo,
    GrpcCheck,
    HaproxyCheck,
    HttpCheck,
    HttpRequest,
    Program,
    ProxyBind,
    ProxyPool,
    SlowStart,
    StaticAddress,
    StatusRange,
    SyncDaemon,
    Tls,
    Tunnel,
    UnicastPeer,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    VirtualServer,
)
from vipbus.contracts.limits import Seconds
from vipbus.contracts.proxy_persistence import Persistence

_NOTHING: Final[Mapping[str, Any]] = {}
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))
_QUOTES: Final = "'\""


def written(
    value: msgspec.Struct, *, skip: Collection[str] = (), instead: Mapping[str, Any] = _NOTHING
) -> Table:
    """Write a struct as a table without the fields to ``skip``; ``instead`` are other defaults."""
    kind = type(value)
    defaults = _defaults(kind)
    table: Table = {}
    for field, hint in fields_of(kind).items():
        found = getattr(value, field)
        if field not in skip and found != instead.get(field, defaults[field]):
            table[field] = _field(found, kind, field, hint)
    return table


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.default for field in msgspec.structs.fields(kind)}


def _field(value: Any, struct: type[msgspec.Struct], field: str, hint: Any) -> Any:
    writer = _BY_FIELD.get((struct, field))
    if writer is not None:
        return writer(value)
    form = BY_FIELD.get((struct, field))
    if form in (DURATION_FORM, WHOLE_SECONDS) or Seconds in parts_of(hint):
        return duration_text(value)
    return plain(value)


def plain(value: Any) -> Any:
    """Write a value of no field of its own."""
    if isinstance(value, msgspec.Struct):
        writer = _BY_TYPE.get(type(value))
        return writer(value) if writer is not None else written(value)
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def duration_text(seconds: float) -> Any:
    """Write a time with its unit; as the number where a text would not be read as the same."""
    text = _duration(seconds)
    try:
        return text if duration(text) == seconds else seconds
    except RefusedError:
        return seconds


def _duration(seconds: float) -> str:
    if seconds == int(seconds):
        for unit, length in _UNITS:
            if seconds and seconds % length == 0:
                return f"{int(seconds) // length}{unit}"
        return f"{int(seconds)}s"
    if seconds > 1:
        return f"{seconds:.6f}".rstrip("0") + "s"
    thousandths = round(seconds * 1000, 3)
    return f"{thousandths:g}ms" if thousandths >= 1 else f"{round(seconds * 1e6)}us"


def program(value: Program) -> Any:
    """Write a program: its command line alone, where nobody is named to run it."""
    line = _command_line(value.arguments)
    if value.user is None and value.group is None:
        return line
    return {"arguments": line, **written(value, skip=("arguments",))}


def _command_line(arguments: tuple[str, ...]) -> Any:
    line = " ".join(map(_word, arguments))
    try:
        return line if command(line) == arguments else list(arguments)
    except RefusedError:
        return list(arguments)


def _word(text: str) -> str:
    if text and not any(character.isspace() or character in _QUOTES for character in text):
        return text
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"


def _tunnel(value: Tunnel) -> Any:
    return written(value) if value != Tunnel(type=value.type) else value.type


def _slow_start(value: SlowStart) -> Any:
    return written(value) if value.steps else duration_text(value.duration)


def _damping(value: Damping) -> Any:
    return written(value) or True


def _tls(value: Tls | None) -> Any:
    return (written(value) or True) if value is not None else False


def _fifo(value: Fifo) -> Any:
    return written(value) if value.script is not None else value.path


def _sync_daemon(value: SyncDaemon) -> Any:
    return written(value) if value != SyncDaemon(interface=value.interface) else value.interface


def _peer(value: UnicastPeer) -> Any:
    return written(value) if value != UnicastPeer(address=value.address) else value.address


def address(value: VirtualAddress, dev: str = "") -> Any:
    """Write an address; ``dev`` holds it where it does not say."""
    longest = 128 if value.family == 6 else 32
    text = value.address if value.prefix == longest else f"{value.address}/{value.prefix}"
    rest = written(value, skip=("address", "prefix"), instead={"dev": dev})
    return {"address": text, **rest} if rest else text


def _static(value: StaticAddress) -> Any:
    said = address(value.address)
    table = said if isinstance(said, dict) else {"address": said}
    return table if value.track_group is None else {**table, "track_group": value.track_group}


def _route(value: VirtualRoute) -> Any:
    table = written(value, skip=("family", "destination"))
    destination, family = value.destination, value.family
    six = any(":" in each for each in (value.via or "", value.source or ""))
    if destination in ("0.0.0.0/0", "::/0") and family == (6 if six else 4):
        return {"destination": DEFAULT, **table}
    said = {"destination": destination.removesuffix("/32" if family == 4 else "/128")}
    return (
        {**said, **table}
        if family == (6 if ":" in destination else 4)
        else {**said, "family": family, **table}
    )


def _rule(value: VirtualRule) -> Any:
    six = any(":" in each for each in (value.source or "", value.destination or ""))
    table = written(value, skip=("family",))
    return table if value.family == (6 if six else 4) else {"family": value.family, **table}


def _scope(value: int | None) -> Any:
    return next((name for name, number in SCOPES.items() if number == value), value)


def _metrics(value: tuple[tuple[str, int], ...]) -> Any:
    return dict(value) if len(dict(value)) == len(value) else [list(each) for each in value]


def _pair(value: tuple[int, int] | None) -> Any:
    return value[0] if value is not None and value[0] == value[1] else value and list(value)


def _status(value: tuple[StatusRange, ...]) -> Any:
    words = [each.first if each.first == each.last else f"{each.first}-{each.last}" for each in value]
    return words[0] if len(words) == 1 else words


def _headers(value: tuple[Any, ...]) -> Any:
    table = {each.name: each.value for each in value}
    return table if len(table) == len(value) else [written(each) for each in value]


def _one_or_many(value: tuple[str, ...]) -> Any:
    return value[0] if len(value) == 1 else list(value)


def _bind(value: ProxyBind) -> Any:
    address = f"[{value.address}]" if ":" in value.address else value.address
    rest = written(value, skip=("address", "port"))
    text = f"{address}:{value.port}"
    return {"address": text, **rest} if rest else text


def _kind_first(value: Persistence | HaproxyCheck | None) -> Any:
    return value and {"kind": value.__struct_config__.tag, **written(value)}


def _percent(value: int) -> str:
    return f"{value}%"


_BY_TYPE: Final[Mapping[type, Callable[[Any], Any]]] = {
    Program: program,
    Tunnel: _tunnel,
    SlowStart: _slow_start,
    Damping: _damping,
    Fifo: _fifo,
    SyncDaemon: _sync_daemon,
    UnicastPeer: _peer,
    VirtualAddress: address,
    StaticAddress: _static,
    ProxyBind: _bind,
    VirtualRoute: _route,
    VirtualRule: _rule,
}
_BY_FIELD: Final[Mapping[tuple[type, str], Callable[[Any], Any]]] = {
    (VirtualServer, "hold_below"): _percent,
    (ProxyPool, "persistence"): _kind_first,
    (ProxyPool, "haproxy_check"): _kind_first,
    (VirtualAddress, "scope"): _scope,
    (VirtualRoute, "scope"): _scope,
    (VirtualRoute, "metrics"): _metrics,
    (VirtualRule, "user_ids"): _pair,
    (VirtualRule, "source_ports"): _pair,
    (VirtualRule, "destination_ports"): _pair,
    (HttpCheck, "tls"): _tls,
    (GrpcCheck, "tls"): _tls,
    (HttpRequest, "status"): _status,
    (HttpRequest, "headers"): _headers,
    (DnsCheck, "expect"): _one_or_many,
}
