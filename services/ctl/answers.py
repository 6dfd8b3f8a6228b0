"""What is printed with ``--json`` by the commands that change something, and by ``vipbus events``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from vipbus.contracts import OperatorStateName
from vipbus.contracts.config_commands import ConfigDiff, ConfigResult
from vipbus.contracts.table_commands import TablePlan


class Successor(msgspec.Struct, frozen=True, kw_only=True):
    """Who is active now."""

    instance: str
    router: str
    """Its name; its address where it is not on this bus."""
    seconds: float
    """Since the handover was asked for."""


class HandoverAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a handover."""

    done: bool
    router: str
    """Which hands over."""
    instances: tuple[str, ...]
    """The one that was asked for first; a sync group goes as a whole."""
    to: str | None
    """The router that is to follow; null: whoever is next."""
    successors: tuple[Successor, ...] = ()
    reason: str = ""
    """Why it is not done."""


class OperatedTable(msgspec.Struct, frozen=True, kw_only=True):
    """What one router's table has of the real server."""

    router: str
    virtual_servers: tuple[str, ...]
    """Tokens."""
    has: str
    """In words: ``weight 0``, ``out of the table``."""
    done: bool
    """True: as was said."""
    current: bool
    """False: its ipvs-programmer does not answer and this is the last that it said."""


class OperateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a word of the operator's."""

    done: bool
    state: OperatorStateName | None
    """null: it follows its verdicts."""
    by: str
    why: str
    keys: tuple[str, ...] = ()
    """``<virtual-server>.<real-server>``, in tokens: the pools that it is said for."""
    tables: tuple[OperatedTable, ...] = ()
    """None where nobody waited for them."""
    reason: str = ""
    """Why it is not done."""


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of the history (CloudEvents 1.0, JSON format)."""

    specversion: str
    id: str
    type: str
    """The subject without its ids: ``vipbus.state.health``."""
    source: str
    """Who wrote it: ``service/router``."""
    time: datetime
    subject: str
    sequence: str
    """Its place in the history."""
    traceparent: str = ""
    """W3C trace context of what caused it."""
    operation: str = ""
    """``removed``: the key was deleted, and there is no data."""
    datacontenttype: str = ""
    data: Any = None
    """The document, as docs/asyncapi.json has it."""
    data_base64: str = ""
    """A body that is no JSON."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that works from a router's configuration."""

    service: str
    pid: int
    router: str | None
    """Which it belongs to; null: none alone."""
    revision: int
    """That it holds; 0: none."""


class RouterHolds(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a router's revision."""

    router: str
    revision: int
    done: bool
    """True: everyone who works from it."""
    consumers: tuple[Holder, ...]


class ConfigAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change, router by router."""

    done: bool
    results: tuple[ConfigResult, ...] = ()
    holds: tuple[RouterHolds, ...] = ()
    """None where nobody waited for it."""
    reason: str = ""
    """Why it is not done."""


class DiffAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a file would change on one router."""

    config: ConfigDiff
    """In the configuration that runs."""
    table: TablePlan | None = None
    """In the kernel's table; null where nobody asked, or its programmer does not answer."""
