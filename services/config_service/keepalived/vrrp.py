"""The keywords of ``global_defs`` and ``vrrp_instance`` (keepalived.conf(5))."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from config_service.keepalived import not_yet, values
from config_service.keepalived.parser import Statement
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block
from config_service.problems import RefusedError, Report, quoted


class GlobalDraft(Draft):
    """What ``global_defs`` says."""

    __slots__ = ("router_id", "vrrp_version")

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.router_id: str | None = None
        self.vrrp_version = 2


class AddressDraft(NamedTuple):
    """One line of ``virtual_ipaddress``; without ``dev`` the address goes on the instance's interface."""

    address: str
    prefix: int
    dev: str | None
    line: int


class InstanceDraft(Draft):
    """What one ``vrrp_instance`` says; None where the file says nothing and there is no default."""

    __slots__ = (
        "addresses",
        "advert_int",
        "interface",
        "name",
        "nopreempt",
        "priority",
        "state",
        "version",
        "virtual_router_id",
    )

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.name = ""
        self.interface: str | None = None
        self.virtual_router_id: int | None = None
        self.state = "BACKUP"
        self.priority = 100
        self.advert_int = Decimal(1)
        self.version: int | None = None
        self.nopreempt = False
        self.addresses: list[AddressDraft] = []


def _router_id(draft: GlobalDraft, statement: Statement, _report: Report) -> None:
    draft.router_id = values.name(statement.arguments[0])


def _vrrp_version(draft: GlobalDraft, statement: Statement, _report: Report) -> None:
    draft.vrrp_version = values.integer(statement.arguments[0], 2, 3)


GLOBAL_DEFS: Final = declare(
    Table(
        "global_defs",
        {
            "router_id": Keyword("router_id NAME", _router_id),
            "vrrp_version": Keyword("vrrp_version 2|3", _vrrp_version),
        },
        not_yet.GLOBAL_DEFS,
    )
)


def _state(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    draft.state = values.choice(statement.arguments[0], ("MASTER", "BACKUP"))


def _interface(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    draft.interface = values.interface(statement.arguments[0])


def _virtual_router_id(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    draft.virtual_router_id = values.integer(statement.arguments[0], 1, 255)


def _priority(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    draft.priority = values.integer(statement.arguments[0], 1, 255)


def _advert_int(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    # what is right depends on the version, which may come later in the file
    draft.advert_int = values.seconds(statement.arguments[0], "0.01", "255")


def _version(draft: InstanceDraft, statement: Statement, _report: Report) -> None:
    draft.version = values.integer(statement.arguments[0], 2, 3)


def _nopreempt(draft: InstanceDraft, _statement: Statement, _report: Report) -> None:
    draft.nopreempt = True


def _virtual_ipaddress(draft: InstanceDraft, statement: Statement, report: Report) -> None:
    for line in statement.block or ():
        try:
            draft.addresses.append(_virtual_address(line))
        except RefusedError as error:
            report.error(line.file, line.line, str(error))


def _virtual_address(statement: Statement) -> AddressDraft:
    if statement.block is not None:
        raise RefusedError(f"a virtual address takes no block; remove the braces after {statement.keyword}")
    word, slash, length = statement.keyword.partition("/")
    address, version = values.address(word)
    if version == 6:
        raise RefusedError(
            f"{quoted(word)}: IPv6 virtual addresses are keepalived's, but vipbus does not support them yet; "
            "remove it"
        )
    prefix = values.integer(length, 1, 32) if slash else 32
    return AddressDraft(address, prefix, _device(statement.arguments), statement.line)


def _device(options: tuple[str, ...]) -> str | None:
    device: str | None = None
    words = iter(options)
    for word in words:
        if word == "dev":
            if device is not None:
                raise RefusedError("dev is given twice; remove one")
            if not (interface := next(words, "")):
                raise RefusedError("dev needs an interface after it; name one, or remove dev")
            device = values.interface(interface)
        elif word in not_yet.VIRTUAL_ADDRESS:
            raise RefusedError(f"{quoted(word)} after an address is not supported by vipbus yet; remove it")
        else:
            raise RefusedError(
                f"{quoted(word)} after an address is not known; a line is ADDRESS[/PREFIX] [dev IF]"
            )
    return device


VRRP_INSTANCE: Final = declare(
    Table(
        "vrrp_instance",
        {
            "state": Keyword("state MASTER|BACKUP", _state),
            "interface": Keyword("interface NAME", _interface),
            "virtual_router_id": Keyword("virtual_router_id 1-255", _virtual_router_id),
            "priority": Keyword("priority 1-255", _priority),
            "advert_int": Keyword("advert_int SECONDS", _advert_int),
            "version": Keyword("version 2|3", _version),
            "nopreempt": Keyword("nopreempt", _nopreempt, least=0, most=0),
            "virtual_ipaddress": Keyword(
                "virtual_ipaddress { ... }", _virtual_ipaddress, least=0, most=0, block=True, repeats=True
            ),
        },
        not_yet.VRRP_INSTANCE,
    )
)


def read_globals(draft: GlobalDraft, statement: Statement, report: Report) -> None:
    """Read a ``global_defs`` block."""
    read_block(statement.block or (), GLOBAL_DEFS, draft, report)


def read_instance(statement: Statement, report: Report) -> InstanceDraft:
    """Read a ``vrrp_instance`` block.

    Raises:
        RefusedError: its name is none.
    """
    draft = InstanceDraft(statement)
    draft.name = values.name(statement.arguments[0])
    read_block(statement.block or (), VRRP_INSTANCE, draft, report)
    return draft
