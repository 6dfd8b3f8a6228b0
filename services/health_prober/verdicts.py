"""From checks to verdicts: pure rules for what a prober says, what it takes over, and what it leaves alone.

The `Book` of a replica holds the targets it leads and what is known of each of their checks. What the replica
found with its own eyes outranks what stood on the bus when it did. What another wrote after that is taken
over, and the next round shows who is right: whoever comes back from a pause or from beyond a cut network has
old eyes. So nothing flaps because a target changed hands. Revisions decide what came after what, no clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from health_prober.targets import Target, place
from vipbus.contracts import Check, Verdict, VerdictName

if TYPE_CHECKING:
    from vipbus.telemetry.trace import TraceContext


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one check."""

    verdict: VerdictName
    cause: str = ""
    since_ns: int = 0
    """When it was found, in nanoseconds since the epoch."""
    own: bool = False
    """Found by this replica, not taken over."""
    seen: int = 0
    """The revision of the bucket ``health`` that had been read when it was found."""
    order: int = 0
    """The orders by which the engine was told; its decisions from before do not count."""
    trace: TraceContext | None = None
    """Of the check that found it."""


UNKNOWN = Finding(verdict="unknown")


class Opinion(msgspec.Struct, frozen=True):
    """What a target's checks amount to: the finding that decides, its cause with the place where it helps."""

    cause: str
    finding: Finding

    @property
    def verdict(self) -> VerdictName:
        """Up or down."""
        return self.finding.verdict


class Book:
    """The targets that a replica leads, and what is known of their checks."""

    def __init__(self) -> None:
        self.targets: Mapping[str, Target] = {}
        """By key."""
        self.findings: dict[Check, Finding] = {}
        self.order = 0
        """The number of the last orders that came from here."""
        self._keys: dict[Check, list[str]] = {}

    @property
    def unknown(self) -> int:
        """How many targets have no verdict yet."""
        # asked from the endpoint's thread too: one look at the mapping, which is replaced and never changed
        return sum(self._opinion(target) is None for target in self.targets.values())

    def keys_of(self, check: Check) -> list[str]:
        """List the targets that a check decides about."""
        return self._keys.get(check, [])

    def lead(
        self, targets: Mapping[str, Target], standing: Mapping[str, Verdict]
    ) -> dict[Check, VerdictName | None]:
        """Lead these targets from now on and forget all others; return what the engine is to be told."""
        self.targets = targets
        self._keys = {}
        for key, target in targets.items():
            for check in target.checks:
                self._keys.setdefault(check, []).append(key)
        return self._learn(
            standing, {check for check in self._keys if self._known(check).verdict == "unknown"}
        )

    def doubt(self, keys: Iterable[str], standing: Mapping[str, Verdict]) -> dict[Check, VerdictName | None]:
        """Take over what another replica says of these targets; return what the engine is to be told."""
        return self._learn(standing, {check for key in keys for check in self.targets[key].checks})

    def heeds(self, check: Check, order: int) -> bool:
        """Say whether a decision of the engine counts.

        It does if the check is for a target that is led, and the engine had taken the orders by which it
        was last told what to think of it.
        """
        return check in self._keys and order >= self._known(check).order

    def found(self, check: Check, finding: Finding) -> None:
        """Note what the engine found."""
        self.findings[check] = finding

    def opinion(self, key: str) -> Opinion | None:
        """Combine a target's checks: one that is down is enough, up takes all of them; None is not yet."""
        return self._opinion(self.targets[key])

    def _opinion(self, target: Target) -> Opinion | None:
        known = [(self._known(check), check) for check in target.checks]
        for finding, check in known:
            if finding.verdict == "down":
                return Opinion(_told(target, check, finding.cause), finding)
        if any(finding.verdict == "unknown" for finding, _ in known):
            return None
        finding, check = max(known, key=lambda pair: pair[0].since_ns)
        return Opinion(_told(target, check, finding.cause), finding)

    def _known(self, check: Check) -> Finding:
        return self.findings.get(check, UNKNOWN)

    def _learn(
        self, standing: Mapping[str, Verdict], learners: set[Check]
    ) -> dict[Check, VerdictName | None]:
        self.order += 1
        findings = {}
        orders: dict[Check, VerdictName | None] = {}
        for check, keys in self._keys.items():
            before = self.findings.get(check)
            if check in learners:
                learnt = taken_over(check, [self.targets[key] for key in keys], standing)
                if before is None or learnt.verdict != before.verdict:
                    findings[check] = msgspec.structs.replace(learnt, order=self.order)
                    orders[check] = learnt.verdict
                    continue
            findings[check] = before or UNKNOWN
            orders[check] = None
        self.findings = findings
        return orders


def taken_over(check: Check, targets: Iterable[Target], standing: Mapping[str, Verdict]) -> Finding:
    """Read from the verdicts that stand what a check must have found.

    A target that is up passed every check. One that is down failed its check if it has only one; of several,
    nobody knows which. A check about which its targets disagree is unknown.
    """
    found = UNKNOWN
    for target in targets:
        verdict = standing.get(target.key)
        if verdict is None or verdict.verdict == "unknown":
            continue
        if verdict.verdict == "down" and len(target.checks) > 1:
            continue
        if found.verdict not in ("unknown", verdict.verdict):
            return UNKNOWN
        found = Finding(
            verdict=verdict.verdict,
            cause=verdict.cause.removeprefix(_prefix(check)),
            since_ns=int(verdict.since.timestamp() * 1e9),
        )
    return found


def _told(target: Target, check: Check, cause: str) -> str:
    """Name the place of a check that goes elsewhere than to the real server itself."""
    return cause if place(check.address, check.port) == target.where else _prefix(check) + cause


def _prefix(check: Check) -> str:
    return f"{place(check.address, check.port)}: "
