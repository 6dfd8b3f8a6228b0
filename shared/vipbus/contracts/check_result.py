"""What a check of a configuration found; printed by ``vipbus config check --json``, and on no bus."""

from __future__ import annotations

import msgspec


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found, and where."""

    file: str
    line: int
    column: int = 0
    """Counted from 1; 0 where only the line is known."""
    text: str
    """What, and what to do."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a configuration would be accepted."""

    accepted: bool
    router: str = ""
    """Which it is for; empty where it is refused."""
    summary: str = ""
    """What it holds, in words."""
    errors: tuple[Found, ...] = ()
    warnings: tuple[Found, ...] = ()
    """It is accepted with them, and means what they say."""
