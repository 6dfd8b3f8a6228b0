"""A device of its own for an instance's addresses: ``use_vmac`` and ``use_ipvlan``."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, Literal

from config_service.keepalived import fields, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword
from config_service.keepalived.words import Words
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import VirtualMac

_LONGEST_NAME: Final = 15
_VRRP_MACS: Final = ("00:00:5e:00:01:", "00:00:5e:00:02:")
_LOOKS_LIKE_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){2,}")


class VirtualMacDraft:
    """What an instance says."""

    def __init__(self) -> None:
        self.kind: Literal["macvlan", "ipvlan"] | None = None
        self.name: str | None = None
        self.mac: str | None = None
        self.address: values.Address | None = None
        self.length: int | None = None
        self.xmit_base = False
        self.each_address = False


def _left_out(statement: Statement, report: Report, what: str, instead: str) -> None:
    report.warning(
        statement.file, statement.line, f"{statement.keyword}: {what} is left out of vipbus; {instead}"
    )


def _use_vmac(draft: VirtualMacDraft, statement: Statement, report: Report) -> None:
    draft.kind = "macvlan"
    words = Words(statement.arguments)
    while words:
        word = words.take()
        if word == "netlink_notify_msg":
            continue  # the link is watched anyway
        if word == "group":
            said = words.argument("group", "a group of interfaces")
            _left_out(statement, report, f"group {quoted(said)}", "the new device is in the default group")
            continue
        if word == "name":
            word = words.argument("name", "an interface")
        elif _LOOKS_LIKE_MAC.fullmatch(word) is not None:
            words.once("the MAC address")
            draft.mac = word
            continue
        words.once("the interface")
        draft.name = values.interface(word)


def _use_ipvlan(draft: VirtualMacDraft, statement: Statement, report: Report) -> None:
    draft.kind = "ipvlan"
    words = Words(statement.arguments)
    while words:
        word = words.take()
        if word == "group":
            said = words.argument("group", "a group of interfaces")
            _left_out(statement, report, f"group {quoted(said)}", "the new device is in the default group")
            continue
        if word in ("private", "vepa"):
            _left_out(statement, report, word, "the new device is in mode bridge")
            continue
        if word == "bridge":
            continue
        address, slash, length = word.partition("/")
        if word == "name":
            word = words.argument("name", "an interface")
        elif slash or ":" in word or re.fullmatch(r"[0-9.]+", word) is not None:
            words.once("the address")
            draft.address = values.address(address)
            draft.length = values.prefix_length(length, draft.address.version) if slash else None
            continue
        words.once("the interface")
        draft.name = values.interface(word)


KEYWORDS: Final[dict[str, Keyword[Any]]] = {
    "use_vmac": Keyword("use_vmac [[name] IF] [MAC]", _use_vmac, least=0, most=8),
    "use_ipvlan": Keyword(
        "use_ipvlan [[name] IF] [ADDRESS[/LENGTH]]", _use_ipvlan, least=0, most=8, same_as="use_vmac"
    ),
    "use_vmac_addr": fields.flag("use_vmac_addr", "each_address"),
    "vmac_xmit_base": fields.flag("vmac_xmit_base", "xmit_base"),
}


def compile_virtual_mac(
    mac: VirtualMacDraft,
    draft: Draft,
    report: Report,
    *,
    family: int,
    virtual_router_id: int,
    prefix: str,
    taken: Collection[str],
    named: Collection[str],
    unicast: bool,
    strict: bool,
) -> VirtualMac | None:
    """Compile it; ``taken`` are the names of the devices before, ``named`` those that the file gives."""
    said = draft.given.get("use_vmac", draft.statement)
    if mac.kind is None:
        if mac.xmit_base:
            draft.void("vmac_xmit_base", "there is no use_vmac", report)
        return None
    name = mac.name or _free_name(prefix, virtual_router_id, {*taken, *named})
    if name in taken:
        report.error(
            said.file, said.line, f"{name} is another instance's device already; choose another name"
        )
    if len(name) > _LONGEST_NAME:
        report.error(
            said.file, said.line, f"{name} is longer than an interface's name may be; shorten vmac_prefix"
        )
    return VirtualMac(
        kind=mac.kind,
        name=name,
        mac=_mac(mac, said, virtual_router_id, report),
        address=_address(mac, said, family, report),
        xmit_base=_xmit_base(mac, draft, report, unicast=unicast, strict=strict),
        each_address=mac.each_address,
    )


def _free_name(prefix: str, virtual_router_id: int, taken: Collection[str]) -> str:
    """Number names that meet, as keepalived does: vrrp.51, vrrp1.51."""
    name, number = f"{prefix}.{virtual_router_id}", 0
    while name in taken:
        number += 1
        name = f"{prefix}{number}.{virtual_router_id}"
    return name


def _mac(mac: VirtualMacDraft, said: Statement, virtual_router_id: int, report: Report) -> str | None:
    if mac.mac is None:
        return None
    try:
        found = values.mac(mac.mac, virtual_router_id)
        if found.startswith(_VRRP_MACS):
            raise RefusedError(f"{found} is one of VRRP's own, which is the default; leave it out")
    except RefusedError as error:
        report.error(said.file, said.line, f"use_vmac: {error}")
        return None
    return found


def _address(mac: VirtualMacDraft, said: Statement, family: int, report: Report) -> str | None:
    if mac.address is None:
        if mac.kind == "ipvlan" and family == 4:
            report.error(
                said.file, said.line, "use_ipvlan needs an address of its own for IPv4; add ADDRESS/LENGTH"
            )
        return None
    if mac.address.version != family:
        report.error(said.file, said.line, f"use_ipvlan {mac.address.text} is no IPv{family} address")
    longest = 128 if mac.address.version == 6 else 32
    return f"{mac.address.text}/{longest if mac.length is None else mac.length}"


def _xmit_base(mac: VirtualMacDraft, draft: Draft, report: Report, *, unicast: bool, strict: bool) -> bool:
    if unicast and not mac.xmit_base and mac.kind == "macvlan":
        said = draft.given["use_vmac"]
        report.warning(
            said.file, said.line, "use_vmac with unicast peers means vmac_xmit_base too; add it to say so"
        )
        return True
    if strict and mac.xmit_base and not unicast:
        draft.void("vmac_xmit_base", "strict mode sends from the virtual MAC", report)
        return False
    return mac.xmit_base
