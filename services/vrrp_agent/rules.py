"""Policy rules as the kernel has them (ip-rule(8), linux/fib_rules.h)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

import msgspec

from vipbus.contracts import VirtualRule
from vrrp_agent.netlink import Message, address, attributes, integer, text

RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
PROTOCOL = 18
"""Who made it (rtnetlink(7)): keepalived's number, as iproute2 names it."""

_FIB_RULE_HDR = struct.Struct("=BBBBBxxBI")
_INVERT = 0x2
_ACTIONS = {"lookup": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_UNSET = 0xFFFFFFFF
_DST, _SRC, _IIFNAME, _GOTO, _PRIORITY = 1, 2, 3, 4, 6
_FWMARK, _FLOW, _TUN_ID, _SUPPRESS_IFGROUP, _SUPPRESS_PREFIXLEN = 10, 11, 12, 13, 14
_TABLE, _FWMASK, _OIFNAME, _L3MDEV, _UID_RANGE, _PROTOCOL = 15, 16, 17, 19, 20, 21
_IP_PROTO, _SPORT_RANGE, _DPORT_RANGE = 22, 23, 24


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, every field of it; ``present``: False when the kernel says that it is gone."""

    family: int
    priority: int | None
    """None only in what is wanted: any will do."""
    action: int
    invert: bool
    table: int
    goto: int
    source: str
    destination: str
    tos: int
    mark: int
    mask: int
    iif: str
    oif: str
    l3mdev: bool
    tunnel: int
    suppress_prefix_length: int | None
    suppress_interface_group: int | None
    realm: int
    user_ids: tuple[int, int] | None
    ip_protocol: int
    source_ports: tuple[int, int] | None
    destination_ports: tuple[int, int] | None
    protocol: int
    present: bool = True


def decode(message: Message) -> Rule | None:
    """Read RTM_NEWRULE or RTM_DELRULE; None when it is not about IPv4 or IPv6."""
    body = message.body
    if len(body) < _FIB_RULE_HDR.size:
        return None
    family, to_length, from_length, tos, short_table, action, flags = _FIB_RULE_HDR.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = dict(attributes(body, _FIB_RULE_HDR.size))
    return Rule(
        family=4 if family == socket.AF_INET else 6,
        priority=integer(found.get(_PRIORITY)),
        action=action,
        invert=bool(flags & _INVERT),
        table=integer(found.get(_TABLE)) or short_table,
        goto=integer(found.get(_GOTO)),
        source=_prefix(found.get(_SRC), from_length),
        destination=_prefix(found.get(_DST), to_length),
        tos=tos,
        mark=integer(found.get(_FWMARK)),
        mask=integer(found.get(_FWMASK)),
        iif=text(found.get(_IIFNAME)),
        oif=text(found.get(_OIFNAME)),
        l3mdev=bool(integer(found.get(_L3MDEV))),
        tunnel=int.from_bytes(found.get(_TUN_ID, b"")[:8], "big"),
        suppress_prefix_length=_unless_unset(found.get(_SUPPRESS_PREFIXLEN)),
        suppress_interface_group=_unless_unset(found.get(_SUPPRESS_IFGROUP)),
        realm=integer(found.get(_FLOW)),
        user_ids=_range("=II", found.get(_UID_RANGE)),
        ip_protocol=integer(found.get(_IP_PROTO)),
        source_ports=_range("=HH", found.get(_SPORT_RANGE)),
        destination_ports=_range("=HH", found.get(_DPORT_RANGE)),
        protocol=integer(found.get(_PROTOCOL)),
        present=message.kind == RTM_NEWRULE,
    )


def _prefix(value: bytes | None, length: int) -> str:
    read = address(value)
    return f"{read}/{length}" if read else ""


def _unless_unset(value: bytes | None) -> int | None:
    read = _UNSET if value is None else integer(value)
    return None if read == _UNSET else read


def _range(form: str, value: bytes | None) -> tuple[int, int] | None:
    if value is None or len(value) < struct.calcsize(form):
        return None
    low, high = struct.unpack_from(form, value)
    return low, high


def wanted(rule: VirtualRule) -> Rule:
    """Say how the kernel will show a rule.

    Raises:
        ValueError: a prefix is none.
    """
    mark = rule.mark or 0
    return Rule(
        family=rule.family,
        priority=rule.priority,
        action=_ACTIONS[rule.action],
        invert=rule.invert,
        table=rule.table or 0,
        goto=rule.goto or 0,
        source=_canonical(rule.source),
        destination=_canonical(rule.destination),
        tos=rule.tos,
        mark=mark,
        # the kernel compares a mark without a mask whole
        mask=rule.mask if rule.mask is not None else (_UNSET if mark else 0),
        iif=rule.iif or "",
        oif=rule.oif or "",
        l3mdev=rule.l3mdev,
        tunnel=rule.tunnel or 0,
        suppress_prefix_length=rule.suppress_prefix_length,
        suppress_interface_group=rule.suppress_interface_group,
        realm=rule.realm or 0,
        user_ids=rule.user_ids,
        ip_protocol=rule.ip_protocol or 0,
        source_ports=rule.source_ports,
        destination_ports=rule.destination_ports,
        protocol=PROTOCOL if rule.protocol is None else rule.protocol,
    )


def _canonical(prefix: str | None) -> str:
    # the kernel keeps the bits behind the prefix, and shows them
    return str(ipaddress.ip_interface(prefix)) if prefix else ""


def encode(rule: VirtualRule) -> Any:
    """Write a rule as pyroute2's message; the caller gives it its header.

    Raises:
        ValueError: a field does not fit.
    """
    from pyroute2.netlink.rtnl.fibmsg import fibmsg  # noqa: PLC0415  # imported in another thread at the start

    want = wanted(rule)
    message = fibmsg()
    message["family"] = socket.AF_INET if want.family == 4 else socket.AF_INET6
    message["tos"], message["action"] = want.tos, want.action
    message["flags"] = _INVERT if want.invert else 0
    attrs: list[tuple[str, object]] = [("FRA_PROTOCOL", want.protocol)]
    for name, length, prefix in (("SRC", "src_len", want.source), ("DST", "dst_len", want.destination)):
        if prefix:
            host, _, bits = prefix.partition("/")
            message[length] = int(bits)
            if message[length]:
                attrs.append((f"FRA_{name}", host))
    attrs += [(name, value) for name, value in _optional(rule, want) if value is not None]
    message["attrs"] = attrs
    return message


def _optional(rule: VirtualRule, want: Rule) -> list[tuple[str, object]]:
    return [
        ("FRA_PRIORITY", want.priority),
        ("FRA_TABLE", want.table or None),
        ("FRA_GOTO", rule.goto),
        ("FRA_FWMARK", rule.mark),
        ("FRA_FWMASK", rule.mask),
        ("FRA_IIFNAME", rule.iif),
        ("FRA_OIFNAME", rule.oif),
        ("FRA_L3MDEV", 1 if want.l3mdev else None),
        ("FRA_TUN_ID", rule.tunnel),
        ("FRA_SUPPRESS_PREFIXLEN", rule.suppress_prefix_length),
        ("FRA_SUPPRESS_IFGROUP", rule.suppress_interface_group),
        ("FRA_FLOW", rule.realm),
        ("FRA_UID_RANGE", _written(rule.user_ids)),
        ("FRA_IP_PROTO", rule.ip_protocol),
        ("FRA_SPORT_RANGE", _written(rule.source_ports)),
        ("FRA_DPORT_RANGE", _written(rule.destination_ports)),
    ]


def _written(both: tuple[int, int] | None) -> str | None:
    return f"{both[0]}:{both[1]}" if both else None


def describe(rule: VirtualRule) -> str:
    """Name a rule in a message."""
    words = ["-6 rule" if rule.family == 6 else "rule"]
    for word, value in (
        ("priority", rule.priority),
        ("from", rule.source),
        ("to", rule.destination),
        ("fwmark", rule.mark),
        ("iif", rule.iif),
        ("oif", rule.oif),
        ("table", rule.table),
        ("goto", rule.goto),
    ):
        if value is not None:
            words += [word, str(value)]
    return " ".join(words)
