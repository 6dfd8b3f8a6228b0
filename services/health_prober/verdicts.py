"""From checks to verdicts: pure rules for what a prober says, what it takes over, and what it leaves alone.

The `Book` of a replica holds the targets it checks and what is known of each of their checks. What the
replica found with its own eyes outranks what stood on the bus when it did. What another wrote after that is
taken over, and the next round shows who is right: whoever comes back from a pause or from beyond a cut
network has old eyes. So nothing flaps because a target changed hands. Revisions decide what came after what,
no clocks.

Where several replicas vote on a target, each has its own eyes and takes nothing over; what stands stays until
most of them have seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from health_prober.judgement import UNKNOWN, Finding, Judgement, judged, taken_over
from health_prober.targets import Target
from vipbus.contracts import Check, Verdict, VerdictName


class Book:
    """The targets that a replica checks, and what is known of their checks."""

    def __init__(self) -> None:
        self.targets: Mapping[str, Target] = {}
        """By key."""
        self.voted: Collection[str] = ()
        """Keys of those that others check too."""
        self.findings: dict[Check, Finding] = {}
        self.order = 0
        """The number of the last orders that came from here."""
        self._keys: dict[Check, list[str]] = {}

    @property
    def unknown(self) -> int:
        """How many targets have no verdict yet."""
        # asked from the endpoint's thread too: one look at the mapping, which is replaced and never changed
        return sum(self._judgement(target) is None for target in self.targets.values())

    def keys_of(self, check: Check) -> list[str]:
        """List the targets that a check decides about."""
        return self._keys.get(check, [])

    def take(
        self, targets: Mapping[str, Target], standing: Mapping[str, Verdict], voted: Collection[str] = ()
    ) -> dict[Check, VerdictName | None]:
        """Check these targets from now on and forget all others; return what the engine is to be told.

        ``voted`` are the keys of those that others check too: what was taken over of them is looked at anew.
        """
        self.targets = targets
        self.voted = voted
        self._keys = {}
        for key, target in targets.items():
            for check in target.checks:
                self._keys.setdefault(check, []).append(key)
        unknown = {check for check in self._keys if self._known(check).verdict == "unknown"}
        shared = {check for key in voted for check in targets[key].checks}
        blind = {check for check in shared if not self._known(check).own}
        return self._learn(standing, unknown - shared, forget=blind)

    def doubt(self, keys: Iterable[str], standing: Mapping[str, Verdict]) -> dict[Check, VerdictName | None]:
        """Take over what another replica says of these targets; return what the engine is to be told."""
        return self._learn(
            standing,
            {check for key in keys if key not in self.voted for check in self.targets[key].checks},
        )

    def heeds(self, check: Check, order: int) -> bool:
        """Say whether a decision of the engine counts.

        It does if the check is for a target that is checked here, and the engine had taken the orders by
        which it was last told what to think of it.
        """
        return check in self._keys and order >= self._known(check).order

    def found(self, check: Check, finding: Finding) -> None:
        """Note what the engine found."""
        self.findings[check] = finding

    def judgement(self, key: str) -> Judgement | None:
        """Combine what is known of a target's checks; None is not yet."""
        return self._judgement(self.targets[key])

    def _judgement(self, target: Target) -> Judgement | None:
        return judged(target, ((check, self._known(check)) for check in target.checks))

    def _known(self, check: Check) -> Finding:
        return self.findings.get(check, UNKNOWN)

    def _learn(
        self, standing: Mapping[str, Verdict], learners: set[Check], *, forget: Collection[Check] = ()
    ) -> dict[Check, VerdictName | None]:
        self.order += 1
        findings = {}
        orders: dict[Check, VerdictName | None] = {}
        for check, keys in self._keys.items():
            before = self.findings.get(check)
            if check in forget:
                findings[check] = msgspec.structs.replace(UNKNOWN, order=self.order)
                orders[check] = None if before is None else "unknown"
                continue
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
