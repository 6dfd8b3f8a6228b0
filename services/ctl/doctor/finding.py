"""One thing that was looked at."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "advice", "problem", "unknown"]
"""``advice`` may surprise somebody; ``problem`` stops something; ``unknown`` could not be looked at."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, what was found, and what to do."""

    area: str
    """``kernel``, ``privileges``, ``interfaces``, ``sysctls``, ``arp``, ``election``, ``clock``, ``bus``."""
    level: Level
    what: str
    remedy: str = ""
    """A command or a change; empty: there is nothing to do."""


def ok(area: str, what: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(area=area, level="ok", what=what)


def problem(area: str, what: str, remedy: str) -> Finding:
    """Say that something stops something."""
    return Finding(area=area, level="problem", what=what, remedy=remedy)


def advice(area: str, what: str, remedy: str) -> Finding:
    """Say that something may surprise somebody."""
    return Finding(area=area, level="advice", what=what, remedy=remedy)


def unknown(area: str, what: str, remedy: str) -> Finding:
    """Say that something could not be looked at."""
    return Finding(area=area, level="unknown", what=what, remedy=remedy)
