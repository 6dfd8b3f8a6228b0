"""``[[vrrp_instance]]``: what follows from the rest filled in, secrets put aside, the impossible refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from config_service.keepalived import values
from config_service.keepalived.authentication import EMPTY, LONG, hmac_key, too_long
from config_service.keepalived.tracking import MOST_WEIGHT
from config_service.native.cluster import with_peers
from config_service.native.misplaced import Misplaced, Table
from config_service.native.network_forms import address_form
from config_service.native.overrides import Overrides, Placed
from config_service.native.secrets import SecretReader, Warn
from config_service.native.values import endpoint
from config_service.native.walk import convert
from config_service.problems import RefusedError
from vipbus.contracts import Hmac, VrrpInstance, address_token

_ADDRESSES: Final = ("virtual_ipaddress", "virtual_ipaddress_excluded")
_REAL_SERVER: Final = "real_server"
"""The key of a tracked verdict that is about one real server."""


@dataclass(frozen=True)
class Reading:
    """What an instance is read with."""

    overrides: Overrides
    secrets: SecretReader
    warn: Warn


def read_instance(placed: Placed, reading: Reading) -> VrrpInstance:
    """Read one.

    Raises:
        Misplaced: it is refused.
    """
    place = placed.place
    whole = dict(placed.table)
    dev = whole.get("interface", "")
    for key in _ADDRESSES:
        whole[key] = _addresses(whole[key], str(dev), f"{place}.{key}") if key in whole else []
    if _is_six(whole["virtual_ipaddress"]):
        whole.setdefault("family", 6)
        whole.setdefault("version", 3)
    family = whole.get("family", 4)
    whole = with_peers(whole, place, family if family in (4, 6) else 4, reading.overrides)
    if isinstance(whole.get("tracks"), list):
        whole["tracks"] = [_track(each, f"{place}.tracks[{at}]") for at, each in enumerate(whole["tracks"])]
    whole = _with_secrets(whole, place, reading)
    made: VrrpInstance = convert(whole, VrrpInstance, place, given={"router": reading.overrides.router})
    _judge(made, place)
    return _without_idle_password(made, place, reading.warn)


def _addresses(said: Any, dev: str, place: str) -> Any:
    if not isinstance(said, list):
        return said
    found: list[Any] = []
    for at, each in enumerate(said):
        address = address_form(each, f"{place}[{at}]")
        found.append({"dev": dev, **address} if isinstance(address, dict) else address)
    return found


def _is_six(addresses: Any) -> bool:
    return isinstance(addresses, list) and any(
        ":" in str(each.get("address")) for each in addresses if isinstance(each, dict)
    )


def _track(said: Any, place: str) -> Any:
    """Read a track; that of a real server's verdict has it beside its virtual server."""
    if not isinstance(said, dict) or _REAL_SERVER not in said:
        return said
    whole = dict(said)
    real = whole.pop(_REAL_SERVER)
    path = f"{place}.{_REAL_SERVER}"
    if whole.get("kind") != "verdict":
        raise Misplaced(path, 'is for kind = "verdict" alone; remove it')
    try:
        host, port = _endpoint(real)
    except RefusedError as error:
        raise Misplaced(path, str(error)) from None
    return {**whole, "name": f"{whole.get('name')}.{address_token(host, port)}"}


def _endpoint(said: Any) -> tuple[str, int]:
    host, port = endpoint(said) if isinstance(said, str) else ("", None)
    if port is None:
        raise RefusedError('is no real server; write "10.0.0.1:80"')
    return host, port


def _with_secrets(table: Table, place: str, reading: Reading) -> Table:
    whole = dict(table)
    if "auth_pass" in whole:
        path = f"{place}.auth_pass"

        def password(value: str) -> str:
            if not value:
                raise RefusedError(EMPTY)
            if too_long(value):
                reading.warn(path, LONG)
            return value

        whole["auth_pass"] = reading.secrets.read(whole["auth_pass"], path, password, reading.warn)
    hmac = whole.get("hmac")
    if isinstance(hmac, dict) and isinstance(hmac.get("keys"), list):
        keys = list(hmac["keys"])
        for at, key in enumerate(keys):
            if isinstance(key, dict) and "secret" in key:
                path = f"{place}.hmac.keys[{at}].secret"
                secret = reading.secrets.read(key["secret"], path, hmac_key, reading.warn)
                keys[at] = {**key, "secret": secret}
        whole["hmac"] = {**hmac, "keys": keys}
    return whole


def _judge(made: VrrpInstance, place: str) -> None:
    """Refuse what the contract's types let through and no router can run.

    Raises:
        Misplaced: it is.
    """
    try:
        values.name(made.name)
    except RefusedError as error:
        raise Misplaced(f"{place}.name", str(error)) from None
    _interface(made.interface, f"{place}.interface")
    for key in _ADDRESSES:
        for at, each in enumerate(getattr(made, key)):
            if each.dev != made.interface:
                _interface(each.dev, f"{place}.{key}[{at}].dev")
    if made.hmac is not None:
        _judge_keys(made.hmac, f"{place}.hmac")
    for at, track in enumerate(made.tracks):
        if not -MOST_WEIGHT - 1 <= track.weight <= MOST_WEIGHT + 1:
            raise Misplaced(
                f"{place}.tracks[{at}].weight",
                f"{track.weight} is not in -{MOST_WEIGHT} to {MOST_WEIGHT}; a priority goes from 1 to 254",
            )


def _judge_keys(hmac: Hmac, place: str) -> None:
    numbers = [key.id for key in hmac.keys]
    for at, number in enumerate(numbers):
        if not 1 <= number <= 255 or number in numbers[:at]:
            raise Misplaced(f"{place}.keys[{at}].id", "is no number of its own from 1 to 255")
    if hmac.active_key not in numbers:
        raise Misplaced(f"{place}.active_key", f"there is no key {hmac.active_key}; name the key that signs")


def _interface(name: str, path: str) -> None:
    try:
        values.interface(name)
    except RefusedError as error:
        raise Misplaced(path, str(error)) from None


def _without_idle_password(made: VrrpInstance, place: str, warn: Warn) -> VrrpInstance:
    """Take out a password that nothing would come of, and say so."""
    if made.auth_pass is None:
        return made
    why = ""
    if made.hmac is not None:
        why = "hmac takes its place"
    elif made.version == 3:
        why = "version 3 has no passwords (RFC 9568 section 9); hmac has keys"
    elif made.strict:
        why = "strict mode has none"
    if not why:
        return made
    warn(f"{place}.auth_pass", f"has no effect here: {why}")
    return msgspec.structs.replace(made, auth_pass=None)
