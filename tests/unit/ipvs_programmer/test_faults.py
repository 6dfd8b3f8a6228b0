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
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.plan import plan
from ipvs_programmer.table import Key, Pool
from tests.unit.ipvs_programmer.faulty import (
    AFTER,
    COUNT,
    PASSING,
    SHORTAGES,
    TROUBLES,
    FaultyKernel,
    Trouble,
    name,
)
from tests.unit.ipvs_programmer.stepped import ADDRESS, Stepped
from tests.unit.ipvs_programmer.tables import healthy, key, small_tables
from tests.unit.ipvs_programmer.to_and_fro import ToAndFro
from tests.unit.ipvs_programmer.world import real_server, virtual_server
from vipbus.contracts import DriftRepaired
from vipbus.telemetry.trace import record


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> ToAndFro:
    return ToAndFro(FakeKernel(), tmp_path_factory.mktemp("faults"))


def test_the_plan_has_200_operations_of_every_kind(way: ToAndFro) -> None:
    operations = way.operations()
    assert len(operations) == COUNT
    assert {operation.kind for operation in operations} == {
        f"{verb}-{noun}" for verb in ("add", "edit", "delete") for noun in ("service", "destination")
    }
    assert len(way.both) == 20, "every pool that stays has somebody to send to before and after"


@pytest.mark.parametrize(
    "troubles",
    [SHORTAGES, *([each] for each in TROUBLES if each not in SHORTAGES)],
    ids=lambda troubles: "-".join(map(name, troubles)),
)
def test_one_fault_at_every_operation(way: ToAndFro, troubles: Sequence[Trouble]) -> None:
    for at, trouble in zip(range(COUNT), itertools.cycle(troubles), strict=False):
        way.strike({at: trouble}, watch=trouble in PASSING and at % 4 == 0)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, COUNT - 1),
    apart=st.integers(1, COUNT - 1),
    first=st.sampled_from(TROUBLES),
    second=st.sampled_from(TROUBLES),
)
def test_two_faults(way: ToAndFro, at: int, apart: int, first: Trouble, second: Trouble) -> None:
    other = (at + apart) % COUNT
    way.strike({at: first, other: second}, watch=first in PASSING and second in PASSING)


@pytest.mark.parametrize("second", TROUBLES, ids=name)
@pytest.mark.parametrize("first", TROUBLES, ids=name)
def test_two_faults_in_a_row(way: ToAndFro, first: Trouble, second: Trouble) -> None:
    for at in range(0, COUNT - 1, 50):
        way.strike({at: first, at + 1: second}, watch=False)


@pytest.mark.parametrize(
    "number", [errno.EINVAL, errno.EBUSY, errno.EEXIST], ids=lambda n: errno.errorcode[n]
)
def test_what_is_refused_for_good_is_said_and_the_rest_is_done(way: ToAndFro, number: int) -> None:
    for operation in way.operations()[:: 7 if number == errno.EINVAL else 23]:
        way.faulty.arm({})
        way.faulty.always = {str(operation): number}
        way.stepped.configure(*AFTER)
        assert way.stepped.settle(3) == 3
        # of the others all is as it should be
        found = way.faulty.read()
        assert {of: held for of, held in found.items() if of != operation.key} == {
            of: held for of, held in way.after.items() if of != operation.key
        }
        assert str(operation) in way.stepped.problems
        port = operation.key.port  # type: ignore[union-attr]  # there is no mark among ours
        if operation.key in way.after:
            assert str(operation) in way.stepped.document(virtual_server(ADDRESS, port)).error
        way.faulty.always = {}
        assert way.stepped.settle() == 1, "and done as soon as the kernel lets it"
        assert way.faulty.read() == way.after
        way.assert_said()
        way.back()


def test_a_pool_keeps_what_it_has_while_its_successors_are_short_of_memory(way: ToAndFro) -> None:
    server = virtual_server(ADDRESS, 2000)
    of = key(ADDRESS, 2000)
    way.faulty.arm({}, {of})
    way.faulty.always = {
        f"add destination 10.9.1.{number}:80 to {of} weight 1": errno.ENOMEM for number in (3, 4)
    }
    way.stepped.configure(*AFTER)
    assert way.stepped.settle(3) == 3
    assert sorted(each.address for each in way.faulty.read()[of].destinations) == ["10.9.1.1", "10.9.1.2"]
    assert "Cannot allocate memory" in way.stepped.document(server).error
    way.faulty.always.popitem()
    assert way.stepped.settle(3) == 3
    assert [each.address for each in way.faulty.read()[of].destinations] == ["10.9.1.4"], (
        "one of them is enough"
    )
    way.faulty.always = {}
    assert way.stepped.settle() == 1
    assert way.faulty.read() == way.after
    assert way.faulty.bared == set()
    way.back()


def test_a_pool_does_not_wait_for_what_is_refused_for_good(way: ToAndFro) -> None:
    """Who leaves is dead, drained or dismissed: a successor that is not to be had is no reason to keep it."""
    of = key(ADDRESS, 2000)
    way.faulty.arm({})
    way.faulty.always = {
        f"add destination 10.9.1.{number}:80 to {of} weight 1": errno.EINVAL for number in (3, 4)
    }
    way.stepped.configure(*AFTER)
    assert way.stepped.settle(3) == 3
    assert way.faulty.read()[of].destinations == {}
    way.faulty.always = {}
    assert way.stepped.settle() == 1
    way.back()


def test_a_flush_is_repaired_though_something_is_refused_for_good(tmp_path: Path) -> None:
    fake, of, server = FakeKernel(), key(ADDRESS), virtual_server(ADDRESS)
    stepped = Stepped(fake, tmp_path)
    stepped.configure(server, real_server("10.9.1.1", of=server), real_server("224.0.0.18", of=server))
    assert stepped.settle(3) == 3
    refused = stepped.document(server).error
    assert refused.startswith("add destination 224.0.0.18:80")
    held = fake.read()
    stepped.programmer.check([of])
    assert stepped.events == [], "what is refused is no drift"
    del fake.services[of], fake.destinations[of]
    stepped.programmer.check([of])
    assert fake.read() == held
    (event,) = stepped.events
    assert isinstance(event, DriftRepaired)
    assert event.repairs[0] == f"add service {of} scheduler rr"
    assert stepped.document(server).error == refused


@given(
    desired=small_tables(),
    observed=small_tables(),
    faults=st.dictionaries(st.integers(0, 25), st.sampled_from(PASSING), max_size=6),
)
def test_whatever_passes_a_healthy_pool_is_never_bare(
    desired: dict[Key, Pool], observed: dict[Key, Pool], faults: dict[int, Trouble]
) -> None:
    kernel = FaultyKernel(FakeKernel())
    assert kernel.apply(plan(observed, {}, ())) == ()
    keeper, keys = Keeper(kernel), observed.keys() | desired.keys()
    keeper.read(keys)
    keeper.want(keys, desired)
    kernel.arm(faults, {of for of in keys if healthy(observed.get(of)) and healthy(desired.get(of))})
    keeper.write(keys, record("test"))
    for _ in range(len(faults) + 1):
        tried = list(keeper.errors)
        keeper.read(tried)
        keeper.write(tried, record("test"))
    assert kernel.bared == set()
    assert kernel.read() == desired
    assert keeper.errors == {}
