"""The readable forms of what a check holds, turned into those of the contract (`vipbus.contracts.checks`).

What has none of these forms stays as it is: converting says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from config_service.keepalived.programs import command
from config_service.native.overrides import Table
from config_service.native.walk import Misplaced
from config_service.problems import RefusedError, quoted
from vipbus.contracts import (
    DnsCheck,
    FileCheck,
    GrpcCheck,
    HttpCheck,
    HttpRequest,
    ScriptCheck,
    SmtpCheck,
    TcpCheck,
    TlsCheck,
    UdpCheck,
)
from vipbus.contracts.checks import Exchange

_RANGE: Final = re.compile(r"([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?")
_REQUEST: Final = tuple(HttpRequest.__struct_fields__)
_EXCHANGE: Final = tuple(Exchange.__struct_fields__)


def plain(table: Table, kind: type[msgspec.Struct], place: str) -> Table:
    """Turn a check's table into one with the contract's forms.

    Raises:
        Misplaced: a form is none of those that are known.
    """
    form = _FORMS.get(kind)
    return form(dict(table), place) if form is not None else table


def _http(table: Table, place: str) -> Table:
    _gather(table, "requests", _REQUEST, place)
    requests = table.get("requests")
    if isinstance(requests, list):
        table["requests"] = [
            _request(each, f"{place}.requests[{at}]") if isinstance(each, dict) else each
            for at, each in enumerate(requests)
        ]
        if not requests:
            raise Misplaced(f"{place}.requests", "there is no request in it; add one, or remove it")
    return _tls_or_none(table, place)


def _gather(table: Table, many: str, names: tuple[str, ...], place: str) -> None:
    """Take the keys of the only one of many that stands in the check itself: the simple case."""
    own = {name: table.pop(name) for name in names if name in table}
    if not own:
        return
    if many in table:
        name = next(iter(own))
        raise Misplaced(f"{place}.{name}", f"stands beside {many}; move it into one of them")
    table[many] = [own]


def _request(table: Table, place: str) -> Table:
    whole = dict(table)
    if "status" in whole:
        whole["status"] = _status(whole["status"], f"{place}.status")
    headers = whole.get("headers")
    if isinstance(headers, dict):
        whole["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    return whole


def _status(value: Any, place: str) -> Any:
    words = value if isinstance(value, list) else [value]
    return [_range(word, place) for word in words]


def _range(word: Any, place: str) -> Any:
    if isinstance(word, dict):
        return word
    found = _RANGE.fullmatch(str(word).strip()) if not isinstance(word, bool) else None
    if found is None:
        raise Misplaced(place, f'{quoted(str(word))} is no status code or range; write 200, or "200-299"')
    return {"first": int(found[1]), "last": int(found[2] or found[1])}


def _tls_or_none(table: Table, _place: str) -> Table:
    if isinstance(table.get("tls"), bool):
        table["tls"] = {} if table["tls"] else None
    return table


def _tls_always(table: Table, place: str) -> Table:
    if table.get("tls") is True:
        table.pop("tls")
    elif table.get("tls") is False:
        raise Misplaced(f"{place}.tls", 'this check is TLS; choose kind = "tcp" for one without')
    return table


def _smtp(table: Table, place: str) -> Table:
    if isinstance(table.get("tls"), bool):
        raise Misplaced(f"{place}.tls", 'write security = "starttls" or security = "tls" instead')
    return table


def _tcp(table: Table, place: str) -> Table:
    _gather(table, "exchanges", _EXCHANGE, place)
    return table


def _dns(table: Table, _place: str) -> Table:
    if isinstance(table.get("type"), str):
        table["type"] = table["type"].upper()
    if isinstance(table.get("expect"), str):
        table["expect"] = [table["expect"]]
    return table


def _udp(table: Table, _place: str) -> Table:
    for key in ("payload", "reply", "reply_mask"):
        if isinstance(table.get(key), str):
            table[key] = re.sub(r"[ \t]", "", table[key])
    return table


def program_form(value: Any, place: str) -> Any:
    """Read a program: a command line, a list of its words, or a table.

    Raises:
        Misplaced: it is empty, or a quote in it is open.
    """
    if isinstance(value, str):
        try:
            value = {"arguments": list(command(value))}
        except RefusedError as error:
            raise Misplaced(place, str(error)) from None
    elif isinstance(value, list):
        value = {"arguments": value}
    if isinstance(value, dict) and not value.get("arguments"):
        raise Misplaced(place, "the command is empty; name a program")
    return value


def _script(table: Table, place: str) -> Table:
    program = program_form(table.get("program"), f"{place}.program")
    if isinstance(program, dict):
        who = {key: table.pop(key) for key in ("user", "group") if key in table}
        table["program"] = {**program, **who}
    return table


def _file(table: Table, _place: str) -> Table:
    # a look at a file costs next to nothing, and keepalived knows of a change at once
    return {"interval": 1.0, "timeout": 1.0, "retry": 0, **table}


_FORMS: Final[Mapping[type[msgspec.Struct], Callable[[Table, str], Table]]] = {
    HttpCheck: _http,
    TcpCheck: _tcp,
    TlsCheck: _tls_always,
    SmtpCheck: _smtp,
    GrpcCheck: _tls_or_none,
    DnsCheck: _dns,
    UdpCheck: _udp,
    ScriptCheck: _script,
    FileCheck: _file,
}
