"""What each member of a pool is to be: configuration, verdict and an operator's word in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from vipbus.contracts import OperatorState, RealServer, Verdict

LARGEST: Final = 256
"""HAProxy's largest weight (configuration.txt, ``weight``)."""

State = Literal["up", "down", "drain", "disabled"]
"""drain: connections and sticky clients go on, new clients go elsewhere. disabled: out at once."""


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A member as it should be."""

    address: str
    port: int
    weight: int
    """0 to `LARGEST`; 0 takes no new clients."""
    usual: int = 1
    """What the configuration says that it weighs, scaled alike."""
    state: State

    @property
    def endpoint(self) -> tuple[str, int]:
        """Who it is."""
        return self.address, self.port


def members(
    pool: str,
    real_servers: Iterable[RealServer],
    verdicts: Mapping[str, Verdict],
    operators: Mapping[str, OperatorState],
) -> tuple[Member, ...]:
    """Say what the members of a pool, by its token, are to be; in the order of the configuration.

    Weights above HAProxy's largest are scaled, all of a pool alike, and none that is not 0 becomes 0.
    """
    own = [(f"{pool}.{each.id}", each) for each in real_servers if each.virtual_server == pool]
    found = [(each, verdicts.get(key), operators.get(key)) for key, each in own]
    weights = [_weight(each, verdict) for each, verdict, _ in found]
    largest = max((*weights, *(each.weight for each, _, _ in found)), default=0)
    return tuple(
        [
            Member(
                address=each.address,
                port=each.port,
                weight=_scaled(weight, largest),
                usual=_scaled(each.weight, largest),
                state=_state(each, verdict, said),
            )
            for weight, (each, verdict, said) in zip(weights, found, strict=True)
        ]
    )


def by_endpoint(members: Iterable[Member]) -> dict[tuple[str, int], Member]:
    """Find members by who they are."""
    return {(member.address, member.port): member for member in members}


def _weight(real: RealServer, verdict: Verdict | None) -> int:
    if verdict is None:
        return real.weight
    return max(0, (real.weight if verdict.weight is None else verdict.weight) + verdict.weight_added)


def _scaled(weight: int, largest: int) -> int:
    if largest <= LARGEST:
        return weight
    return max(1, weight * LARGEST // largest) if weight else 0


def _state(real: RealServer, verdict: Verdict | None, said: OperatorState | None) -> State:
    """An operator outranks every verdict; unknown is never down, unless its first success is asked for."""
    if said is not None:
        return "disabled" if said.state == "disable" else "drain"
    if verdict is None or verdict.verdict == "unknown":
        return "down" if real.checks and real.alpha else "up"
    return "up" if verdict.verdict == "up" else "down"
