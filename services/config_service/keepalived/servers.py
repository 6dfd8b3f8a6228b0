"""What a file's ``virtual_server`` blocks mean together: every default filled in, every clash refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from config_service.keepalived.lvs import CheckDraft, RealServerDraft, VirtualServerDraft
from config_service.problems import Report
from vipbus.contracts import Protocol, RealServer, TcpCheck, VirtualServer

_KEEPS_PORT: Final = ("DR", "TUN")
"""Forwarding methods that leave the packet's port as the client wrote it (ip_vs_xmit.c)."""


def compile_servers(
    drafts: Sequence[VirtualServerDraft], owners: Mapping[str, str], router: str, report: Report
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
            entities += _real_servers(draft, token, router, report)
    return entities


def _protocol(draft: VirtualServerDraft, report: Report) -> Protocol:
    if draft.protocol is not None:
        return draft.protocol
    if "protocol" not in draft.given and any(server.checks for server in draft.real_servers):
        report.warning(
            draft.statement.file,
            draft.statement.line,
            f"virtual_server {draft.address.text} {draft.port} has no protocol and so is UDP, but its real "
            "servers are checked by TCP; say protocol TCP or protocol UDP",
        )
    return "UDP"


def _real_servers(
    draft: VirtualServerDraft, virtual_server: str, router: str, report: Report
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
        entities.append(
            RealServer(
                router=router,
                virtual_server=virtual_server,
                address=server.address.text,
                port=port,
                weight=server.weight,
                checks=tuple(_check(check, server, float(draft.delay_loop)) for check in server.checks),
            )
        )
    return entities


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


def _check(check: CheckDraft, server: RealServerDraft, delay_loop: float) -> TcpCheck:
    return TcpCheck(
        address=server.address.text,
        port=check.port or server.port,
        delay_loop=delay_loop,
        connect_timeout=float(check.connect_timeout),
        retry=check.retry,
        delay_before_retry=float(check.delay_before_retry),
    )
