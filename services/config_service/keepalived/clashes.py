"""What two instances of one router cannot both be: of one name, of one VRID, with one address."""

from __future__ import annotations

from collections.abc import Sequence

from config_service.keepalived.addresses import AddressDraft
from config_service.keepalived.defaults import Defaults
from config_service.keepalived.instance import InstanceDraft
from config_service.problems import quoted
from config_service.report import Report
from vipbus.contracts import name_token


def refuse_clashes(drafts: Sequence[InstanceDraft], defaults: Defaults, report: Report) -> None:
    """Report every clash, at the later of both."""
    names: dict[str, InstanceDraft] = {}
    ids: dict[tuple[str, int, int], list[InstanceDraft]] = {}
    for draft in drafts:
        file = draft.statement.file
        if (other := names.setdefault(name_token(draft.name), draft)) is not draft:
            same = (
                "is already"
                if other.name == draft.name
                else f"cannot be told from {quoted(other.name)} on the bus, which is"
            )
            report.error(
                file,
                draft.statement.line,
                f"vrrp_instance {quoted(draft.name)} {same} on line {other.statement.line}; rename one",
            )
        if draft.interface is not None and draft.virtual_router_id is not None:
            place = (draft.interface, draft.virtual_router_id, draft.family)
            same_id = next((one for one in ids.get(place, ()) if _meet(one, draft, defaults)), None)
            if same_id is not None:
                report.error(
                    file,
                    draft.line_of("virtual_router_id"),
                    f"virtual_router_id {draft.virtual_router_id} on {draft.interface} is already that of "
                    f"{same_id.name} on line {same_id.line_of('virtual_router_id')}; choose another",
                )
            ids.setdefault(place, []).append(draft)


def _meet(one: InstanceDraft, other: InstanceDraft, defaults: Defaults) -> bool:
    """Say whether two instances of one VRID hear each other's advertisements."""
    peers, others = _peers(one), _peers(other)
    if peers or others:
        return bool(peers & others)
    return _group(one, defaults) == _group(other, defaults)


def _peers(draft: InstanceDraft) -> set[str]:
    return {peer.address for peer, _ in draft.transport.peers}


def _group(draft: InstanceDraft, defaults: Defaults) -> str | None:
    if draft.transport.multicast_group is not None:
        return draft.transport.multicast_group.text
    if draft.family == 6:
        return defaults.multicast_group6 or "ff02::12"
    return defaults.multicast_group4 or "224.0.0.18"


class Claims:
    """Who takes which address; a link-local one may be there once an interface."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._first: dict[tuple[str, str], tuple[str, AddressDraft]] = {}

    def claim(self, addresses: Sequence[AddressDraft], interface: str, owner: str) -> None:
        """Note an owner's addresses, and report those that somebody has already.

        Its own it may name twice, as keepalived's samples do: both are advertised, for who counts them.
        """
        for one in addresses:
            local = (one.dev or interface) if one.address.startswith("fe80:") else ""
            whose, first = self._first.setdefault((one.address, local), (owner, one))
            if first is not one:
                tell = self._report.warning if whose == owner else self._report.error
                tell(
                    one.statement.file,
                    one.statement.line,
                    f"{one.address} is already an address of {whose} on line {first.statement.line}; "
                    "remove one" + (" on every router" if whose == owner else ""),
                )
