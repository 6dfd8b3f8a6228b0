"""From a file's text to its entities: lexer, parser, keywords, and what they mean together."""

from __future__ import annotations

from pathlib import Path

import msgspec

from config_service.advice import Fields, Place, Where
from config_service.keepalived.checkers.common import Surroundings
from config_service.keepalived.ipvs_settings import compile_ipvs_settings
from config_service.keepalived.language import FileDraft, read_file
from config_service.keepalived.lvs import VirtualServerDraft
from config_service.keepalived.outside import Outside
from config_service.keepalived.parser import parse
from config_service.keepalived.places import Places
from config_service.keepalived.servers import compile_servers
from config_service.keepalived.virtual_groups import by_name
from config_service.keepalived.vrrp import compile_vrrp, references
from config_service.problems import Problem
from config_service.report import Report
from vipbus.contracts import (
    Entity,
    Proxy,
    ProxyPool,
    RealServer,
    SyncGroup,
    VirtualServer,
    VrrpInstance,
    VrrpScript,
)


def _nowhere(_entity: Entity, fields: Fields) -> Place:
    return Place("", 1, fields[0])


class Configuration(msgspec.Struct, frozen=True):
    """A file that was accepted: what it says for one router."""

    router: str
    source: str
    entities: tuple[Entity, ...]
    warnings: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()
    """What the file includes."""
    where: Where = _nowhere
    """Finds the line of an entity's field."""
    remarks: frozenset[str] = frozenset()
    """What was found on the whole of it, and of this host: without how many blocks it is true of."""
    noted: tuple[Problem, ...] = ()
    """The warnings that say so."""

    @property
    def own_warnings(self) -> tuple[Problem, ...]:
        """The warnings that its text alone gives rise to."""
        return tuple(one for one in self.warnings if one not in self.noted)

    @property
    def summary(self) -> str:
        """Count what is in it: ``1 instance, 2 virtual servers, 6 real servers``."""
        counts = [
            (sum(isinstance(entity, kind) for entity in self.entities), one, many, always)
            for kind, one, many, always in (
                (VrrpInstance, "instance", "instances", True),
                (SyncGroup, "sync group", "sync groups", False),
                (VrrpScript, "script", "scripts", False),
                (VirtualServer, "virtual server", "virtual servers", True),
                (Proxy, "proxy", "proxies", False),
                (ProxyPool, "pool", "pools", False),
                (RealServer, "real server", "real servers", True),
            )
        ]
        return ", ".join(
            f"{count} {one if count == 1 else many}" for count, one, many, always in counts if count or always
        )

    @property
    def references(self) -> frozenset[str]:
        """The references of all passwords and keys in it."""
        instances = (entity for entity in self.entities if isinstance(entity, VrrpInstance))
        return frozenset().union(*map(references, instances))


def router_name(option: str | None, router_id: str | None, hostname: str) -> str:
    """Name the router: ``--router``, else ``router_id`` of the file, else the host's name."""
    return option or router_id or hostname


def compile_text(text: str, file: str, router: str | None, hostname: str, outside: Outside) -> Configuration:
    """Compile a file's text for a router; ``router`` is the name given by option, if any.

    Raises:
        ConfigError: it is refused; all that is wrong, as far as could be read.
    """
    report = Report()
    report.texts[file] = text
    statements = parse(text, file, report, outside.machine)
    report.raise_errors()  # with a brace missing, whatever else could be said would be wrong
    draft = read_file(statements, file, outside.names, report)
    name = router_name(router, draft.globals.router_id, hostname)
    if not name.isprintable():
        report.error(
            file,
            1,
            f"the router's name {name!r} has a control character; choose another --router",
            whole=True,
        )
    servers: dict[str, VirtualServerDraft] = {}
    entities = _compile(draft, name, hostname, outside, report, made_of=servers)
    report.raise_errors()
    if not text.endswith("\n"):
        report.warning(file, text.count("\n") + 1, "the last line has no end; was the file cut off?")
    warnings = sorted(dict.fromkeys(report.warnings), key=lambda one: (one.file != file, one.file, one.line))
    places = Places(file, draft.instances, servers)
    return Configuration(name, file, entities, tuple(warnings), tuple(report.files), where=places)


def _compile(
    draft: FileDraft,
    router: str,
    hostname: str,
    outside: Outside,
    report: Report,
    *,
    made_of: dict[str, VirtualServerDraft],
) -> tuple[Entity, ...]:
    """Compile a draft; ``made_of`` takes what each virtual server was made of, by its token."""
    vrrp = compile_vrrp(draft, router, hostname, outside, report)
    owners = {
        one.address: draft.name for draft in draft.instances for one in (*draft.addresses, *draft.excluded)
    }
    around = Surroundings(
        files={one.name: one for one in draft.files},
        tls=draft.ssl.compiled(report),
        script_user=draft.globals.settings.script_user,
        script_security=draft.globals.settings.script_security,
        program_problem=outside.program_problem,
        empty_pools=outside.empty_pools,
    )
    groups = by_name(draft.virtual_groups, report)
    servers = compile_servers(
        draft.virtual_servers,
        groups,
        owners,
        around=around,
        router=router,
        report=report,
        made_of=made_of,
    )
    ipvs = compile_ipvs_settings(draft, router, outside, report)
    entities = (*vrrp, *((ipvs,) if ipvs is not None else ()), *servers)
    if not report.errors and not any(isinstance(one, VrrpInstance | VirtualServer) for one in entities):
        # taken at its word, it would end every service of this router
        report.error(
            draft.statement.file,
            1,
            "there is no vrrp_instance and no virtual_server with a pool in it; was the file cut off?",
            whole=True,
        )
    return entities
