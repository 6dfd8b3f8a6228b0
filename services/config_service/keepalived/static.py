"""What stays whatever the roles: ``static_ipaddress``, ``static_routes``, ``static_rules``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from config_service.keepalived import values
from config_service.keepalived.addresses import AddressDraft
from config_service.keepalived.groups import GroupDraft, names
from config_service.keepalived.parser import Statement
from config_service.keepalived.routes import RouteDraft
from config_service.keepalived.rules import RuleDraft
from config_service.keepalived.schema import Draft, Keyword, Table, declare, each_line, read_block
from config_service.keepalived.words import Words, unknown
from config_service.problems import quoted
from config_service.report import Report
from vipbus.contracts import InterfaceDelay, StaticAddress, VirtualRoute, VirtualRule


class TrackGroupDraft(Draft):
    """What one ``track_group`` says: the instances that are in fault without a static object."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name = values.name(statement.arguments[0])
        self.members: list[tuple[str, Statement]] = []


def _group(draft: TrackGroupDraft, statement: Statement, _report: Report) -> None:
    draft.members += names(statement)


TRACK_GROUP: Final = declare(
    Table(
        "track_group",
        {"group": Keyword("group { NAME ... }", _group, least=0, most=0, block=True, repeats=True)},
    )
)


def read_track_group(statement: Statement, report: Report) -> TrackGroupDraft:
    """Read a ``track_group`` block."""
    draft = TrackGroupDraft(statement)
    read_block(statement.block or (), TRACK_GROUP, draft, report)
    if not draft.members:
        report.error(
            statement.file,
            statement.line,
            f"track_group {quoted(draft.name)} names no instance; add group {{ NAME }}",
        )
    return draft


def read_delays(statement: Statement, report: Report) -> list[InterfaceDelay]:
    """Read an ``interface_up_down_delays`` block: ``IF DOWN [UP]``, seconds."""
    found: list[InterfaceDelay] = []

    def line(inner: Statement) -> None:
        name = values.interface(inner.keyword)
        words = Words(inner.arguments)
        down = float(values.seconds(words.argument(name, "its down delay"), "0", "255"))
        up = float(values.seconds(words.take(), "0", "255")) if words else down
        if words:
            raise unknown(words.take(), "the delays", "IF DOWN [UP]")
        found.append(InterfaceDelay(interface=name, up=up, down=down))

    each_line(statement, report, line)
    return found


class Followers:
    """Finds who follows a static object by the name of its ``track_group``."""

    def __init__(
        self,
        drafts: Sequence[TrackGroupDraft],
        instances: Collection[str],
        groups: Sequence[GroupDraft],
        report: Report,
    ) -> None:
        self._report = report
        self._found: dict[str, str | None] = {}
        lines: dict[str, int] = {}
        sync = {frozenset(name for name, _ in group.members): group.name for group in groups}
        for draft in drafts:
            file, line = draft.statement.file, draft.statement.line
            if (before := lines.setdefault(draft.name, line)) != line:
                report.error(
                    file, line, f"track_group {quoted(draft.name)} is already on line {before}; rename one"
                )
            for member, statement in draft.members:
                if member not in instances:
                    report.error(
                        file,
                        statement.line,
                        values.missing("vrrp_instance", member, instances),
                    )
            members = frozenset(name for name, _ in draft.members)
            single = next(iter(members)) if len(members) == 1 else None
            self._found[draft.name] = single or sync.get(members)
            if len(members) > 1 and members not in sync:
                first = draft.members[0][0]
                self._found[draft.name] = first
                report.warning(
                    file,
                    line,
                    f"track_group {quoted(draft.name)} names several instances that are no vrrp_sync_group; "
                    f"only {first} follows it here: make them a vrrp_sync_group",
                )

    def of(self, name: str | None, statement: Statement) -> str | None:
        """Give the instance or sync group; None where none is named or it is not there, which is told."""
        if name is not None and name not in self._found:
            self._report.error(
                statement.file,
                statement.line,
                values.missing("track_group", name, self._found),
            )
        return self._found.get(name) if name is not None else None


def compile_static(
    addresses: Sequence[AddressDraft],
    routes: Sequence[RouteDraft],
    rules: Sequence[RuleDraft],
    interface: str,
    followers: Followers,
) -> tuple[tuple[StaticAddress, ...], tuple[VirtualRoute, ...], tuple[VirtualRule, ...]]:
    """Compile the three kinds; ``interface`` is where an address goes that names none."""
    return (
        tuple(
            StaticAddress(
                address=one.compiled(interface), track_group=followers.of(one.track_group, one.statement)
            )
            for one in addresses
        ),
        tuple(one.compiled(followers.of(one.track_group, one.statement)) for one in routes),
        tuple(one.compiled(followers.of(one.track_group, one.statement)) for one in rules),
    )
