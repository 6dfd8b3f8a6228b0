"""The names that a bus knows, for a shell that completes them: soon or not at all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ctl.words import endpoint
from vipbus.bus import Bus, BusAwayError, NoBusError
from vipbus.bus.address import find
from vipbus.contracts import (
    CONFIG,
    Head,
    Pool,
    ProxyPool,
    RealServer,
    VirtualServer,
    VrrpInstance,
    entities_in,
)
from vipbus.runtime.ending import run_to_end

_WITHIN = 1.0
"""Seconds for all of it: who presses tab waits for nothing."""
_PLAIN = re.compile(r"[\w.:@%+=-]{1,128}")
"""What no shell takes for anything else; a name of other letters is not completed."""


def _router(entity: object) -> str:
    return entity.router if isinstance(entity, Head) else ""


def _instance(entity: object) -> str:
    return entity.name if isinstance(entity, VrrpInstance) else ""


def _virtual_server(entity: object) -> str:
    """Give address and port where that is one word for any shell, else the token."""
    if isinstance(entity, ProxyPool):
        return entity.id
    if not isinstance(entity, VirtualServer):
        return ""
    named = endpoint(entity.address, entity.port)
    return named if entity.protocol == "TCP" and _PLAIN.fullmatch(named) else entity.id


def _real_server(entity: object) -> str:
    if not isinstance(entity, RealServer):
        return ""
    named = endpoint(entity.address, entity.port)
    return named if _PLAIN.fullmatch(named) else entity.id


def _entities(document: object) -> tuple[object, ...]:
    return entities_in(document) if isinstance(document, Pool) else ()


_OF: Final = {
    "router": (("*.head",), _router),
    "instance": (("*.vrrp-instance.*",), _instance),
    "virtual-server": (("*.pool.>", "*.proxy-pool.*"), _virtual_server),
    "real-server": (("*.pool.>",), _real_server),
}
"""By kind: which keys of the configuration, and what of an entity."""


def known_names(kind: str, bus: str | None, state_dir: Path) -> list[str]:
    """Ask the bus for all names of a kind; none where it does not answer at once."""
    keys, name = _OF[kind]
    try:
        entities = run_to_end(_read(bus, state_dir, keys))
    except (NoBusError, BusAwayError, TimeoutError):
        return []
    return sorted({found for each in entities if _PLAIN.fullmatch(found := name(each))})


async def _read(bus: str | None, state_dir: Path, keys: Sequence[str]) -> list[object]:
    connection = Bus(find(bus, state_dir), source="vipbus-completion")
    connection.start()
    try:
        async with asyncio.timeout(_WITHIN):
            await connection.usable(_WITHIN)
            read = [await connection.read(CONFIG, each) for each in keys]
            found = [entry.value for entries in read for entry in entries.values()]
            return [each for value in found for each in (value, *_entities(value))]
    finally:
        await connection.close()
