"""The plan: a table of cases, and the property that carrying it out gives what was desired."""

from __future__ import annotations

import pytest
from hypothesis import given

from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.plan import AddDestination, AddService, DeleteDestination, DeleteService, plan
from ipvs_programmer.table import Forwarding, Key, MarkKey, Pool, Table
from tests.unit.ipvs_programmer.tables import destination, key, pool, service, small_tables, table

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


def kernel_with(observed: Table) -> FakeKernel:
    kernel = FakeKernel()
    assert kernel.apply(plan(observed, {}, ())) == ()
    return kernel


@given(desired=small_tables(), observed=small_tables())
def test_carrying_out_the_plan_gives_what_was_desired(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    kernel = kernel_with(observed)
    assert kernel.apply(plan(desired, kernel.read(), observed.keys())) == ()
    assert kernel.read() == desired
    assert plan(desired, kernel.read(), observed.keys() | desired.keys()) == ()


@given(desired=small_tables(), observed=small_tables())
def test_foreign_services_are_not_touched(desired: dict[Key, Pool], observed: dict[Key, Pool]) -> None:
    kernel = kernel_with(observed)
    operations = plan(desired, kernel.read(), ())
    assert {operation.key for operation in operations} <= desired.keys()
    kernel.apply(operations)
    after = kernel.read()
    assert {of: after[of] for of in observed if of not in desired} == {
        of: held for of, held in observed.items() if of not in desired
    }


@given(desired=small_tables(), observed=small_tables())
def test_a_pool_that_stays_filled_is_never_empty_on_the_way(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    kernel = kernel_with(observed)
    filled = {
        of
        for of in desired.keys() & observed.keys()
        if desired[of].destinations and observed[of].destinations
    }
    for operation in plan(desired, kernel.read(), observed.keys()):
        kernel.apply([operation])
        assert all(kernel.destinations[of] for of in filled)


@given(desired=small_tables(), observed=small_tables())
def test_a_service_stands_before_its_destinations(
    desired: dict[Key, Pool], observed: dict[Key, Pool]
) -> None:
    standing = set(observed)
    for operation in plan(desired, observed, observed.keys()):
        if isinstance(operation, AddService):
            standing.add(operation.key)
        elif isinstance(operation, AddDestination | DeleteDestination):
            assert operation.key in standing
