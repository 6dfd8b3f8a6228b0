"""One ``virtual_server`` block as entities: made once for all the members of a group that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import msgspec

from config_service.keepalived.checkers.common import Surroundings
from config_service.keepalived.forwarding import Method
from config_service.keepalived.lvs import RealServerDraft, VirtualServerDraft
from config_service.keepalived.pool_parts import Told, shared_parts, weight_of
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.scheduling import DEFAULT_PERSISTENCE
from config_service.keepalived.virtual_groups import Member
from config_service.pools import KEEPS_PORT, NOWHERE, Finding, findings
from config_service.report import Report
from vipbus.contracts import ForwardingMethod, Program, RealServer, SorryServer, Tunnel, VirtualServer
from vipbus.contracts.vrrp_objects import Family

_KEYWORDS: Final = {
    "one_packet": "ops",
    "persistence_prefix": "persistence_granularity",
    "lower_threshold": "lthreshold",
}
"""keepalived's words for fields that have another name."""
_MOST: Final = 200_000
"""Real servers that the members of a group may have in all."""


class _Shape(NamedTuple):
    """What makes a difference to a pool: members alike in this have the same."""

    version: int
    port: int
    marked: bool


class _Pool(NamedTuple):
    virtual_server: VirtualServer
    real_servers: list[RealServer]


def _shape(member: Member) -> _Shape:
    return _Shape(member.version, member.port, bool(member.mark))


