"""The kernel fails at every operation of a plan of 200: the end is right, nothing foreign is touched."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.plan import Operation, plan
from ipvs_programmer.table import Key, Pool, Table
from tests.unit.ipvs_programmer.faulty import (
    AFTER,
    BEFORE,
    COUNT,
    FOREIGN,
    PASSING,
    SHORTAGES,
    TROUBLES,
    FaultyKernel,
    Trouble,
    name,
)
from tests.unit.ipvs_programmer.stepped import ADDRESS, Stepped
from tests.unit.ipvs_programmer.tables import key
from tests.unit.ipvs_programmer.world import virtual_server

_TRIES = 8
"""More than the programmer may need for two faults."""


class Bench:
    """One kernel and one programmer that go to and fro between two revisions."""

    def __init__(self, state_dir: Path) -> None:
        self.fake = FakeKernel()
        assert self.fake.apply(plan(FOREIGN, {}, ())) == ()
        self.kernel = FaultyKernel(self.fake)
        self.stepped = Stepped(self.kernel, state_dir)
        self.before, self.after = self._reach(*BEFORE), self._reach(*AFTER)
        self.watched = frozenset(
            of for of in self.before.keys() & self.after.keys() - FOREIGN.keys() if of != key(ADDRESS, 3000)
        )
        self.back()

    def _reach(self, *entities: object) -> dict[Key, Pool]:
        self.stepped.configure(*entities)  # type: ignore[arg-type]  # the two lists of `faulty`
        assert self.stepped.settle() == 0
        assert self.stepped.problems == ""
        return self.fake.read()

    def back(self) -> None:
        """Go back to the first revision."""
        self.kernel.arm({})
        assert self._reach(*BEFORE) == self.before

    def operations(self) -> tuple[Operation, ...]:
        """Give the whole plan from one to the other, in its order."""
        ours = self.before.keys() - FOREIGN.keys()
        return plan({of: held for of, held in self.after.items() if of not in FOREIGN}, self.before, ours)

    def strike(self, faults: dict[int, Trouble], *, watch: bool) -> None:
        """Go to the second revision with faults on the way, and look at what came of it."""
        self.kernel.arm(faults, self.watched if watch else ())
        self.stepped.configure(*AFTER)
        tries = self.stepped.settle(_TRIES)
        assert self.kernel.spent, faults
        assert tries < _TRIES, (faults, self.stepped.problems)
        assert self.fake.read() == self.after, faults
        assert self.kernel.touched.isdisjoint(FOREIGN), faults
        assert self.kernel.bared == set(), faults
        self.assert_said(self.after)
        self.back()

    def assert_said(self, held: Table) -> None:
        """What is said is what is there, and that all is well."""
        assert self.stepped.problems == ""
        for port in (1000, 2000, 4001, 5011):
            document = self.stepped.document(virtual_server(ADDRESS, port, scheduler="rr"))
            assert document.error == ""
            assert {each.address: each.weight for each in document.destinations} == {
                of.address: each.weight for of, each in held[key(ADDRESS, port)].destinations.items()
            }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("faults"))


def test_the_plan_has_200_operations_of_every_kind(bench: Bench) -> None:
    operations = bench.operations()
    assert len(operations) == COUNT
    assert {operation.kind for operation in operations} == {
        f"{verb}-{noun}" for verb in ("add", "edit", "delete") for noun in ("service", "destination")
    }
    assert len(bench.watched) == 20, "every pool that stays has somebody to send to before and after"


@pytest.mark.parametrize(
    "troubles",
    [SHORTAGES, *([each] for each in TROUBLES if each not in SHORTAGES)],
    ids=lambda troubles: "-".join(map(name, troubles)),
)
def test_one_fault_at_every_operation(bench: Bench, troubles: Sequence[Trouble]) -> None:
    for at, trouble in zip(range(COUNT), itertools.cycle(troubles), strict=False):
        bench.strike({at: trouble}, watch=trouble in PASSING and at % 4 == 0)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, COUNT - 1),
    apart=st.integers(1, COUNT - 1),
    first=st.sampled_from(TROUBLES),
    second=st.sampled_from(TROUBLES),
)
def test_two_faults(bench: Bench, at: int, apart: int, first: Trouble, second: Trouble) -> None:
    other = (at + apart) % COUNT
    bench.strike({at: first, other: second}, watch=first in PASSING and second in PASSING)


@pytest.mark.parametrize("second", TROUBLES, ids=name)
@pytest.mark.parametrize("first", TROUBLES, ids=name)
def test_two_faults_in_a_row(bench: Bench, first: Trouble, second: Trouble) -> None:
    for at in range(0, COUNT - 1, 50):
        bench.strike({at: first, at + 1: second}, watch=False)


@pytest.mark.parametrize(
    "number", [errno.EINVAL, errno.EBUSY, errno.EEXIST], ids=lambda n: errno.errorcode[n]
)
def test_what_is_refused_for_good_is_said_and_the_rest_is_done(bench: Bench, number: int) -> None:
    for operation in bench.operations()[:: 7 if number == errno.EINVAL else 23]:
        bench.kernel.arm({})
        bench.kernel.always = {str(operation): number}
        bench.stepped.configure(*AFTER)
        assert bench.stepped.settle(3) == 3
        # of the others all is as it should be
        found = bench.fake.read()
        assert {of: held for of, held in found.items() if of != operation.key} == {
            of: held for of, held in bench.after.items() if of != operation.key
        }
        assert str(operation) in bench.stepped.problems
        port = operation.key.port  # type: ignore[union-attr]  # there is no mark among ours
        if operation.key in bench.after:
            assert str(operation) in bench.stepped.document(virtual_server(ADDRESS, port)).error
        bench.kernel.always = {}
        assert bench.stepped.settle() == 1, "and done as soon as the kernel lets it"
        assert bench.fake.read() == bench.after
        bench.assert_said(bench.after)
        bench.back()


def test_a_pool_keeps_what_it_has_while_its_successors_are_short_of_memory(bench: Bench) -> None:
    server = virtual_server(ADDRESS, 2000)
    of = key(ADDRESS, 2000)
    bench.kernel.arm({}, {of})
    bench.kernel.always = {
        f"add destination 10.9.1.{number}:80 to {of} weight 1": errno.ENOMEM for number in (3, 4)
    }
    bench.stepped.configure(*AFTER)
    assert bench.stepped.settle(3) == 3
    assert sorted(each.address for each in bench.fake.destinations[of]) == ["10.9.1.1", "10.9.1.2"]
    assert "Cannot allocate memory" in bench.stepped.document(server).error
    bench.kernel.always.popitem()
    assert bench.stepped.settle(3) == 3
    assert [each.address for each in bench.fake.destinations[of]] == ["10.9.1.4"], "one of them is enough"
    bench.kernel.always = {}
    assert bench.stepped.settle() == 1
    assert bench.fake.read() == bench.after
    assert bench.kernel.bared == set()
    bench.back()


def test_a_pool_does_not_wait_for_what_is_refused_for_good(bench: Bench) -> None:
    """Who leaves is dead, drained or dismissed: a successor that is not to be had is no reason to keep it."""
    of = key(ADDRESS, 2000)
    bench.kernel.arm({})
    bench.kernel.always = {
        f"add destination 10.9.1.{number}:80 to {of} weight 1": errno.EINVAL for number in (3, 4)
    }
    bench.stepped.configure(*AFTER)
    assert bench.stepped.settle(3) == 3
    assert bench.fake.destinations[of] == {}
    bench.kernel.always = {}
    assert bench.stepped.settle() == 1
    bench.back()
