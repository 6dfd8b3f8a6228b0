"""Rendezvous hashing: everyone agrees, the load is even, and only what must move moves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from health_prober.sharing import leader, led_by

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
    led = [led_by(member, members, addresses) for member in members]
    assert sum(len(each) for each in led) == len(addresses)
    assert frozenset().union(*led) == addresses
    for address in addresses:
        assert leader(sorted(members), address) == leader(sorted(members, reverse=True), address)
