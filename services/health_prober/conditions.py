"""What an operator is told of in readiness: what is not probed, not agreed on, or seen by too few."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from vipbus.contracts import token_in_words

if TYPE_CHECKING:
    from health_prober.targets import Target


def unprobed(count: int) -> str:
    """Say how many real servers have no verdict yet; empty: all have."""
    return f"{_counted(count)} not probed yet" if count else ""


def without_majority(keys: Collection[str]) -> str:
    """Say that nobody has a majority for what real servers are; empty: somebody has for each."""
    if not keys:
        return ""
    first = min(keys)
    token = first.rpartition(".")[2]
    return (
        f"{_counted(len(keys))} (such as {token_in_words(token) or first}) without a majority of probers, so "
        "what stood before stays: the verdict names who says otherwise"
    )


def too_few(targets: Iterable[Target], members: int) -> str:
    """Say that fewer replicas share the work than are to look; empty: enough do, or it is not known."""
    short = [target for target in targets if target.vantages > members]
    if not short or not members:
        return ""
    wanted = max(target.vantages for target in short)
    return (
        f"{_counted(len(short))} with up to {wanted} vantages and {members} of the prober to look: start "
        "more, or lower vantages"
    )


def _counted(number: int) -> str:
    return f"{number} real server{'s' if number > 1 else ''}"
