"""How advertisements travel: source, multicast group, unicast peers, checksum."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from config_service.keepalived import fields, left_out, values
from config_service.keepalived.defaults import Defaults
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, each_line
from config_service.keepalived.words import Words, unknown
from config_service.problems import RefusedError
from config_service.report import Report
from vipbus.contracts import UnicastPeer

_OLD_CHECKSUM: Final = "checksums are as the RFC has them; keepalived until 1.3.6 computed others"
_UNICAST: Final = (
    "unicast_src_ip",
    "unicast_ttl",
    "check_unicast_src",
    "old_unicast_checksum",
    "unicast_peer",
)


class TransportDraft:
    """What an instance says; None: the global default."""

    def __init__(self) -> None:
        self.source: values.Address | None = None
        self.track_source = False
        self.multicast_group: values.Address | None = None
        self.peers: list[tuple[UnicastPeer, Statement]] = []
        self.ttl = 255
        self.check_source: bool | None = None
        self.fault_no_peer = False
        self.checksum_as_v2: bool | None = None
        self.ranges = False

    def addresses(self) -> list[str]:
        """Give the addresses that tell the family where no virtual address does."""
        named = [self.source, self.multicast_group]
        return [*(one.text for one in named if one), *(peer.address for peer, _ in self.peers)]


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """What holds: fields as in `vipbus.contracts.VrrpInstance`."""

    source: str | None
    track_source: bool
    multicast_group: str | None
    unicast_peers: tuple[UnicastPeer, ...]
    unicast_ttl: int
    check_unicast_source: bool
    unicast_fault_no_peer: bool
    checksum_as_v2: bool


def _peers(draft: TransportDraft, statement: Statement, report: Report) -> None:
    def line(inner: Statement) -> None:
        address = values.address(inner.keyword).text
        if any(peer.address == address for peer, _ in draft.peers):
            raise RefusedError(f"{address} is a unicast_peer already; remove one")
        words = Words(inner.arguments)
        low, high = 0, 255
        while words:
            word = words.take()
            if word not in ("min_ttl", "max_ttl"):
                raise unknown(word, "a unicast_peer", "ADDRESS [min_ttl 0-255] [max_ttl 0-255]")
            words.once(word)
            value = values.integer(words.argument(word, "a number"), 0, 255)
            low, high = (value, high) if word == "min_ttl" else (low, value)
            draft.ranges = True
        if low > high:
            raise RefusedError(f"min_ttl {low} is more than max_ttl {high}; nothing would be heard")
        draft.peers.append((UnicastPeer(address=address, min_ttl=low, max_ttl=high), inner))

    each_line(statement, report, line)


KEYWORDS: Final[dict[str, Keyword[Any]]] = {
    "mcast_src_ip": fields.word("mcast_src_ip", "ADDRESS", "source", values.address),
    "unicast_src_ip": fields.word(
        "unicast_src_ip", "ADDRESS", "source", values.address, same_as="mcast_src_ip"
    ),
    "track_src_ip": fields.flag("track_src_ip", "track_source"),
    "mcast_dst_ip": fields.word("mcast_dst_ip", "ADDRESS", "multicast_group", values.multicast),
    "unicast_peer": Keyword("unicast_peer { ... }", _peers, least=0, most=0, block=True, repeats=True),
    "unicast_ttl": fields.whole("unicast_ttl", "ttl", 0, 255),
    "check_unicast_src": fields.boolean("check_unicast_src", "check_source"),
    "unicast_fault_no_peer": fields.flag("unicast_fault_no_peer", "fault_no_peer"),
    "v3_checksum_as_v2": fields.boolean("v3_checksum_as_v2", "checksum_as_v2"),
    "old_unicast_checksum": fields.without_effect("old_unicast_checksum", _OLD_CHECKSUM),
    "kernel_rx_buf_size": fields.without_effect("kernel_rx_buf_size", left_out.BUFFERS),
}


def compile_transport(
    transport: TransportDraft,
    draft: Draft,
    defaults: Defaults,
    report: Report,
    *,
    family: int,
    version: int,
) -> Transport:
    """Fill in the defaults; what does not fit together is told."""
    _refuse_other_family(transport, draft, family, report)
    peers = tuple(peer for peer, _ in transport.peers)
    unicast = bool(peers) or transport.fault_no_peer
    if not unicast:
        _warn_of_multicast(draft, report)
    elif transport.multicast_group is not None:
        draft.void("mcast_dst_ip", "advertisements go to each unicast_peer", report)
    if transport.checksum_as_v2 and (version, family) != (3, 4):
        draft.void("v3_checksum_as_v2", "it is for version 3 over IPv4", report)
    if transport.track_source and transport.source is None:
        draft.void("track_src_ip", "no source is named; add mcast_src_ip or unicast_src_ip", report)
    check = defaults.check_unicast_source if transport.check_source is None else transport.check_source
    as_v2 = defaults.checksum_as_v2 if transport.checksum_as_v2 is None else transport.checksum_as_v2
    default = defaults.multicast_group6 if family == 6 else defaults.multicast_group4
    group = transport.multicast_group.text if transport.multicast_group else default
    return Transport(
        source=transport.source.text if transport.source else None,
        track_source=transport.track_source and transport.source is not None,
        multicast_group=None if unicast else group,
        unicast_peers=peers,
        unicast_ttl=transport.ttl if unicast else 255,
        # whoever gives a range of hops wants others dropped
        check_unicast_source=bool(peers) and (check or transport.ranges),
        unicast_fault_no_peer=transport.fault_no_peer,
        checksum_as_v2=as_v2 and (version, family) == (3, 4),
    )


def _refuse_other_family(transport: TransportDraft, draft: Draft, family: int, report: Report) -> None:
    file = draft.statement.file
    named = [("mcast_src_ip", transport.source), ("mcast_dst_ip", transport.multicast_group)]
    for keyword, found in named:
        if found is not None and found.version != family:
            said = draft.given.get(keyword, draft.statement)
            report.error(
                file,
                said.line,
                f"{said.keyword} {found.text} is no IPv{family} address, as the instance's are",
            )
    for peer, line in transport.peers:
        if (":" in peer.address) != (family == 6):
            report.error(
                file,
                line.line,
                f"unicast_peer {peer.address} is no IPv{family} address, as the instance's are",
            )


def _warn_of_multicast(draft: Draft, report: Report) -> None:
    """Say that unicast keywords alone make no unicast, as keepalived does."""
    said: Collection[Statement] = {id(one): one for one in draft.given.values()}.values()
    for statement in said:
        if statement.keyword in ("unicast_src_ip", "unicast_peer"):
            report.warning(
                statement.file,
                statement.line,
                f"{statement.keyword} without a peer: advertisements go by multicast; add peers, or "
                "unicast_fault_no_peer",
            )
        elif statement.keyword in _UNICAST and statement.keyword != "old_unicast_checksum":
            report.warning(
                statement.file,
                statement.line,
                f"{statement.keyword} has no effect here: there is no unicast_peer",
            )
