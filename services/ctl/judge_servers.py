"""Say which real servers of a pool are not up, of either tier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctl.report import RealServerReport
from ctl.words import count, endpoint

NAMED = 5
"""So many of a kind are named in one line; the report above has them all."""


def not_up(name: str, real_servers: Sequence[RealServerReport], instead: str = "") -> Iterator[str]:
    """Say it in one line, if there is anything; ``instead`` says who serves meanwhile."""
    # what an operator takes out may well be down: that is why
    bad = [found for found in real_servers if found.verdict != "up" and found.operator is None]
    if not bad:
        if real_servers and all(found.operator for found in real_servers):
            yield f"{name}: every real server is drained or disabled{instead}; `vipbus enable` one"
        return
    named = [
        f"{endpoint(found.address, found.port)} {found.verdict} ({found.cause})" for found in bad[:NAMED]
    ]
    if len(bad) > NAMED:
        named.append(f"and {len(bad) - NAMED} more")
    verb = "is" if len(bad) == 1 else "are"
    servers = count(len(real_servers), "real server")
    yield f"{name}: {len(bad)} of {servers} {verb} not up: {', '.join(named)}{instead}"
