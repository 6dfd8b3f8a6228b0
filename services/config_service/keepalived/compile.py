"""From a file's text to its entities: lexer, parser, keywords, and what they mean together."""

from __future__ import annotations

import msgspec

from config_service.keepalived.instances import compile_instances
from config_service.keepalived.language import FileDraft, read_file
from config_service.keepalived.parser import parse
from config_service.keepalived.servers import compile_servers
from config_service.problems import Problem, Report
from vipbus.contracts import Entity, RealServer, VirtualServer, VrrpInstance


class Configuration(msgspec.Struct, frozen=True):
    """A file that was accepted: what it says for one router."""

    router: str
    source: str
    entities: tuple[Entity, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def summary(self) -> str:
        """Count what is in it: ``1 instance, 2 virtual servers, 6 real servers``."""
        counts = [
            (sum(isinstance(entity, kind) for entity in self.entities), noun)
            for kind, noun in (
                (VrrpInstance, "instance"),
                (VirtualServer, "virtual server"),
                (RealServer, "real server"),
            )
        ]
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def router_name(option: str | None, router_id: str | None, hostname: str) -> str:
    """Name the router: ``--router``, else ``router_id`` of the file, else the host's name."""
    return option or router_id or hostname


def compile_text(text: str, file: str, router: str | None, hostname: str) -> Configuration:
    """Compile a file's text for a router; ``router`` is the name given by option, if any.

    Raises:
        ConfigError: it is refused; all that is wrong, as far as could be read.
    """
    report = Report()
    statements = parse(text, file, report)
    report.raise_errors()  # with a brace missing, whatever else could be said would be wrong
    draft = read_file(statements, file, report)
    name = router_name(router, draft.globals.router_id, hostname)
    if not name.isprintable():
        report.error(file, 1, f"the router's name {name!r} has a control character; choose another --router")
    entities = _compile(draft, name, file, report)
    report.raise_errors()
    if not text.endswith("\n"):
        report.warning(file, text.count("\n") + 1, "the last line has no end; was the file cut off?")
    return Configuration(name, file, entities, tuple(sorted(report.warnings, key=lambda one: one.line)))


def _compile(draft: FileDraft, router: str, file: str, report: Report) -> tuple[Entity, ...]:
    instances = compile_instances(draft.instances, draft.globals.vrrp_version, router, report)
    owners = {one.address: draft.name for draft in draft.instances for one in draft.addresses}
    entities = (*instances, *compile_servers(draft.virtual_servers, owners, router, report))
    if not entities and not report.errors:
        # taken at its word, it would end every service of this router
        report.error(
            file,
            1,
            "there is no vrrp_instance and no virtual_server with a pool in it; was the file cut off?",
        )
    return entities
