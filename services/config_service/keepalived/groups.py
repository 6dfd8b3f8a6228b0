"""``vrrp_sync_group``: instances that move together (keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from config_service.keepalived import fields, left_out, notify, tracking, values
from config_service.keepalived.instance import InstanceDraft
from config_service.keepalived.notify import NotifyDraft
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block, within
from config_service.keepalived.tracking import TrackDraft
from config_service.problems import RefusedError, quoted
from config_service.report import Report
from vipbus.contracts import name_token


class GroupDraft(Draft):
    """What one ``vrrp_sync_group`` says."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name = values.name(statement.arguments[0])
        self.members: list[tuple[str, Statement]] = []
        self.tracks: list[TrackDraft] = []
        self.notify = NotifyDraft()
        self.member_weights = False


def names(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """Give every word of a block of names, with its line.

    Raises:
        RefusedError: one is no name, or has a block.
    """
    for line in statement.block or ():
        if line.block is not None:
            raise RefusedError(f"a line of {statement.keyword} takes no block; remove the braces")
        for word in (line.keyword, *line.arguments):
            yield values.name(word), line


def _group(draft: GroupDraft, statement: Statement, _report: Report) -> None:
    draft.members += names(statement)


SYNC_GROUP: Final = declare(
    Table(
        "vrrp_sync_group",
        {
            "group": Keyword("group { NAME ... }", _group, least=0, most=0, block=True, repeats=True),
            **within(lambda draft: draft.tracks, tracking.KEYWORDS),
            **within(lambda draft: draft.notify, notify.GROUP),
            "sync_group_tracking_weight": fields.flag("sync_group_tracking_weight", "member_weights"),
            "global_tracking": fields.flag("global_tracking", "member_weights"),
        },
        left_out.SYNC_GROUP,
    )
)


def read_group(statement: Statement, report: Report) -> GroupDraft:
    """Read a ``vrrp_sync_group`` block."""
    draft = GroupDraft(statement)
    read_block(statement.block or (), SYNC_GROUP, draft, report)
    return draft


def groups_of(
    drafts: Sequence[GroupDraft], instances: Sequence[InstanceDraft], report: Report
) -> Mapping[str, GroupDraft]:
    """Say which group each instance is in, by name; what cannot be goes into the report."""
    known = {instance.name: instance for instance in instances}
    found: dict[str, GroupDraft] = {}
    tokens: dict[str, GroupDraft] = {}
    for draft in drafts:
        file, line = draft.statement.file, draft.statement.line
        if (other := tokens.setdefault(name_token(draft.name), draft)) is not draft:
            report.error(
                file,
                line,
                f"vrrp_sync_group {quoted(draft.name)} cannot be told from {quoted(other.name)} on line "
                f"{other.statement.line}; rename one",
            )
        for member, statement in draft.members:
            if member not in known:
                report.error(
                    file,
                    statement.line,
                    values.missing("vrrp_instance", member, known),
                )
            elif (before := found.setdefault(member, draft)) is not draft or _count(draft, member) > 1:
                report.error(
                    file,
                    statement.line,
                    f"{quoted(member)} is in vrrp_sync_group {quoted(before.name)} on line "
                    f"{before.statement.line} already; an instance has one group",
                )
        if not draft.members:
            report.error(
                file, line, f"vrrp_sync_group {quoted(draft.name)} has no members; add group {{ NAME ... }}"
            )
        elif len(draft.members) == 1:
            report.warning(file, line, f"vrrp_sync_group {quoted(draft.name)} has one member only")
        _refuse_own_interfaces(draft, [known[name] for name, _ in draft.members if name in known], report)
    return found


def _count(draft: GroupDraft, member: str) -> int:
    return sum(name == member for name, _ in draft.members)


def _refuse_own_interfaces(draft: GroupDraft, members: Sequence[InstanceDraft], report: Report) -> None:
    for track in draft.tracks:
        own = [member.name for member in members if member.interface == track.name]
        if track.kind == "interface" and own:
            report.error(
                track.statement.file,
                track.statement.line,
                f"{track.name} is the interface of {own[0]}, which follows it by itself; remove it here",
            )
