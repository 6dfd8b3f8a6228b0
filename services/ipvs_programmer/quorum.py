"""Whether a pool has its quorum, with hysteresis (keepalived.conf(5), quorum and hysteresis). Pure."""

from __future__ import annotations


def is_met(before: bool, weight: int, quorum: int, hysteresis: int) -> bool:
    """Say whether the quorum is met now; ``weight`` is that of all that is up.

    A pool on which nothing was decided yet counts as one that has it: what is left of it then is still
    compared with the lower threshold. So a pool that is all alpha begins without, and has to gain it.
    """
    # as keepalived caps it: the lower threshold stays above nothing at all
    hysteresis = min(hysteresis, quorum - 1)
    return weight >= (quorum - hysteresis if before else quorum + hysteresis)
