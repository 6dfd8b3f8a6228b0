"""Where in a keepalived.conf the entities made of it are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from config_service.advice import Fields, Place
from config_service.keepalived.instance import InstanceDraft
from config_service.keepalived.lvs import VirtualServerDraft
from config_service.keepalived.schema import Draft
from vipbus.contracts import Entity, RealServer, VirtualServer, VrrpInstance

_KEYWORDS: Final = {
    "scheduler": ("lvs_sched",),
    "forwarding": ("lvs_method",),
    "interval": ("delay_loop",),
    "timeout": ("connect_timeout", "misc_timeout"),
}
"""keepalived's words for fields that have another name."""


class Places:
    """Finds them by what they were made of."""

    def __init__(
        self, file: str, instances: Iterable[InstanceDraft], servers: Mapping[str, VirtualServerDraft]
    ) -> None:
        self._file = file
        self._instances = {draft.name: draft for draft in instances}
        self._servers = servers
        """By the token of the virtual server."""

    def __call__(self, entity: Entity, fields: Fields) -> Place:
        """Find the first of an entity's fields that is given; where none is, what they stand in."""
        keywords = [keyword for field in fields for keyword in _KEYWORDS.get(field, (field,))]
        drafts = list(self._drafts(entity))
        for keyword in keywords:
            for draft in drafts:
                if (said := draft.given.get(keyword)) is not None:
                    return Place(said.file, said.line, said.keyword)
        if not drafts:
            return Place(self._file, 1, keywords[0])
        block = drafts[0].statement
        return Place(block.file, block.line, keywords[0])

    def _drafts(self, entity: Entity) -> Iterator[Draft]:
        """Give the blocks that may say something of it, from the inside out."""
        if isinstance(entity, VrrpInstance) and entity.name in self._instances:
            yield self._instances[entity.name]
        elif isinstance(entity, VirtualServer) and entity.id in self._servers:
            yield self._servers[entity.id]
        elif isinstance(entity, RealServer) and entity.virtual_server in self._servers:
            outer = self._servers[entity.virtual_server]
            for server in outer.real_servers:
                if server.address.text == entity.address and server.port in (0, entity.port):
                    yield from server.checkers
                    yield server
            yield outer
