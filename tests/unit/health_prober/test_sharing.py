"""Rendezvous hashing: everyone agrees, the load is even, and only what must move moves."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from health_prober.sharing import Electorates, leader, voters
from health_prober.targets import Target
from tests.unit.health_prober.documents import check, target

ADDRESSES = [f"10-9-{n >> 8}-{n & 255}" for n in range(3000)]
names = st.text("abcdefghij-0123456789", min_size=1, max_size=12)


def owners(members: list[str]) -> dict[str, str | None]:
    return {address: leader(members, address) for address in ADDRESSES}


def test_nobody_leads_where_nobody_is() -> None:
    assert leader([], "10-9-0-1") is None


def test_the_load_is_even() -> None:
    for size in (2, 3, 5, 10):
        shares = Counter(owners([f"prober-{n}" for n in range(size)]).values())
        fair = len(ADDRESSES) / size
        assert len(shares) == size
        assert all(0.8 * fair < share < 1.2 * fair for share in shares.values())


def test_a_leaver_gives_up_its_own_and_nothing_else_moves() -> None:
    before, after = owners(["a", "b", "c"]), owners(["a", "c"])
    assert all(after[address] == owner for address, owner in before.items() if owner != "b")
    assert {after[address] for address, owner in before.items() if owner == "b"} == {"a", "c"}


def test_a_newcomer_takes_its_share_and_nothing_else_moves() -> None:
    before, after = owners(["a", "b"]), owners(["a", "b", "c"])
    assert {after[address] for address in ADDRESSES if before[address] != after[address]} == {"c"}


@given(st.sets(names, min_size=1, max_size=6), st.sets(names, max_size=20))
def test_every_address_has_exactly_one_leader_whatever_the_order(
    members: set[str], addresses: set[str]
) -> None:
    for address in addresses:
        assert leader(sorted(members), address) == leader(sorted(members, reverse=True), address)
        assert leader(members, address) in members


@given(st.sets(names, min_size=1, max_size=6), names, st.integers(1, 8))
def test_as_many_vote_as_there_are_to_be_and_the_first_leads(
    members: set[str], address: str, vantages: int
) -> None:
    found = voters(members, address, vantages)
    assert len(set(found)) == len(found) == min(vantages, len(members))
    assert found[0] == leader(members, address)
    assert found == voters(sorted(members, reverse=True), address, vantages)
    # a newcomer takes at most one place, and nobody else comes in
    assert set(voters(members | {"newcomer"}, address, vantages)) <= {*found, "newcomer"}


def targets(number: int, vantages: int = 1) -> dict[str, Target]:
    made = (
        msgspec.structs.replace(target(check()), real_server=f"10-9-0-{n}_80", vantages=vantages)
        for n in range(number)
    )
    return {each.key: each for each in made}


def test_an_electorate_is_known_by_when_its_voters_came_together() -> None:
    electorates, wanted = Electorates(), targets(40, vantages=2)
    electorates.share({"a", "b"}, wanted, 5, 100.0)
    electorates.read(8)
    first = {each.address: electorates.get(each.address) for each in wanted.values()}
    electorates.share({"a", "b", "c"}, wanted, 11, 200.0)
    kept = moved = 0
    for each in wanted.values():
        before, after = first[each.address], electorates.get(each.address)
        assert before is not None
        assert after is not None
        assert (before.moved, before.settled) == (5, 100.0 + each.settling)
        if "c" in after.voters:
            moved += 1
            # what was found by revision 8 was found by the old ones
            assert (after.moved, after.settled) == (9, 200.0 + each.settling)
        else:
            kept += 1
            assert after is before
    assert kept
    assert moved


def test_an_address_whose_targets_are_gone_has_no_electorate() -> None:
    electorates = Electorates()
    electorates.share({"a"}, targets(1), 1, 0.0)
    electorates.share({"a"}, {}, 2, 0.0)
    assert electorates.get("10-9-0-0") is None
