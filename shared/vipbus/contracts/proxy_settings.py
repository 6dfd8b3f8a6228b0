"""What holds for a router's HAProxy as a whole."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vipbus.contracts.limits import Name
from vipbus.contracts.proxy_snippet import Snippet, check_snippet
from vipbus.contracts.tokens import name_token


class ProxySettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="proxy-settings"
):
    """Lines for the sections that vipbus.toml has no tables for."""

    router: Name
    global_snippet: Snippet | None = None
    """Lines for the end of ``global``."""
    defaults_snippet: Snippet | None = None
    """Lines for the end of ``defaults``, so for every proxy and pool that says nothing else."""

    def __post_init__(self) -> None:
        for name, said in (
            ("global_snippet", self.global_snippet),
            ("defaults_snippet", self.defaults_snippet),
        ):
            try:
                check_snippet(said or "")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    keys: ClassVar[str] = "<router>.proxy-settings"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.proxy-settings"
