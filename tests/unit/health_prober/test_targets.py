"""From configurations to targets."""

from __future__ import annotations

import msgspec
import pytest

from health_prober.targets import Targets, address_of, everything_known, place
from tests.unit.health_prober.documents import OTHER_VS, VS, check, real_server, revision
from vipbus.bus import Entry
from vipbus.contracts import ConfigDocument, Damping, Pool, RealServer, UnreadPool, encoded
from vipbus.runtime.revision import Revision


def test_routers_that_share_a_real_server_share_its_verdict_over_the_union_of_their_checks() -> None:
    first = revision(real_server(check(80), check(81)), router="r1")
    second = revision(real_server(check(81), check(82), router="r2"), router="r2")
    (target,) = Targets().of([first, second]).values()
    assert target.key == f"{VS}.10-9-0-21_80"
    assert {each.port for each in target.checks} == {80, 81, 82}
    assert Targets().of([second, first]) == Targets().of([first, second])


def test_a_real_server_without_checks_has_no_verdict() -> None:
    assert Targets().of([revision(real_server())]) == {}
    shared = Targets().of([revision(real_server()), revision(real_server(check(), router="r2"), router="r2")])
    assert len(shared) == 1


def test_every_virtual_server_has_its_own_verdict() -> None:
    found = Targets().of([revision(real_server(check()), real_server(check(), virtual_server=OTHER_VS))])
    assert {target.virtual_server for target in found.values()} == {VS, OTHER_VS}
    assert len({target.checks for target in found.values()}) == 1


@pytest.mark.parametrize(
    ("key", "address"),
    [
        (f"{VS}.10-9-0-21_80", "10-9-0-21"),
        (f"{VS}.10-9-0-21_8080", "10-9-0-21"),
        ("2001-db8--1_80_tcp.2001-db8--21_443", "2001-db8--21"),
    ],
)
def test_an_address_is_read_from_a_key(key: str, address: str) -> None:
    assert address_of(key) == address


def test_a_place_is_written_for_people() -> None:
    assert place("10.9.0.21", 80) == "10.9.0.21:80"
    assert place("2001:db8::21", 80) == "[2001:db8::21]:80"


def entries(*documents: ConfigDocument) -> dict[str, Entry[ConfigDocument]]:
    return {document.key: Entry(document, 1, b"") for document in documents}


WHOLE = revision(real_server(check()))
NEWER = revision(real_server(check()), number=2)


@pytest.mark.parametrize(
    ("documents", "revisions", "known"),
    [
        ((), {}, False),
        ((WHOLE.head, Pool(router="r1", pool=VS)), {"r1": WHOLE}, True),
        # the head names a revision that is not whole here
        ((NEWER.head, Pool(router="r1", pool=VS)), {"r1": WHOLE}, False),
        ((WHOLE.head, Pool(router="r1", pool=VS)), {}, False),
        # a router's first revision is being written: its head comes last
        (
            (WHOLE.head, Pool(router="r1", pool=VS), Pool(router="r2", pool=VS)),
            {"r1": WHOLE},
            False,
        ),
    ],
)
def test_something_is_gone_only_where_everything_is_known(
    documents: tuple[ConfigDocument, ...], revisions: dict[str, Revision], known: bool
) -> None:
    assert everything_known(entries(*documents), revisions) is known


def test_every_target_of_an_address_has_the_most_vantages_that_any_wants() -> None:
    few, many = real_server(check(80)), real_server(check(80), virtual_server=OTHER_VS)
    many = msgspec.structs.replace(many, vantages=3)
    other = real_server(check(80, "10.9.0.22"), address="10.9.0.22")
    found = Targets().of([revision(few, many, other)])
    assert {target.key.partition(".")[2]: target.vantages for target in found.values()} == {
        "10-9-0-21_80": 3,
        "10-9-0-22_80": 1,
    }


def test_damping_is_done_where_one_router_asks_for_it() -> None:
    damping = Damping(half_life=7.0)
    plain, damped = real_server(check()), real_server(check(), router="r2")
    damped = msgspec.structs.replace(damped, damping=damping)
    both = [revision(plain), revision(damped, router="r2")]
    for revisions in (both, both[::-1]):
        (target,) = Targets().of(revisions).values()
        assert target.damping == damping


def test_of_pools_that_are_not_read_yet_only_what_changed_is() -> None:
    def unread(*servers: RealServer) -> UnreadPool:
        (body,) = encoded(servers).values()
        return msgspec.json.decode(body, type=UnreadPool)

    one, other = unread(real_server(check())), unread(real_server(check(), virtual_server=OTHER_VS))
    targets = Targets()
    whole = msgspec.structs.replace(revision(), unread=(one, other))
    first = targets.of([whole])
    assert first == Targets().of(
        [revision(real_server(check()), real_server(check(), virtual_server=OTHER_VS))]
    )
    changed = msgspec.structs.replace(whole, unread=(one, unread(real_server(virtual_server=OTHER_VS))))
    second = targets.of([changed])
    assert list(second) == [f"{VS}.10-9-0-21_80"]
    assert second[f"{VS}.10-9-0-21_80"] is first[f"{VS}.10-9-0-21_80"]
    damaged = msgspec.json.decode(
        b'{"kind":"pool","router":"r1","pool":"x","real_servers":[7]}', type=UnreadPool
    )
    assert targets.of([msgspec.structs.replace(whole, unread=(damaged,))]) == {}
