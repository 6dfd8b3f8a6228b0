"""Time, and links between routers that lose, delay, duplicate, reorder and are cut."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vrrp_agent.events import AdvertisementReceived

if TYPE_CHECKING:
    from tests.unit.vrrp_agent.simulation.member import Member
    from tests.unit.vrrp_agent.simulation.router import Router


class BrokenRuleError(Exception):
    """Something that must hold does not: in words, with the time."""


class World:
    """What happens when; and who hears whom on which link."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.random = random.Random(seed)  # to be repeated, not to be secret
        self.trace = trace
        self.now = 0.0
        self.routers: list[Router] = []
        self.loss = 0.0
        self.duplicates = 0.0
        self.delay = (0.0001, 0.001)
        """Seconds, the shortest and the longest."""
        self.reorders = False
        """True: a packet may overtake another of the same router."""
        self.lateness = 0.001
        """Seconds that a timer may be late."""
        self.cut: set[tuple[int, int, int]] = set()
        """Link, sender, receiver: nothing passes that way."""
        self.unplugged: set[tuple[int, int]] = set()
        """Link and router."""
        self.on_transition: Callable[[Member], None] = lambda _: None
        self.on_holding: Callable[[Member], None] = lambda _: None
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._arrived: dict[tuple[int, int, int], float] = {}
        """When the last packet arrives, by link, sender and receiver."""

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time; what is past is now."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), act, arguments))

    def run(self, until: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, act, arguments = heapq.heappop(heap)
            act(*arguments)
        self.now = until

    def say(self, text: str) -> None:
        """Tell whoever replays the seed what happens."""
        if self.trace is not None:
            self.trace(f"{self.now:10.4f}  {text}")

    def broken(self, text: str) -> BrokenRuleError:
        """Make the error of a rule that does not hold now."""
        self.say(f"BROKEN: {text}")
        return BrokenRuleError(f"at {self.now:.4f} s: {text}")

    def connected(self, link: int, sender: int, receiver: int) -> bool:
        """Say whether anything passes."""
        return (
            (link, sender, receiver) not in self.cut
            and (link, sender) not in self.unplugged
            and (link, receiver) not in self.unplugged
        )

    def broadcast(self, sender: Member, event: AdvertisementReceived) -> None:
        """Carry an advertisement to everyone on the link that it reaches."""
        link, number = sender.index, sender.router.number
        roll = self.random.random
        shortest, longest = self.delay
        quiet = not (self.cut or self.unplugged)
        for router in self.routers:
            if router.number == number or not (quiet or self.connected(link, number, router.number)):
                continue
            if self.loss and roll() < self.loss:
                continue
            arrives = self.now + shortest + roll() * (longest - shortest)
            if not self.reorders:
                path = (link, number, router.number)
                arrives = self._arrived[path] = max(arrives, self._arrived.get(path, 0.0))
            self.at(arrives, router.arrive, link, event)
            if self.duplicates and roll() < self.duplicates:
                self.at(self.now + shortest + 2 * roll() * longest, router.arrive, link, event)

    def announce(self, sender: Member, addresses: tuple[str, ...]) -> None:
        """Carry gratuitous ARP to whoever listens for a successor."""
        link, number = sender.index, sender.router.number
        for router in self.routers:
            if router.number == number or not router.members[link].listens:
                continue
            if self.connected(link, number, router.number) and self.random.random() >= self.loss:
                delay = self.random.uniform(*self.delay)
                self.at(self.now + delay, router.overhear, link, addresses)
