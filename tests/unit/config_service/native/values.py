"""Values of the contracts' types by chance: any struct, field by field, made possible where it is not.

Of a seed that hypothesis chooses: with a strategy for each field one example took longer than the reader.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, Final

import msgspec

from config_service.native.walk import fields_of, parts_of
from vipbus.contracts import (
    Damping,
    DnsCheck,
    Fifo,
    FileCheck,
    HttpCheck,
    HttpRequest,
    IpvsSettings,
    Program,
    Sysctl,
    TcpCheck,
    Track,
    Tunnel,
    UdpCheck,
    UnicastPeer,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    VrrpSettings,
)
from vipbus.contracts.checks import Exchange, Header, StatusRange
from vipbus.contracts.limits import Seconds
from vipbus.contracts.vrrp_objects import NextHop

Kwargs = dict[str, Any]
Make = Callable[[Random], Any]
"""Makes a value by chance."""


def just(value: Any) -> Make:
    return lambda _chance: value


def among(values: Sequence[Any]) -> Make:
    return lambda chance: chance.choice(values)


def one_of(*makes: Make) -> Make:
    return lambda chance: chance.choice(makes)(chance)


def whole(low: int, most: int) -> Make:
    return lambda chance: chance.randint(low, most)


def many(make: Make, low: int, most: int) -> Make:
    return lambda chance: tuple(make(chance) for _ in range(chance.randint(low, most)))


LETTERS: Final = "abz09 ._-'\"\\$#={}[],\u00fc\u20ac\U0001f600"
NONE: Final = just(None)
FLAG: Final = among([True, False])
TEXT: Final = one_of(
    among(["it's", 'say "x"', "${HOME}", "$${X}", "\\n", ""]),
    lambda chance: "".join(chance.choices(LETTERS, k=chance.randint(0, 9))),
)


def four(chance: Random) -> Any:
    return f"10.0.0.{chance.randint(1, 250)}"


def six(chance: Random) -> Any:
    return f"fd00::{chance.randint(1, 250):x}"


INTERFACE: Final = among(["eth0", "eth1", "bond0.7", "br-lan"])


def time(chance: Random) -> Any:
    return chance.randint(1, 10**6) / chance.choice([1000, 1_000_000])


SECONDS: Final = one_of(among([0.0, 60.0, 90.0, 3600.0, 86400.0]), time)
PATTERN: Final = among(["", "^it (works|'s up)$", r'\d+\s*"x"', "a|b", "ü"])


def octets(chance: Random) -> Any:
    return chance.randbytes(chance.randint(0, 4)).hex()


PREFIX: Final = among(["10.1.0.0/16", "10.9.9.9/32", "fd00:1::/64", "fd00::9/128"])


def pair(chance: Random) -> Any:
    return (chance.randint(0, 2), chance.randint(0, 2))


TUNNEL: Final = among(
    [
        Tunnel(type="gre", checksum="csum"),
        Tunnel(type="gre"),
        Tunnel(type="gue", port=5555, checksum="remcsum"),
    ]
)


def of(chance: Random, struct: type[Any], **given: Any) -> Any:
    """Make a struct with any values that its fields' types allow, but for those that are given."""
    if struct in WHOLE and not given:
        return WHOLE[struct](chance)
    kwargs = {
        name: given[name] if name in given else make(chance)
        for name, make in _makes(struct).items()
        if name in given or name not in LATER
    }
    return struct(**REPAIRS.get(struct, dict)(kwargs))


@cache
def _makes(struct: type[Any]) -> Mapping[str, Make]:
    return {field.name: _of_field(struct, field) for field in msgspec.structs.fields(struct)}


def _of_field(struct: type[Any], field: Any) -> Make:
    name = field.name
    found = FIELDS.get((struct, name)) or BY_NAME.get(name) or _of_type(fields_of(struct)[name])
    # most people leave most of it out
    return found if field.required else one_of(just(field.default), just(field.default), found)


def _of_type(kind: Any) -> Make:
    return one_of(*(_of_part(each) for each in parts_of(kind) if each is not types.NoneType))


def _of_part(kind: Any) -> Make:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN_TYPES:
        return PLAIN_TYPES[kind]
    if origin is typing.Annotated:
        (meta,) = arguments[1:]
        if arguments[0] is str:
            return TEXT if meta.pattern is None else just("x")
        low, most = meta.ge or 0, 2**31 - 1 if meta.le is None else meta.le
        found = one_of(whole(low, min(most, low + 200)), just(low), just(most))
        return found if arguments[0] is int else lambda chance: float(found(chance))
    if origin is typing.Literal:
        return among(arguments)
    if origin is tuple:
        assert arguments[1:] == (...,), kind
        return many(_of_type(arguments[0]), 0, 2)
    return lambda chance: of(chance, kind)


def _request(kwargs: Kwargs) -> Kwargs:
    low, high = kwargs["regex_min_offset"], kwargs["regex_max_offset"]
    whole = {**kwargs, "regex_max_offset": high if high is not None and high > low else None}
    return whole if kwargs["regex"] else {**whole, "regex_no_match": False, "regex_options": ()}


def _exchange(kwargs: Kwargs) -> Kwargs:
    octets = "" if kwargs["send"] else kwargs["send_octets"]
    return {
        **kwargs,
        "send_octets": octets,
        "expect_regex": "" if kwargs["expect"] else kwargs["expect_regex"],
    }


