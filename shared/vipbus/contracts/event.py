"""What every event has: where it happened, and the subject that it is published on."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vipbus.contracts.tokens import name_token


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every event; a subclass names its aggregate and its verb."""

    aggregate: ClassVar[str]
    verb: ClassVar[str]
    router: str
    """Where it happened."""

    @property
    def id(self) -> str:
        """The subject token between aggregate and verb: the router's."""
        return name_token(self.router)

    @property
    def subject(self) -> str:
        """The subject the event is published on."""
        return f"vipbus.event.{self.aggregate}.{self.id}.{self.verb}"
