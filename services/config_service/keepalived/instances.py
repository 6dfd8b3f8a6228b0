"""What the ``vrrp_instance`` blocks of a file mean together: every default filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from config_service.keepalived import clashes
from config_service.keepalived.addresses import AddressDraft
from config_service.keepalived.authentication import compile_hmac, compile_password
from config_service.keepalived.election import compile_election
from config_service.keepalived.garp import GarpGroupDraft, compile_garp
from config_service.keepalived.global_defs import GlobalDraft
from config_service.keepalived.groups import GroupDraft
from config_service.keepalived.instance import InstanceDraft
from config_service.keepalived.outside import Outside
from config_service.keepalived.sources import Sources
from config_service.keepalived.transport import compile_transport
from config_service.keepalived.virtual_mac import compile_virtual_mac
from config_service.report import Report
from vipbus.contracts import Family, VirtualAddress, VrrpInstance

MOST_ADDRESSES: Final = 255
"""Of an advertisement: it counts them in one byte (RFC 9568 section 5.2.5)."""
_MTU: Final = 1500
_HEADERS: Final = {4: 20 + 8, 6: 40 + 8}
"""Bytes of IP and VRRP before the addresses."""
_ADDRESS: Final = {4: 4, 6: 16}
_PASSWORD: Final = 8
_HMAC_TRAILER: Final = 28


class InstanceCompiler:
    """Compiles one instance after the other; what is wrong goes into the report."""

    def __init__(
        self,
        router: str,
        *,
        globals_: GlobalDraft,
        sources: Sources,
        garp_groups: Sequence[GarpGroupDraft],
        outside: Outside,
        report: Report,
    ) -> None:
        self._router = router
        self._globals = globals_
        self._sources = sources
        self._garp_groups = garp_groups
        self._outside = outside
        self._report = report
        self._devices: set[str] = set()
        self._named_devices: set[str] = set()

    def compile(
        self, drafts: Sequence[InstanceDraft], groups: Mapping[str, GroupDraft]
    ) -> list[VrrpInstance]:
        """Compile them; where something is wrong with one it is left out, or means nothing."""
        clashes.refuse_clashes(drafts, self._globals.defaults, self._report)
        self._named_devices = {draft.virtual_mac.name for draft in drafts if draft.virtual_mac.name}
        return [
            self._instance(draft, groups.get(draft.name))
            for draft in drafts
            if _complete(draft, self._report)
        ]

    def _instance(self, draft: InstanceDraft, group: GroupDraft | None) -> VrrpInstance:
        report, outside, defaults = self._report, self._outside, self._globals.defaults
        family = cast(Family, draft.family)
        interface, virtual_router_id = draft.interface or "", draft.virtual_router_id or 0
        election = compile_election(draft.election, draft, family, defaults, report)
        transport = compile_transport(
            draft.transport, draft, defaults, report, family=family, version=election.version
        )
        hmac = compile_hmac(
            draft.authentication, election.advert_int, outside, report, strict=election.strict
        )
        password = compile_password(
            draft.authentication, election.version, outside, report, strict=election.strict
        )
        mac = compile_virtual_mac(
            draft.virtual_mac,
            draft,
            report,
            family=family,
            virtual_router_id=virtual_router_id,
            prefix=defaults.vmac_prefix,
            taken=self._devices,
            named=self._named_devices,
            unicast=bool(transport.unicast_peers),
            strict=election.strict,
        )
        if mac is not None:
            self._devices.add(mac.name)
        if election.strict:
            _check_strict(draft, report)
        room = MOST_ADDRESSES
        if family == 6 or hmac is not None:
            trailer = _HMAC_TRAILER if hmac is not None else 0
            trailer += _PASSWORD if election.version == 2 else 0
            room = min(room, (_MTU - _HEADERS[family] - trailer) // _ADDRESS[family])
        advertised, excluded = _fit(draft, room, report)
        addresses, others = self._addresses(draft, advertised), self._addresses(draft, excluded)
        return VrrpInstance(
            router=self._router,
            name=draft.name,
            interface=interface,
            virtual_router_id=virtual_router_id,
            family=family,
            version=election.version,
            priority=election.priority,
            advert_int=election.advert_int,
            state=election.state,
            nopreempt=election.nopreempt,
            preempt_delay=election.preempt_delay,
            down_timer_adverts=election.down_timer_adverts,
            strict=election.strict,
            accept=election.accept,
            lower_prio_no_advert=election.lower_prio_no_advert,
            higher_prio_send_advert=election.higher_prio_send_advert,
            owner_ignore_adverts=election.owner_ignore_adverts,
            # an ipvlan's own address is the one that its advertisements can come from
            source=transport.source or (mac.address.partition("/")[0] if mac and mac.address else None),
            track_source=transport.track_source,
            multicast_group=transport.multicast_group,
            unicast_peers=transport.unicast_peers,
            unicast_ttl=transport.unicast_ttl,
            check_unicast_source=transport.check_unicast_source,
            unicast_fault_no_peer=transport.unicast_fault_no_peer,
            checksum_as_v2=transport.checksum_as_v2,
            auth_pass=password,
            hmac=hmac,
            virtual_mac=mac,
            vrf=draft.vrf,
            virtual_ipaddress=addresses,
            virtual_ipaddress_excluded=others,
            virtual_routes=tuple(route.compiled() for route in draft.routes),
            virtual_rules=tuple(rule.compiled() for rule in draft.rules),
            promote_secondaries=draft.promote_secondaries,
            garp=compile_garp(
                draft.garp,
                defaults.garp,
                self._garp_groups,
                (*addresses, *others),
                interface,
                strict=election.strict,
            ),
            track_interface=draft.track_interface,
            tracks=self._sources.tracks(draft, group, election.priority),
            notify=draft.notify.compiled(
                mail=defaults.alerts, priority_changes=defaults.notify_priority_changes
            ),
        )

    def _addresses(
        self, draft: InstanceDraft, addresses: Sequence[AddressDraft]
    ) -> tuple[VirtualAddress, ...]:
        each = draft.virtual_mac.each_address
        return tuple(one.compiled(draft.interface or "", each_own_mac=each) for one in addresses)


def _complete(draft: InstanceDraft, report: Report) -> bool:
    """Report what an instance cannot be without, and addresses that cannot be together."""
    file, line = draft.statement.file, draft.statement.line
    before = len(report.errors)
    for keyword in ("interface", "virtual_router_id"):
        if keyword not in draft.given:
            report.error(file, line, f"vrrp_instance {draft.name} has no {keyword}; add it")
    block = draft.given.get("virtual_ipaddress")
    if draft.no_addresses and block is not None:
        report.error(
            file, draft.line_of("no_virtual_ipaddress"), "no_virtual_ipaddress beside addresses; remove one"
        )
    elif block is None and not draft.no_addresses:
        report.error(
            file,
            line,
            f"vrrp_instance {draft.name} has no virtual_ipaddress; add it, or no_virtual_ipaddress",
        )
    elif block is not None and block.block == () and not draft.addresses:
        report.error(
            file, block.line, "virtual_ipaddress is empty; add an address, or write no_virtual_ipaddress"
        )
    for wrong, why in _mixed(draft):
        report.error(file, wrong.statement.line, why)
    return len(report.errors) == before


def _mixed(draft: InstanceDraft) -> Iterator[tuple[AddressDraft, str]]:
    for address in draft.addresses:
        if draft.native_ipv6 and address.version == 4:
            yield address, f"{address.address} is IPv4, but native_ipv6 asks for IPv6; remove one"
        elif address.version != draft.addresses[0].version:
            first = draft.addresses[0].version
            advice = "move it to virtual_ipaddress_excluded, or to a second instance"
            yield (
                address,
                f"{address.address} is IPv{address.version} and the first address IPv{first}; {advice}",
            )


def _fit(
    draft: InstanceDraft, room: int, report: Report
) -> tuple[Sequence[AddressDraft], Sequence[AddressDraft]]:
    """Exclude what an advertisement has no room for, as keepalived does."""
    if len(draft.addresses) <= room:
        return draft.addresses, draft.excluded
    report.warning(
        draft.statement.file,
        draft.addresses[room].statement.line,
        f"an advertisement of {draft.name} has room for {room} addresses; this one and those after it are "
        "excluded: they move with the others and are not advertised",
    )
    return draft.addresses[:room], [*draft.addresses[room:], *draft.excluded]


def _check_strict(draft: InstanceDraft, report: Report) -> None:
    """Refuse what strict mode cannot be with; what it merely voids is told where it is compiled."""
    file = draft.statement.file
    if draft.no_addresses:
        report.error(
            file,
            draft.line_of("no_virtual_ipaddress"),
            "strict mode wants an address; add one, or end strict mode",
        )
    if draft.family == 6 and draft.addresses and not draft.addresses[0].address.startswith("fe80:"):
        report.error(
            file,
            draft.addresses[0].statement.line,
            "strict mode wants a link-local address first (RFC 9568 section 5.2.9); add one, or end "
            "strict mode",
        )
    if draft.garp.lower_prio_repeat:
        draft.void("garp_lower_prio_repeat", "strict mode does not answer a lower priority", report)
    if draft.transport.peers:
        report.warning(
            file,
            draft.line_of("unicast_peer"),
            "unicast_peer is beyond what strict mode allows; it counts, and strict mode holds for all else",
        )
