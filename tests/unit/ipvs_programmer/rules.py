"""A place for the rules of masquerade that only remembers them; the contract suite runs on it too."""

from __future__ import annotations

from ipvs_programmer.masquerade import Masked
from vipbus.runtime.packet_filter import PacketFilterError


class FakeRules:
    """Rules, and the ways in which nft or iptables let their callers down."""

    def __init__(self) -> None:
        self.rules = Masked()
        self.changed = ""
        """What somebody else made of them."""
        self.refusal = ""
        """Why nothing works."""
        self.writes = 0
        self.there = False

    def put(self, wanted: Masked) -> str:
        self._may()
        self.writes += 1
        self.rules, self.changed, self.there = wanted, "", True
        return self.standing()

    def standing(self) -> str:
        self._may()
        if not self.there:
            return ""
        return self.changed or f"rules {sorted(self.rules.services)} {sorted(self.rules.marks)}"

    def remove(self) -> None:
        self._may()
        self.rules, self.changed, self.there = Masked(), "", False

    def lose(self) -> None:
        """Lose them as a flush of the whole rule set does."""
        self.there = False

    def _may(self) -> None:
        if self.refusal:
            raise PacketFilterError(self.refusal)
