"""The protocol's times, in seconds (RFC 9568 section 6.1; RFC 3768 section 6.1)."""

from __future__ import annotations

from vipbus.contracts import VrrpInstance

ARM_TIMEOUT = 0.1
"""How long addresses wait for the table behind them before they are added all the same."""
SECOND_LOOK = 0.1
"""From the first burst of gratuitous ARP to one that keepalived has not: for whoever asked just then and was
answered by the router that leaves."""
RESUME_DELAY = 0.5
"""Until gratuitous ARP after a resumption: the life before may have ended between role and addresses."""
IN_FLIGHT = 0.02
"""How long a leaver keeps its addresses after its successor announced them, for what was sent before."""
MARGIN = 0.15
"""What a successor may take beyond the protocol's times: its scheduling, its addresses, its ARP."""
LEAVE_LIMIT = 3.5
"""The longest that a stop waits for a successor, whatever the advertisement interval."""
EXPECTED = 5.0
"""How long a backup that was asked to follow waits for the priority 0 that tells it to."""


def skew(config: VrrpInstance, priority: int, active_interval: float) -> float:
    """Seconds by which a lower priority waits longer; version 3 scales it to the active's interval."""
    scale = active_interval if config.version == 3 else 1.0
    return (256 - priority) / 256 * scale


def longest_skew(config: VrrpInstance) -> float:
    """Seconds that no router's skew reaches while this one is active."""
    return config.advert_int if config.version == 3 else 1.0


def master_down(config: VrrpInstance, priority: int, active_interval: float) -> float:
    """Seconds of silence after which the active router counts as gone.

    ``active_interval`` is what the active router advertised; version 2 has only the configured one.
    """
    interval = active_interval if config.version == 3 else config.advert_int
    return config.down_timer_adverts * interval + skew(config, priority, active_interval)


def stall_limit(config: VrrpInstance) -> float:
    """Seconds that an advertisement may be late before some backup may have taken over.

    The others' interval counts from the advertisement before; their skew may be next to nothing. Where no
    advertisement may be missed that would leave no time at all, and every wakeup is a little late.
    """
    return max(config.down_timer_adverts - 1, 0.5) * config.advert_int


def succession(config: VrrpInstance) -> float:
    """Seconds within which some backup has taken over after priority 0: the longest skew, and its work."""
    return min(longest_skew(config) + ARM_TIMEOUT + MARGIN, LEAVE_LIMIT)
