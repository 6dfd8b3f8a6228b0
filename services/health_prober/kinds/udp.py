"""A datagram, and what becomes of it: a reply, an ICMP error, or silence."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from health_prober.attempt import CheckFailedError, Passed, Steps
from health_prober.datagrams import opened_to, received
from vipbus.contracts import UdpCheck

_FILLER: Final = b"vipbus health check"
"""Sent where no payload is given: to an empty datagram many a server's recv(2) says that all is over."""
_MOST_SHOWN: Final = 24
"""Octets of a reply that a cause has room for."""
_SILENT: Final = Passed(note="no ICMP error", silent=True)


async def attempt(check: UdpCheck, steps: Steps) -> Passed:
    """Send the payload; any reply will do where none is required, and so will silence (UDP_CHECK)."""
    payload = bytes.fromhex(check.payload) or _FILLER
    with closing(opened_to(check)) as made:
        made.send(payload)
        steps.done(f"sent {_octets(len(payload))}")
        steps.wait("waiting for a reply" if check.require_reply else "waiting for an ICMP error")
        if not check.require_reply:
            steps.silence = _SILENT
        reply = await received(made, check.address)
    steps.done(f"{_octets(len(reply))} came: {_shown(reply)}" if reply else "an empty datagram came")
    if check.require_reply:
        trouble = wrong(check, reply)
        if trouble:
            raise CheckFailedError(trouble)
    return Passed(note=f"a reply of {_octets(len(reply))}")


def wrong(check: UdpCheck, reply: bytes) -> str:
    """Say what is wrong with a reply; empty: nothing.

    The lengths hold whether a pattern is given or not, and what is shorter than the pattern does not match:
    keepalived 2.2.7 looks at the lengths only beside a pattern, and lets an empty reply match any.
    """
    if not check.min_reply_length <= len(reply) <= check.max_reply_length:
        wanted = f"{check.min_reply_length}-{check.max_reply_length}"
        return f"a reply of {_octets(len(reply))} (wanted {wanted})"
    pattern = bytes.fromhex(check.reply)
    mask = bytes.fromhex(check.reply_mask).ljust(len(pattern), b"\xff")
    if len(reply) < len(pattern) or any(
        (got ^ want) & bits for got, want, bits in zip(reply, pattern, mask, strict=False)
    ):
        return f"reply differs: {_shown(reply) or 'empty'}"
    return ""


def _octets(count: int) -> str:
    return f"{count} octet{'' if count == 1 else 's'}"


def _shown(octets: bytes) -> str:
    return octets[:_MOST_SHOWN].hex() + ("..." if len(octets) > _MOST_SHOWN else "")
