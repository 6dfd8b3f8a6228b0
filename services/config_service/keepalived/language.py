"""The top of the language: the blocks that may stand in a file, and what a whole file says."""

from __future__ import annotations

from typing import Final

from config_service.keepalived import lvs, not_yet, vrrp
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.problems import Report


class FileDraft(Draft):
    """What a whole file says."""

    __slots__ = ("globals", "instances", "virtual_servers")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.globals = vrrp.GlobalDraft(statement)
        self.instances: list[vrrp.InstanceDraft] = []
        self.virtual_servers: list[lvs.VirtualServerDraft] = []


def _global_defs(draft: FileDraft, statement: Statement, report: Report) -> None:
    vrrp.read_globals(draft.globals, statement, report)


def _vrrp_instance(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.instances.append(vrrp.read_instance(statement, report))


def _virtual_server(draft: FileDraft, statement: Statement, report: Report) -> None:
    draft.virtual_servers.append(lvs.read_virtual_server(statement, report))


TOP: Final = declare(
    Table(
        "",
        {
            "global_defs": Keyword(
                "global_defs { ... }", _global_defs, least=0, most=0, block=True, repeats=True
            ),
            "vrrp_instance": Keyword("vrrp_instance NAME { ... }", _vrrp_instance, block=True, repeats=True),
            "virtual_server": Keyword(
                "virtual_server ADDRESS PORT { ... }", _virtual_server, most=2, block=True, repeats=True
            ),
        },
        not_yet.TOP,
    )
)


def read_file(statements: tuple[Statement, ...], file: str, report: Report) -> FileDraft:
    """Read a file's statements; what is wrong goes into the report."""
    draft = FileDraft(Statement("", (), 1, file))
    read_block(statements, TOP, draft, report)
    return draft
