"""Slots: every member has one, nobody gets another's connections, and what left goes in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer.members import Member
from haproxy_programmer.slots import Slot, Slots, assign, deadline, enough


def member(port: int) -> Member:
    return Member(address="10.9.0.1", port=port, weight=1, state="up")


def ports(slots: Slots) -> dict[str, int]:
    return {name: slot.port for name, slot in slots.held.items()}


def test_a_pool_begins_with_room() -> None:
    assert enough(1, 0) == 8
    assert enough(20, 0) == 40
    assert enough(1000, 0) == 1256
    assert enough(5, 3) == 5
    slots = assign(Slots(size=0), map(member, (1, 2)), idle=(), now=0.0, drain=10.0)
    assert slots.size == 8
    assert ports(slots) == {"s1": 1, "s2": 2}
    assert slots.names[-1] == "s8"


def test_what_leaves_drains_and_its_slot_is_used_again_once_nothing_is_left() -> None:
    slots = assign(Slots(size=0), map(member, (1, 2)), idle=(), now=0.0, drain=10.0)
    gone = assign(slots, [member(2)], idle=("s1",), now=1.0, drain=10.0)
    assert gone.held["s1"] == Slot(address="10.9.0.1", port=1, leaves_at=11.0)
    assert deadline([gone]) == 11.0
    other = assign(gone, map(member, (2, 3)), idle=(), now=2.0, drain=10.0)
    assert ports(other) == {"s1": 1, "s2": 2, "s3": 3}
    assert ports(assign(other, map(member, (2, 3)), idle=("s1",), now=3.0, drain=10.0)) == {"s2": 2, "s3": 3}
    assert ports(assign(other, map(member, (2, 3)), idle=(), now=11.0, drain=10.0)) == {"s2": 2, "s3": 3}


def test_who_comes_back_while_it_drains_stays_where_its_connections_are() -> None:
    slots = assign(Slots(size=0), [member(1)], idle=(), now=0.0, drain=10.0)
    gone = assign(slots, [], idle=(), now=1.0, drain=10.0)
    assert assign(gone, [member(1)], idle=("s1",), now=2.0, drain=10.0).held["s1"].leaves_at is None


def test_a_drain_of_no_time_goes_at_once() -> None:
    slots = assign(Slots(size=0), [member(1)], idle=(), now=0.0, drain=0.0)
    assert assign(slots, [], idle=(), now=1.0, drain=0.0).held == {}


@given(
    st.lists(
        st.tuples(st.sets(st.integers(1, 30), max_size=20), st.sets(st.integers(1, 40), max_size=10)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_comes_and_goes(steps: list[tuple[set[int], set[int]]]) -> None:
    slots = Slots(size=0)
    for now, (wanted, idle) in enumerate(steps):
        before = slots
        slots = assign(
            before,
            map(member, sorted(wanted)),
            idle={f"s{number}" for number in idle},
            now=float(now),
            drain=3.0,
        )
        held = ports(slots)
        assert wanted <= set(held.values())
        assert len(set(held.values())) == len(held)
        assert set(held) <= set(slots.names)
        assert slots.size >= before.size
        for name, slot in slots.held.items():
            earlier = before.held.get(name)
            if earlier is not None and earlier.port != slot.port:
                # another member's slot: it was idle, or its time was over
                assert earlier.leaves_at is not None
                assert name[1:] in {str(each) for each in idle} or earlier.leaves_at <= now
            assert (slot.leaves_at is not None) == (slot.port not in wanted)
