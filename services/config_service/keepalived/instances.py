"""What the ``vrrp_instance`` blocks of a file mean together: every default filled in, every clash refused."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal, cast

from config_service.keepalived.vrrp import AddressDraft, InstanceDraft
from config_service.problems import Report, quoted
from vipbus.contracts import VirtualAddress, VrrpInstance, name_token

MOST_ADDRESSES: Final = 255
"""Of an instance: the advertisement counts them in one byte (RFC 9568 section 5.2.5)."""
_HUNDREDTH: Final = Decimal("0.01")


def compile_instances(
    drafts: Sequence[InstanceDraft], default_version: int, router: str, report: Report
) -> list[VrrpInstance]:
    """Compile the instances; what is wrong goes into the report, and then the entities mean nothing."""
    _refuse_clashes(drafts, report)
    return [
        VrrpInstance(
            router=router,
            name=draft.name,
            interface=draft.interface or "",
            virtual_router_id=draft.virtual_router_id or 0,
            priority=draft.priority,
            version=_version(draft, default_version),
            advert_int=_advert_int(draft, _version(draft, default_version), report),
            state=cast(Literal["MASTER", "BACKUP"], draft.state),
            nopreempt=_nopreempt(draft, report),
            virtual_ipaddress=tuple(
                VirtualAddress(address=one.address, prefix=one.prefix, dev=one.dev or draft.interface or "")
                for one in draft.addresses
            ),
        )
        for draft in drafts
        if _complete(draft, report)
    ]


def _complete(draft: InstanceDraft, report: Report) -> bool:
    """Report what an instance cannot be without."""
    file, line = draft.statement.file, draft.statement.line
    complete = True
    for keyword in ("interface", "virtual_router_id", "virtual_ipaddress"):
        if keyword not in draft.given:
            report.error(file, line, f"vrrp_instance {draft.name} has no {keyword}; add it")
            complete = False
    addresses = draft.given.get("virtual_ipaddress")
    if addresses is not None and addresses.block == () and not draft.addresses:
        report.error(file, addresses.line, "virtual_ipaddress is empty; add an address")
        complete = False
    if len(draft.addresses) > MOST_ADDRESSES:
        report.error(
            file,
            draft.addresses[MOST_ADDRESSES].line,
            f"more than {MOST_ADDRESSES} addresses in vrrp_instance {draft.name}; use a second instance",
        )
    return complete


def _version(draft: InstanceDraft, default: int) -> Literal[2, 3]:
    return cast(Literal[2, 3], draft.version or default)


def _advert_int(draft: InstanceDraft, version: int, report: Report) -> float:
    interval = draft.advert_int
    wrong = ""
    if version == 2 and interval % 1 != 0:
        wrong = "version 2 has whole seconds from 1 to 255; write one, or add version 3"
    elif version == 3 and (interval % _HUNDREDTH != 0 or interval > Decimal("40.95")):
        wrong = "version 3 has 0.01 to 40.95 seconds in steps of 0.01; write one of these"
    if wrong:
        report.error(draft.statement.file, draft.line_of("advert_int"), f"advert_int {interval}: {wrong}")
    return float(interval)


def _nopreempt(draft: InstanceDraft, report: Report) -> bool:
    """Void it where it has no effect, as keepalived does."""
    why = ""
    if draft.priority == 255:
        why = "priority 255 owns the address and always takes over"
    elif draft.state == "MASTER":
        why = "state MASTER asks for the opposite; write state BACKUP to keep it"
    if draft.nopreempt and why:
        report.warning(
            draft.statement.file, draft.line_of("nopreempt"), f"nopreempt has no effect here: {why}"
        )
    return draft.nopreempt and not why


def _refuse_clashes(drafts: Sequence[InstanceDraft], report: Report) -> None:
    names: dict[str, InstanceDraft] = {}
    ids: dict[tuple[str, int], InstanceDraft] = {}
    owners: dict[str, tuple[InstanceDraft, AddressDraft]] = {}
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
            same_id = ids.setdefault((draft.interface, draft.virtual_router_id), draft)
            if same_id is not draft:
                report.error(
                    file,
                    draft.line_of("virtual_router_id"),
                    f"virtual_router_id {draft.virtual_router_id} on {draft.interface} is already that of "
                    f"{same_id.name} on line {same_id.line_of('virtual_router_id')}; choose another",
                )
        for one in draft.addresses:
            owner, first = owners.setdefault(one.address, (draft, one))
            if first is not one:
                report.error(
                    file,
                    one.line,
                    f"{one.address} is already an address of {owner.name} on line {first.line}; remove one",
                )
