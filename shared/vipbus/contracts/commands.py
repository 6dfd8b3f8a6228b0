"""Commands: requests on ``vipbus.cmd.<service>.<verb>`` and their answers."""

from __future__ import annotations

import msgspec


class ReloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ask config-service to read a router's file again and apply it whole or refuse it whole."""

    router: str | None = None
    """None: every router it serves."""


class ReloadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reload: the revision that runs now, and why the file was refused if it was."""

    accepted: bool
    revisions: tuple[tuple[str, int], ...]
    reason: str = ""
