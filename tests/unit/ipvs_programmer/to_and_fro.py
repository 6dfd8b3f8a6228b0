"""One kernel and one programmer that go to and fro between two revisions, with faults on the way there."""

from __future__ import annotations

from pathlib import Path

from ipvs_programmer.kernel import Kernel
from ipvs_programmer.plan import Operation, plan
from ipvs_programmer.table import Key, Pool
from tests.unit.ipvs_programmer.faulty import AFTER, BEFORE, FOREIGN, Entities, FaultyKernel, Trouble
from tests.unit.ipvs_programmer.stepped import ADDRESS, Stepped
from tests.unit.ipvs_programmer.tables import key
from tests.unit.ipvs_programmer.world import virtual_server

TRIES = 8
"""More than the programmer may need for two faults."""


class ToAndFro:
    """``kernel`` holds nothing yet; services of others are put into it first."""

    def __init__(self, kernel: Kernel, state_dir: Path) -> None:
        assert kernel.apply(plan(FOREIGN, {}, ())) == ()
        self.faulty = FaultyKernel(kernel)
        self.stepped = Stepped(self.faulty, state_dir)
        self.before, self.after = self._reach(BEFORE), self._reach(AFTER)
        self.both = frozenset((self.before.keys() & self.after.keys()) - FOREIGN.keys())
        """The pools that have somebody to send to before and after."""
        self.back()

    def _reach(self, entities: Entities) -> dict[Key, Pool]:
        self.stepped.configure(*entities)
        assert self.stepped.settle() == 0
        assert self.stepped.problems == ""
        return self.faulty.read()

    def back(self) -> None:
        """Go back to the first revision."""
        self.faulty.arm({})
        assert self._reach(BEFORE) == self.before

    def operations(self) -> tuple[Operation, ...]:
        """Give the whole plan from one to the other, in its order."""
        ours = {of: held for of, held in self.after.items() if of not in FOREIGN}
        return plan(ours, self.before, self.before.keys() - FOREIGN.keys())

    def strike(self, faults: dict[int, Trouble], *, watch: bool = False) -> None:
        """Go to the second revision with faults on the way, look at what came of it, and go back."""
        self.faulty.arm(faults, self.both if watch else ())
        self.stepped.configure(*AFTER)
        self.assert_arrives(faults)
        assert self.faulty.spent, faults
        assert self.faulty.bared == set(), faults
        self.back()

    def assert_arrives(self, why: object) -> None:
        """The programmer comes to the second revision by itself; what is of others is as it was."""
        tries = self.stepped.settle(TRIES)
        assert tries < TRIES, (why, self.stepped.problems)
        assert self.faulty.read() == self.after, why
        assert self.faulty.touched.isdisjoint(FOREIGN), why
        self.assert_said()

    def assert_said(self) -> None:
        """What is said is what is there, and that all is well."""
        assert self.stepped.problems == ""
        for port in (1000, 2000, 4001, 5011):
            document = self.stepped.document(virtual_server(ADDRESS, port))
            assert document.error == ""
            assert {each.address: each.weight for each in document.destinations} == {
                of.address: each.weight for of, each in self.after[key(ADDRESS, port)].destinations.items()
            }
