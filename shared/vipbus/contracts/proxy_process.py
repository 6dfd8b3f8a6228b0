"""Whether a router's HAProxy does its work: what an instance follows by a track of kind ``proxy``."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from vipbus.contracts.limits import Name
from vipbus.contracts.tokens import name_token


class ProxyProcess(msgspec.Struct, frozen=True, kw_only=True):
    """The HAProxy that serves all proxies of one router, as it answers on its statistics socket."""

    router: Name
    answers: bool
    """False: it has not answered for five seconds, or was ended."""
    cause: str
    """Why, in words; when it does not answer, where."""
    since: datetime

    keys: ClassVar[str] = "<router>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``proxy-process``."""
        return name_token(self.router)
