"""What a file's ``virtual_server`` blocks mean together: every default filled in, every clash refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from config_service.keepalived.checkers.common import Site, Surroundings
from config_service.keepalived.checkers.file import FileDraft
from config_service.keepalived.lvs import RealServerDraft, VirtualServerDraft
from config_service.problems import Report
from vipbus.contracts import Check, Protocol, RealServer, VirtualServer

_KEEPS_PORT: Final = ("DR", "TUN")
"""Forwarding methods that leave the packet's port as the client wrote it (ip_vs_xmit.c)."""


def compile_servers(
    drafts: Sequence[VirtualServerDraft],
    owners: Mapping[str, str],
    around: Surroundings,
    router: str,
    report: Report,
) -> list[VirtualServer | RealServer]:
    """Compile the virtual servers, each followed by its real servers.

    ``owners`` names the instance that each virtual address belongs to. What is wrong goes into the report,
    and then the entities mean nothing.
    """
    entities: list[VirtualServer | RealServer] = []
    first: dict[str, VirtualServerDraft] = {}
    for draft in drafts:
        server = VirtualServer(
            router=router,
            address=draft.address.text,
            port=draft.port,
            protocol=_protocol(draft, report),
            scheduler=draft.scheduler,
            forwarding=draft.forwarding,
            persistence_timeout=draft.persistence_timeout,
            instance=owners.get(draft.address.text),
        )
        token = server.id
        if (other := first.setdefault(token, draft)) is not draft:
            report.error(
                draft.statement.file,
                draft.statement.line,
                f"virtual_server {server.address} {server.port} {server.protocol} is already on line "
                f"{other.statement.line}; remove one",
            )
        elif not draft.real_servers:
            if "real_server" not in {statement.keyword for statement in draft.statement.block or ()}:
                report.warning(
                    draft.statement.file,
                    draft.statement.line,
                    f"virtual_server {server.address} {server.port} has no real_server and is left out",
                )
        else:
            entities.append(server)
            entities += _real_servers(draft, token, around, router, report)
    return entities


def checked_files(drafts: Sequence[VirtualServerDraft]) -> frozenset[str]:
    """Name the ``track_file`` blocks that real servers are checked by."""
    checkers = (one for draft in drafts for server in draft.real_servers for one in server.checkers)
    return frozenset(one.name for one in checkers if isinstance(one, FileDraft) and one.name is not None)


def _protocol(draft: VirtualServerDraft, report: Report) -> Protocol:
    if draft.protocol is not None:
        return draft.protocol
    checkers = [one for server in draft.real_servers for one in server.checkers]
    if "protocol" not in draft.given and any(one.speaks_tcp for one in checkers):
        report.warning(
            draft.statement.file,
            draft.statement.line,
            f"virtual_server {draft.address.text} {draft.port} has no protocol and so is UDP, but its real "
            "servers are checked by TCP; say protocol TCP or protocol UDP",
        )
    return "UDP"


def _real_servers(
    draft: VirtualServerDraft, virtual_server: str, around: Surroundings, router: str, report: Report
) -> list[RealServer]:
    entities: list[RealServer] = []
    first: dict[tuple[str, int], int] = {}
    for server in draft.real_servers:
        file, line = server.statement.file, server.statement.line
        if server.address.version != draft.address.version and draft.forwarding != "TUN":
            report.error(
                file,
                line,
                f"{server.address.text} is IPv{server.address.version} and the virtual server "
                f"IPv{draft.address.version}; only TUN forwards between them",
            )
        port = _port(draft, server, report)
        if (before := first.setdefault((server.address.text, port), line)) != line:
            report.error(
                file,
                line,
                f"real_server {server.address.text} {port} is already on line {before}; remove one",
            )
        levels = (draft.knobs,) if server.knobs is None else (server.knobs, draft.knobs)
        site = Site(server.address, server.port, levels, around)
        entities.append(
            RealServer(
                router=router,
                virtual_server=virtual_server,
                address=server.address.text,
                port=port,
                weight=server.weight,
                checks=_checks(server, site, report),
                alpha=_alpha(server, site, report),
            )
        )
    return entities


def _checks(server: RealServerDraft, site: Site, report: Report) -> tuple[Check, ...]:
    return tuple(check for checker in server.checkers for check in checker.checks(site, report))


def _alpha(server: RealServerDraft, site: Site, report: Report) -> bool:
    """Say whether it starts down: if one of its checkers does, for all must pass before it is up."""
    if not any(checker.knows_alpha for checker in server.checkers):
        server.void("alpha", "nothing but FILE_CHECK, or nothing at all, checks this real server", report)
    return any(checker.alpha(site) for checker in server.checkers)


def _port(draft: VirtualServerDraft, server: RealServerDraft, report: Report) -> int:
    if draft.forwarding not in _KEEPS_PORT or server.port == draft.port:
        return server.port
    report.warning(
        server.statement.file,
        server.statement.line,
        f"{draft.forwarding} cannot change the port {draft.port} to {server.port}: traffic goes to port "
        f"{draft.port} of {server.address.text}, and checks to {server.port}",
    )
    return draft.port
