"""What a file's ``virtual_server`` blocks mean together: every default filled in, every clash refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from config_service.keepalived import values
from config_service.keepalived.checkers.common import Surroundings
from config_service.keepalived.checkers.file import FileDraft
from config_service.keepalived.lvs import VirtualServerDraft
from config_service.keepalived.pool import PoolCompiler
from config_service.keepalived.virtual_groups import Member, VirtualGroupDraft
from config_service.problems import quoted
from config_service.report import Report
from vipbus.contracts import RealServer, VirtualServer
from vipbus.contracts.vrrp_objects import Family


def compile_servers(
    drafts: Sequence[VirtualServerDraft],
    groups: Mapping[str, VirtualGroupDraft],
    owners: Mapping[str, str],
    *,
    around: Surroundings,
    router: str,
    report: Report,
    made_of: dict[str, VirtualServerDraft],
) -> list[VirtualServer | RealServer]:
    """Compile the virtual servers, each followed by its real servers; a group's members are one each.

    ``owners`` names the instance that each virtual address belongs to; ``made_of`` takes what each virtual
    server was made of, by its token. What is wrong goes into the report,
    and then the entities mean nothing.
    """
    entities: list[VirtualServer | RealServer] = []
    first: dict[str, Member] = {}
    for draft in drafts:
        members = _members(draft, groups, report)
        if not members:
            continue
        if not draft.real_servers and not around.empty_pools:
            if "real_server" not in {statement.keyword for statement in draft.statement.block or ()}:
                report.warning(
                    draft.statement.file,
                    draft.statement.line,
                    f"virtual_server {draft.name} has no real_server and is left out",
                )
            continue
        pool = PoolCompiler(draft, members, around, router, report)
        for member in members:
            server = _placed(pool.virtual_server(member), member, owners)
            if (other := first.setdefault(server.id, member)) is not member:
                report.error(
                    member.statement.file,
                    member.statement.line,
                    f"virtual_server {server.words} is already on line {other.statement.line}; remove one",
                )
                continue
            made_of[server.id] = draft
            entities.append(server)
            entities += pool.real_servers(member, server.id)
    _report_unused(drafts, groups, report)
    return entities


def checked_files(drafts: Sequence[VirtualServerDraft]) -> frozenset[str]:
    """Name the ``track_file`` blocks that real servers are checked by."""
    checkers = (one for draft in drafts for server in draft.real_servers for one in server.checkers)
    return frozenset(one.name for one in checkers if isinstance(one, FileDraft) and one.name is not None)


def _placed(server: VirtualServer, member: Member, owners: Mapping[str, str]) -> VirtualServer:
    """Put a pool's virtual server to one address or mark."""
    if member.mark:
        # whatever the roles, as in keepalived: a mark says nothing of whose address the packet was for
        return msgspec.structs.replace(server, mark=member.mark)
    return msgspec.structs.replace(
        server, address=member.address, port=member.port, instance=owners.get(member.address)
    )


def _members(
    draft: VirtualServerDraft, groups: Mapping[str, VirtualGroupDraft], report: Report
) -> list[Member]:
    """Give what the kernel has a service for, each with a family."""
    statement = draft.statement
    if not draft.group:
        members = [draft.member]
    elif (group := groups.get(draft.group)) is not None:
        members = [*group.members()]
    else:
        why = values.missing("virtual_server_group", draft.group, groups)
        report.error(statement.file, statement.line, f"virtual_server {draft.name}: {why}")
        return []
    said = draft.scheduling.family
    for member in members:
        if said and member.version not in (0, said):
            where = member.address or f"mark {member.mark}"
            report.error(
                statement.file,
                draft.line_of("ip_family"),
                f"ip_family: {where} is IPv{member.version}; remove ip_family, or make two groups",
            )
            return []
    return _with_families(draft, members, report)


def _with_families(draft: VirtualServerDraft, members: list[Member], report: Report) -> list[Member]:
    """Find the family of marks that do not say: of the group's addresses, or of the pool."""
    if all(member.version for member in members):
        return members
    versions = {member.version for member in members if member.address}
    granularity = draft.scheduling.granularity
    if draft.scheduling.family:
        version = draft.scheduling.family
    elif len(versions) > 1:
        nameless = next(member for member in members if not member.version)
        report.error(
            nameless.statement.file,
            nameless.statement.line,
            f"mark {nameless.mark} stands beside addresses of both families; write fwmark {nameless.mark} "
            "inet, or inet6",
        )
        return []
    elif versions:
        (version,) = versions
    elif granularity is not None:
        version = granularity.version
    else:
        version = _family_of_pool(draft)
    return [member if member.version else member._replace(version=version) for member in members]


def _family_of_pool(draft: VirtualServerDraft) -> Family:
    """Give the family of the real servers; tunnels cross families, so of those only when they agree."""
    plain = [
        server.address.version
        for server in draft.real_servers
        if (server.method or draft.method).forwarding != "TUN"
    ]
    every = {server.address.version for server in draft.real_servers}
    return cast(Family, plain[0] if plain else 6 if every == {6} else 4)


def _report_unused(
    drafts: Sequence[VirtualServerDraft], groups: Mapping[str, VirtualGroupDraft], report: Report
) -> None:
    used = {draft.group for draft in drafts}
    for name, group in groups.items():
        if name not in used:
            report.warning(
                group.statement.file,
                group.statement.line,
                f"virtual_server_group {quoted(name)} has no virtual_server group {name} and is left out",
            )
