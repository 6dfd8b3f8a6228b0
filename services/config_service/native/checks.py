"""A ``check`` table of a virtual server or a real server: what it says becomes a check of the contract."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from config_service.keepalived import values
from config_service.keepalived.checkers.dns import domain_name
from config_service.native.check_forms import as_written, plain
from config_service.native.environment import as_number
from config_service.native.misplaced import Misplaced, Table
from config_service.native.values import endpoint
from config_service.native.walk import convert
from config_service.patterns import check_pattern
from config_service.problems import RefusedError, quoted
from vipbus.contracts import (
    Check,
    DnsCheck,
    HttpCheck,
    HttpRequest,
    ScriptCheck,
    TcpCheck,
    UdpCheck,
    VrrpSettings,
)

KINDS: Final[dict[str, type[Any]]] = {
    str(kind.__struct_config__.tag): kind for kind in typing.get_args(Check)
}
"""By what stands after ``kind =``."""


@dataclass(frozen=True)
class Aim:
    """Where a check goes that does not say."""

    address: str
    port: int


def read_check(table: Table, place: str, aim: Aim, settings: VrrpSettings) -> Check:
    """Read a check; its address and port are the real server's where it has none of its own.

    Raises:
        Misplaced: it is refused.
    """
    word = table.get("kind")
    kind = KINDS.get(word) if isinstance(word, str) else None
    if kind is None:
        advice = values.near(word, KINDS) if isinstance(word, str) else ""
        said = f"kind {quoted(str(word))} is not known" if word is not None else "there is no kind"
        raise Misplaced(
            f"{place}.kind" if word is not None else place, f"{said}; one of {' '.join(KINDS)}{advice}"
        )
    try:
        return _check(
            {key: value for key, value in table.items() if key != "kind"}, kind, place, aim, settings
        )
    except Misplaced as error:
        path = as_written(error.path, place, table, kind)
        raise Misplaced(path, str(error), of_key=error.of_key) from None


def _check(table: Table, kind: type[Any], place: str, aim: Aim, settings: VrrpSettings) -> Check:
    own = plain(table, kind, place)
    whole = {**own, **_aimed(own, place, aim)}
    if "source" in whole:
        whole["source"] = _address(whole["source"], f"{place}.source")
    if kind is ScriptCheck:
        whole = _with_user(whole, settings)
    check: Check = convert(whole, kind, place)
    _judge(check, place)
    return check


def _aimed(table: Table, place: str, aim: Aim) -> Table:
    address, port = aim.address, None
    if isinstance(table.get("address"), str):
        try:
            address, port = endpoint(table["address"])
        except RefusedError as error:
            raise Misplaced(f"{place}.address", str(error)) from None
    elif "address" in table:
        address = table["address"]
    if port is not None and "port" in table:
        raise Misplaced(f"{place}.port", "stands beside an address that has a port; remove one")
    at = as_number(table["port"]) if "port" in table else aim.port if port is None else port
    return {"address": address, "port": at}


def _address(value: Any, place: str) -> Any:
    try:
        return values.address(value).text if isinstance(value, str) else value
    except RefusedError as error:
        raise Misplaced(place, str(error)) from None


def _with_user(table: Table, settings: VrrpSettings) -> Table:
    """Fill in what the settings of the router say of programs."""
    whole = {"secure": settings.script_security, **table}
    program = whole.get("program")
    if isinstance(program, dict) and program.get("user") is None and settings.script_user is not None:
        group = program.get("group") or settings.script_group
        whole["program"] = {**program, "user": settings.script_user, "group": group}
    return whole


def _judge(check: Check, place: str) -> None:
    """Refuse what the contract's types let through and no prober could do.

    Raises:
        Misplaced: it is.
    """
    for key, judge in _JUDGES:
        try:
            judge(check)
        except RefusedError as error:
            raise Misplaced(f"{place}.{key}", str(error)) from None


def _judge_interface(check: Check) -> None:
    if check.interface is not None:
        values.interface(check.interface)


def _judge_interval(check: Check) -> None:
    if check.interval <= 0:
        raise RefusedError("an interval of 0 leaves no time for anything else; write one")


def _judge_timeout(check: Check) -> None:
    if check.timeout <= 0:
        raise RefusedError("a timeout of 0 leaves no time for an answer; write one")


def _requests(check: Check) -> tuple[HttpRequest, ...]:
    return check.requests if isinstance(check, HttpCheck) else ()


def _judge_regexes(check: Check) -> None:
    for request in _requests(check):
        if request.regex:
            check_pattern(request.regex, request.regex_options)


def _judge_no_match(check: Check) -> None:
    if any(one.regex_no_match and not one.regex for one in _requests(check)):
        raise RefusedError("there is no regex; add one")


def _judge_options(check: Check) -> None:
    if any(one.regex_options and not one.regex for one in _requests(check)):
        raise RefusedError("there is no regex for them; add one")


def _judge_offsets(check: Check) -> None:
    for one in _requests(check):
        if one.regex_max_offset is not None and one.regex_max_offset <= one.regex_min_offset:
            raise RefusedError(
                f"{one.regex_max_offset} is not beyond regex_min_offset {one.regex_min_offset}: nothing can "
                "match; correct one"
            )


def _judge_exchanges(check: Check) -> None:
    if isinstance(check, TcpCheck):
        for exchange in check.exchanges:
            if exchange.expect_regex:
                check_pattern(exchange.expect_regex)


def _judge_name(check: Check) -> None:
    if isinstance(check, DnsCheck):
        domain_name(check.name)


def _judge_reply(check: Check) -> None:
    if not isinstance(check, UdpCheck):
        return
    if check.reply_mask and len(check.reply_mask) != len(check.reply):
        raise RefusedError("reply_mask is not as long as reply; write as many octets")
    if check.min_reply_length > check.max_reply_length:
        raise RefusedError("min_reply_length is greater than max_reply_length; correct one")
    if not check.require_reply and (check.reply or check.min_reply_length):
        raise RefusedError("a reply is described but not required; add require_reply = true")


_JUDGES: Final[tuple[tuple[str, Callable[[Check], None]], ...]] = (
    ("interface", _judge_interface),
    ("interval", _judge_interval),
    ("timeout", _judge_timeout),
    ("regex", _judge_regexes),
    ("regex_no_match", _judge_no_match),
    ("regex_options", _judge_options),
    ("regex_max_offset", _judge_offsets),
    ("expect_regex", _judge_exchanges),
    ("name", _judge_name),
    ("reply", _judge_reply),
)
"""By the key that an answer is about."""
