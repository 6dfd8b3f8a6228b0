"""The plan: a table of cases, and the property that carrying it out gives what was desired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.plan import AddService, DeleteService, Operation, plan, takes_out
from ipvs_programmer.table import Forwarding, Key, MarkKey, Pool, Table
from tests.unit.ipvs_programmer.tables import (
    SMALL_KEYS,
    destination,
    healthy,
    key,
    pool,
    service,
    small_tables,
    table,
)

V6 = key("fd00::1", protocol=17)
CASES: dict[str, tuple[Table, Table, list[str]]] = {
    "nothing to do": (table(pool(None, destination())), table(pool(None, destination())), []),
    "an empty kernel": (
        table(pool(service(persistence=300), destination(), destination("10.9.0.22", weight=2))),
        {},
        [
            "add service TCP 10.9.0.1:80 scheduler rr persistent 300",
            "add destination 10.9.0.21:80 to TCP 10.9.0.1:80 weight 1",
            "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 2",
        ],
    ),
    "a real server leaves": (
        table(pool(None, destination("10.9.0.22"))),
        table(pool(None, destination(), destination("10.9.0.22"))),
        ["delete destination 10.9.0.21:80 from TCP 10.9.0.1:80"],
    ),
    "one comes before the other goes": (
        table(pool(None, destination("10.9.0.22"))),
        table(pool(None, destination())),
        [
            "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1",
            "delete destination 10.9.0.21:80 from TCP 10.9.0.1:80",
        ],
    ),
    "one gets a weight before the other loses it": (
        table(pool(None, destination(weight=0), destination("10.9.0.22", weight=1))),
        table(pool(None, destination(weight=1), destination("10.9.0.22", weight=0))),
        [
            "edit destination 10.9.0.22:80 of TCP 10.9.0.1:80 weight 1 NAT",
            "edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 0 NAT",
        ],
    ),
    "every pool gains before any loses": (
        table(pool(None, destination("10.9.0.22")), pool(service(key(port=443)), destination("10.9.0.22"))),
        table(pool(None, destination()), pool(service(key(port=443)), destination())),
        [
            "add destination 10.9.0.22:80 to TCP 10.9.0.1:80 weight 1",
            "add destination 10.9.0.22:80 to TCP 10.9.0.1:443 weight 1",
            "delete destination 10.9.0.21:80 from TCP 10.9.0.1:80",
            "delete destination 10.9.0.21:80 from TCP 10.9.0.1:443",
        ],
    ),
    "another weight": (
        table(pool(None, destination(weight=5))),
        table(pool(None, destination())),
        ["edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 5 NAT"],
    ),
    "another forwarding method": (
        table(pool(None, destination(forwarding=Forwarding.DR))),
        table(pool(None, destination())),
        ["edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 1 DR"],
    ),
    "thresholds that nobody configured": (
        table(pool(None, destination())),
        table(pool(None, destination(upper=10, lower=1))),
        ["edit destination 10.9.0.21:80 of TCP 10.9.0.1:80 weight 1 NAT"],
    ),
    "another scheduler": (
        table(pool(service(scheduler="wlc"), destination())),
        table(pool(None, destination())),
        ["edit service TCP 10.9.0.1:80 scheduler wlc"],
    ),
    "another protocol is another service": (
        table(pool(service(key(protocol=17)))),
        table(pool(service())),
        ["add service UDP 10.9.0.1:80 scheduler rr", "delete service TCP 10.9.0.1:80"],
    ),
    "IPv6": (
        table(pool(service(V6), destination("fd00::21"))),
        {},
        [
            "add service UDP [fd00::1]:80 scheduler rr",
            "add destination [fd00::21]:80 to UDP [fd00::1]:80 weight 1",
        ],
    ),
    "everything goes": (
        {},
        table(pool(None, destination()), pool(service(key(port=443)))),
        ["delete service TCP 10.9.0.1:80", "delete service TCP 10.9.0.1:443"],
    ),
}


@pytest.mark.parametrize(("desired", "observed", "expected"), CASES.values(), ids=CASES)
def test_the_plan(desired: Table, observed: Table, expected: list[str]) -> None:
    assert [str(operation) for operation in plan(desired, observed, observed.keys())] == expected


def test_a_firewall_mark_has_a_name() -> None:
    assert str(AddService(service(MarkKey(2, 7)))) == "add service FWM 7 scheduler rr"
    assert str(DeleteService(MarkKey(10, 7))) == "delete service FWM 7 IPv6"


# ---- the property: every step of the way, on a kernel that holds state


def kernel_with(observed: Table) -> FakeKernel:
    kernel = FakeKernel()
    assert kernel.apply(plan(observed, {}, ())) == ()
    return kernel


def way(kernel: FakeKernel, operations: Iterable[Operation]) -> Iterator[dict[Key, Pool]]:
    """Carry out operations one by one; give the table before the first and after each."""
    yield kernel.read()
    for operation in operations:
        assert kernel.apply([operation]) == (), operation
        yield kernel.read()


owned_keys = st.sets(st.sampled_from(SMALL_KEYS))


@given(desired=small_tables(), observed=small_tables(), owned=owned_keys)
def test_carrying_out_the_plan_gives_what_was_desired(
    desired: dict[Key, Pool], observed: dict[Key, Pool], owned: set[Key]
) -> None:
    kernel = kernel_with(observed)
    assert kernel.apply(plan(desired, kernel.read(), owned)) == ()
    foreign = {of: held for of, held in observed.items() if of not in owned and of not in desired}
    assert kernel.read() == foreign | desired
    assert plan(desired, kernel.read(), owned | desired.keys()) == ()


@given(desired=small_tables(), observed=small_tables(), owned=owned_keys)
def test_foreign_services_are_the_same_at_every_step(
    desired: dict[Key, Pool], observed: dict[Key, Pool], owned: set[Key]
) -> None:
    kernel = kernel_with(observed)
    operations = plan(desired, kernel.read(), owned)
    assert {operation.key for operation in operations} <= desired.keys() | owned
    foreign = {of: held for of, held in observed.items() if of not in owned and of not in desired}
    for table_then in way(kernel, operations):
        assert {of: table_then.get(of) for of in foreign} == foreign


@given(desired=small_tables(), observed=small_tables())
@example(  # the last with a weight loses it as another gets one
    desired=table(pool(None, destination(weight=0), destination("10.9.0.22", weight=1))),
    observed=table(pool(None, destination(weight=1), destination("10.9.0.22", weight=0))),
)
@example(  # all are replaced, some by drained ones
    desired=table(pool(None, destination("10.9.0.23", weight=0), destination("10.9.0.24"))),
    observed=table(pool(None, destination("10.9.0.21"), destination("10.9.0.22"))),
)
@example(  # the whole service changes, its destinations too
    desired=table(pool(service(scheduler="sh", persistence=5), destination("10.9.0.22"))),
    observed=table(pool(service(), destination(forwarding=Forwarding.DR))),
)
def test_a_pool_that_is_healthy_before_and_after_is_so_at_every_step(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    kernel = kernel_with(observed)
    both = {of for of in desired.keys() & observed.keys() if healthy(desired[of]) and healthy(observed[of])}
    for table_then in way(kernel, plan(desired, kernel.read(), observed.keys())):
        assert all(healthy(table_then.get(of)) for of in both)


@given(desired=small_tables(), observed=small_tables())
def test_nothing_comes_in_after_something_was_taken_out(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    taking = [takes_out(operation) for operation in plan(desired, observed, observed.keys())]
    assert taking == sorted(taking)


@given(desired=small_tables(), observed=small_tables())
def test_a_service_stands_before_its_destinations(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    standing = set(observed)
    for operation in plan(desired, observed, observed.keys()):
        if isinstance(operation, AddService):
            standing.add(operation.key)
        elif not isinstance(operation, DeleteService):
            assert operation.key in standing
