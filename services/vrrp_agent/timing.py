"""The protocol's times, in seconds (RFC 9568 section 6.1; RFC 3768 section 6.1)."""

from __future__ import annotations

from vipbus.contracts import VrrpInstance

ARM_TIMEOUT = 0.1
"""How long addresses wait for the table behind them before they are added all the same."""
GARP_REPEAT = 5
"""Gratuitous ARP requests in a burst; a client's switch may drop the first."""
GARP_DELAYS = (0.1, 5.0)
"""Until the further bursts: soon, for whoever asked just then and was answered by the router that leaves; and
later, for switches whose port was still learning at the first."""
RESUME_DELAY = 0.5
"""Until gratuitous ARP after a resumption: the life before may have ended between role and addresses."""
IN_FLIGHT = 0.02
"""How long a leaver keeps its addresses after its successor announced them, for what was sent before."""
MARGIN = 0.15
"""What a successor may take beyond the protocol's times: its scheduling, its addresses, its ARP."""
LEAVE_LIMIT = 3.5
"""The longest that a stop waits for a successor, whatever the advertisement interval."""


def skew(instance: VrrpInstance, active_interval: float) -> float:
    """Seconds by which a lower priority waits longer; version 3 scales it to the active's interval."""
    scale = active_interval if instance.version == 3 else 1.0
    return (256 - instance.priority) / 256 * scale


def master_down(instance: VrrpInstance, active_interval: float) -> float:
    """Seconds of silence after which the active router counts as gone.

    ``active_interval`` is what the active router advertised; version 2 has only the configured one.
    """
    interval = active_interval if instance.version == 3 else instance.advert_int
    return 3 * interval + skew(instance, active_interval)


def succession(instance: VrrpInstance) -> float:
    """Seconds within which some backup has taken over after priority 0: the longest skew, and its work."""
    longest_skew = instance.advert_int if instance.version == 3 else 1.0
    return min(longest_skew + ARM_TIMEOUT + MARGIN, LEAVE_LIMIT)