class PoolCompiler:
    """Compiles a block for the shapes of its members; each thing that is wrong is told once."""

    def __init__(
        self,
        draft: VirtualServerDraft,
        members: Sequence[Member],
        around: Surroundings,
        router: str,
        report: Report,
    ) -> None:
        self._draft = draft
        self._router = router
        self._told = Told(draft.statement.file, report)
        self._parts = shared_parts(draft, members, around, self._told, report)
        if len(members) * len(draft.real_servers) > _MOST:
            self._told.error(
                draft.statement.line,
                f"{len(members)} addresses with {len(draft.real_servers)} real servers each are more than "
                f"{_MOST} entries; make the group smaller, or mark the packets",
            )
            members = members[:1]
        self._pools = {shape: self._compiled(member) for shape, member in _one_of_each(members)}

    def virtual_server(self, member: Member) -> VirtualServer:
        """Give the virtual server of a member's shape, which has that member's or another's address."""
        return self._pools.get(_shape(member), next(iter(self._pools.values()))).virtual_server

    def real_servers(self, member: Member, token: str) -> list[RealServer]:
        """Give the pool of a member, whose token that is."""
        reals = self._pools.get(_shape(member), next(iter(self._pools.values()))).real_servers
        if not reals or reals[0].virtual_server == token:
            return reals
        return [msgspec.structs.replace(real, virtual_server=token) for real in reals]

    def _compiled(self, member: Member) -> _Pool:
        draft, scheduling = self._draft, self._draft.scheduling
        virtual = VirtualServer(
            router=self._router,
            address=member.address,
            port=member.port,
            protocol="TCP" if member.mark else self._parts.protocol,
            mark=member.mark,
            family=cast(Family, member.version) if member.mark else 4,
            group=draft.group,
            scheduler=scheduling.scheduler,
            scheduler_flags=tuple(sorted(scheduling.flags)),
            one_packet=scheduling.one_packet,
            forwarding=draft.method.forwarding,
            tunnel=draft.method.tunnel,
            persistence_timeout=self._persistence(member),
            persistence_prefix=self._prefix(member),
            persistence_engine="sip" if scheduling.engine else "",
            quorum=self._parts.quorum,
            hysteresis=self._parts.hysteresis,
            sorry_server=self._sorry_server(member),
            quorum_up=_program(draft.quorum_up),
            quorum_down=_program(draft.quorum_down),
            omega=draft.omega,
            ha_suspend=draft.ha_suspend,
        )
        reals = self._real_servers(member, virtual.id)
        if not reals:
            virtual = msgspec.structs.replace(virtual, template=self._template(member, virtual))
        for finding in findings(virtual, reals):
            self._tell(finding)
        if member.mark:
            virtual = msgspec.structs.replace(virtual, ha_suspend=False)
        return _Pool(virtual, reals)

    def _template(self, member: Member, virtual: VirtualServer) -> RealServer:
        """Say what the real servers of an empty pool are like."""
        return RealServer(
            router=self._router,
            virtual_server=virtual.id,
            address=NOWHERE[member.version],
            port=0,
            weight=self._draft.weight,
            inhibit_on_failure=self._draft.inhibit,
            checks=self._parts.template,
        )

    def _tell(self, finding: Finding) -> None:
        draft = self._draft
        keyword = _KEYWORDS.get(finding.field, finding.field)
        said = draft if finding.real is None else draft.real_servers[finding.real]
        line, text = said.line_of(keyword), f"{keyword}: {finding.text}"
        if finding.field == "scheduler_flags":
            flags = [said.line for word, said in draft.given.items() if word.startswith("flag-")]
            if not flags:  # one that names its scheduler: that is an error already
                return
            line, text = flags[-1], f"the flag {finding.text}"
        elif finding.field == "address":
            text = finding.text
        elif finding.text.startswith("has no effect"):
            text = f"{keyword} {finding.text}"
        (self._told.error if finding.fatal else self._told.warning)(line, text)

    def _real_servers(self, member: Member, token: str) -> list[RealServer]:
        draft = self._draft
        found: list[RealServer] = []
        first: dict[tuple[str, int], int] = {}
        for server, (checks, alpha) in zip(draft.real_servers, self._parts.checked, strict=True):
            own = server.method
            method = own or draft.method
            port = self._port(member, server, method)
            line = server.statement.line
            if (before := first.setdefault((server.address.text, port), line)) != line:
                self._told.error(
                    line, f"real_server {server.address.text} {port} is already on line {before}; remove one"
                )
            found.append(
                RealServer(
                    router=self._router,
                    virtual_server=token,
                    address=server.address.text,
                    port=port,
                    weight=weight_of(draft, server),
                    forwarding=None if own is None else _own_method(own, draft.method),
                    tunnel=None if own is None else _own_tunnel(own, draft.method),
                    upper_threshold=server.upper_threshold,
                    lower_threshold=server.lower_threshold,
                    inhibit_on_failure=draft.inhibit if server.inhibit is None else server.inhibit,
                    notify_up=_program(server.notify_up),
                    notify_down=_program(server.notify_down),
                    checks=checks,
                    alpha=alpha,
                )
            )
        return found

    def _port(self, member: Member, server: RealServerDraft, method: Method) -> int:
        """Give the port that traffic goes to; 0 is the one that the client wrote."""
        if method.forwarding not in KEEPS_PORT:
            return server.port or member.port
        if server.port not in (0, member.port) and not member.mark:
            self._told.warning(
                server.statement.line,
                f"{method.forwarding} cannot change the port {member.port} to {server.port}: traffic goes to "
                f"port {member.port} of {server.address.text}, and checks to {server.port}",
            )
        return member.port

    def _sorry_server(self, member: Member) -> SorryServer | None:
        draft = self._draft
        if draft.sorry_server is None:
            return None
        address, port = draft.sorry_server
        method = draft.sorry_method or draft.method
        if method.forwarding in KEEPS_PORT:
            if port not in (0, member.port) and not member.mark:
                self._told.warning(
                    draft.line_of("sorry_server"),
                    f"sorry_server: {method.forwarding} cannot change the port {member.port} to {port}: "
                    f"traffic goes to port {member.port} of {address.text}",
                )
            port = member.port
        return SorryServer(
            address=address.text,
            port=port or member.port,
            forwarding=method.forwarding,
            tunnel=method.tunnel,
            inhibit=draft.sorry_inhibit,
        )

    def _persistence(self, member: Member) -> int | None:
        timeout = self._draft.scheduling.persistence_timeout
        if timeout is None and not member.port and not member.mark:
            self._told.warning(
                member.statement.line,
                f"{member.address} without a port is every port, which the kernel has for persistent "
                f"services alone: persistence_timeout is {DEFAULT_PERSISTENCE}; write it, or a port",
            )
            return DEFAULT_PERSISTENCE
        return timeout

    def _prefix(self, member: Member) -> int | None:
        granularity = self._draft.scheduling.granularity
        if granularity is None:
            return None
        if granularity.version != member.version:
            form = {4: "a mask like 255.255.255.0", 6: "a prefix length like 64"}[member.version]
            self._told.error(
                self._draft.line_of("persistence_granularity"),
                f"persistence_granularity: of IPv{member.version} it is {form}; write that",
            )
        return granularity.prefix


def _one_of_each(members: Sequence[Member]) -> list[tuple[_Shape, Member]]:
    found: dict[_Shape, Member] = {}
    for member in members:
        found.setdefault(_shape(member), member)
    return list(found.items())


def _own_method(own: Method, around: Method) -> ForwardingMethod | None:
    """Give a real server's method where it is not its virtual server's."""
    return None if own.forwarding == around.forwarding else own.forwarding


def _own_tunnel(own: Method, around: Method) -> Tunnel | None:
    """Give a real server's tunnel where it is not its virtual server's."""
    inherited = around.tunnel if around.forwarding == "TUN" else None
    if own.forwarding != "TUN" or own.tunnel == inherited:
        return None
    return own.tunnel or Tunnel()


def _program(line: ProgramLine | None) -> Program | None:
    return line.program if line is not None else None
