"""Where in a vipbus.toml the entities made of it are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from config_service.advice import Fields, Place
from config_service.native.positions import Positions
from vipbus.contracts import Entity, RealServer, VirtualServer, VrrpInstance

_CHECKS_AT_MOST: Final = 16
"""Of one real server, that are looked through for the place of a remark."""
_OF_CHECKS: Final = ("interval", "timeout", "retry", "delay_before_retry")


class Places:
    """Finds them by the paths that were noted while they were read."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._positions: Positions | None = None
        self._paths: dict[tuple[str, ...], str] = {}
        self.origin: Callable[[str], str] = str
        """Says where a key stands that may be the router's own word."""

    def note(self, entity: Entity, path: str) -> None:
        """Remember where an entity stands; a group's virtual servers stand in one place."""
        self._paths[_identity(entity)] = path

    def __call__(self, entity: Entity, fields: Fields) -> Place:
        """Find the first of an entity's fields that is given; where none is, what they stand in."""
        positions = self._positions = self._positions or Positions(self._text)
        path = self._paths.get(_identity(entity), "")
        for field in fields:
            inner = f"check.{field}" if field in _OF_CHECKS else field
            for wanted in (f"{path}.{inner}", _outer(f"{path}.{inner}")):
                for written in _written(wanted):
                    said = self.origin(written)
                    if said in positions.entries:
                        return Place(self._file, positions.position(said).line, wanted)
        return Place(self._file, positions.position(path).line, path)


def _identity(entity: Entity) -> tuple[str, ...]:
    if isinstance(entity, VirtualServer):
        return ("virtual_server", entity.id)
    if isinstance(entity, RealServer):
        return ("real_server", entity.virtual_server, entity.id)
    return ("vrrp_instance", entity.name) if isinstance(entity, VrrpInstance) else ()


def _written(path: str) -> tuple[str, ...]:
    """Give the paths that a field may have in the document: checks are an array."""
    if ".check." not in path:
        return (path,)
    return tuple(path.replace(".check.", f".check[{number}].") for number in range(_CHECKS_AT_MOST))


def _outer(path: str) -> str:
    """Give the same of the virtual server around a real server."""
    return re.sub(r"\.real_server\[\d+\]", "", path)