def _udp(kwargs: Kwargs) -> Kwargs:
    if not kwargs["require_reply"]:
        return {**kwargs, "reply": "", "reply_mask": "", "min_reply_length": 0}
    mask = "f0" * (len(kwargs["reply"]) // 2) if kwargs["reply_mask"] else ""
    return {**kwargs, "reply_mask": mask, "max_reply_length": 65535}


def _route(kwargs: Kwargs) -> Kwargs:
    return {
        **kwargs,
        "family": 6 if ":" in kwargs["destination"] else 4,
        "metrics": tuple(dict(kwargs["metrics"]).items()),
    }


def _rule(kwargs: Kwargs) -> Kwargs:
    said = [each for each in (kwargs["source"], kwargs["destination"]) if each]
    if not said:
        return kwargs
    six = ":" in said[0]
    same = {
        key: kwargs[key] for key in ("source", "destination") if kwargs[key] and (":" in kwargs[key]) == six
    }
    return {**kwargs, "source": None, "destination": None, **same, "family": 6 if six else 4}


def _who(kwargs: Kwargs) -> Kwargs:
    return {**kwargs, "script_group": kwargs["script_group"] if kwargs["script_user"] else None}


LATER: Final = ("auth_pass", "hmac", "tracks", "checks", "sorry_server")
"""Fields that depend on others: whoever puts things together fills them in."""
PLAIN_TYPES: Final[Mapping[Any, Make]] = {
    Seconds: SECONDS,
    float: SECONDS,
    str: TEXT,
    int: whole(0, 300),
    bool: FLAG,
}
WHOLE: Final[Mapping[type, Make]] = {
    Tunnel: TUNNEL,
    StatusRange: among([StatusRange(first=low, last=high) for low, high in ((200, 200), (200, 299))]),
    Damping: among([Damping(), Damping(half_life=120.0, suppress=3000.0)]),
    Track: among([Track(kind="service", name="health-prober", weight=-5), Track(kind="bfd", name="b")]),
}
BY_NAME: Final[Mapping[str, Make]] = {
    "interface": INTERFACE,
    "dev": INTERFACE,
    "user": among(["root", "nobody"]),
    "script_user": among(["root", "nobody"]),
    "track_group": just("VI_0"),
    "timeout": time,
    "interval": time,
}
FIELDS: Final[Mapping[tuple[type, str], Make]] = {
    (Fifo, "path"): just("/run/fifo"),
    (Program, "arguments"): lambda chance: (
        chance.choice(["/bin/true", "a b", "it's"]),
        *many(TEXT, 0, 2)(chance),
    ),
    (VirtualAddress, "address"): four,
    (VirtualAddress, "prefix"): whole(1, 32),
    (VirtualAddress, "broadcast"): four,
    (VirtualAddress, "scope"): among([7, 200, 253, 254]),
    (VirtualAddress, "peer"): just("10.0.0.99/32"),
    (VirtualRoute, "destination"): one_of(PREFIX, among(["0.0.0.0/0", "::/0"])),
    (VirtualRoute, "via"): one_of(four, six),
    (VirtualRoute, "source"): one_of(four, six),
    (VirtualRoute, "source_prefix"): PREFIX,
    (VirtualRoute, "metrics"): many(lambda chance: (chance.choice(["mtu", "rtt"]), 9), 0, 2),
    (VirtualRule, "source"): PREFIX,
    (VirtualRule, "destination"): PREFIX,
    (VirtualRule, "user_ids"): pair,
    (VirtualRule, "source_ports"): pair,
    (VirtualRule, "destination_ports"): pair,
    (NextHop, "via"): four,
    (UnicastPeer, "address"): four,
    (IpvsSettings, "sysctls"): just(
        (Sysctl(name="net.ipv4.ip_forward", value="1", set=True), Sysctl(name="net.core.x", value="a b"))
    ),
    (Exchange, "send_octets"): octets,
    (Exchange, "expect_regex"): PATTERN,
    (HttpRequest, "regex"): PATTERN,
    (HttpRequest, "path"): among(["/", "/x?a=%22", "*"]),
    (HttpRequest, "digest"): just("0" * 32),
    (HttpRequest, "headers"): many(
        lambda chance: Header(name=chance.choice(["X-A", "Accept"]), value=TEXT(chance)), 0, 3
    ),
    (HttpCheck, "requests"): many(lambda chance: of(chance, HttpRequest), 1, 2),
    (TcpCheck, "exchanges"): many(lambda chance: of(chance, Exchange), 0, 2),
    (UdpCheck, "payload"): octets,
    (UdpCheck, "reply"): octets,
    (UdpCheck, "reply_mask"): just("f0"),
    (DnsCheck, "type"): among(["A", "AAAA", "SOA"]),
    (DnsCheck, "name"): among(["example.org", "a.b."]),
    (FileCheck, "path"): among(["/run/x", "/run/with blank", "/run/'q'"]),
}
REPAIRS: Final[Mapping[type, Callable[[Kwargs], Kwargs]]] = {
    HttpRequest: _request,
    Exchange: _exchange,
    UdpCheck: _udp,
    VirtualRoute: _route,
    VirtualRule: _rule,
    VrrpSettings: _who,
    IpvsSettings: _who,
}
"""Makes values that fit together of such that do not."""
