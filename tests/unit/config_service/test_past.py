"""What was, told from what is: undo laid over a set of keys, and the way back over many revisions."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service import past
from vipbus.bus.packed import LARGEST
from vipbus.contracts import RealServer, VirtualServer, encoded, revision_digest
from vipbus.contracts.revisions import RevisionNote, RevisionRecord

BODIES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from((b"1", b"2", b'{"a":1}')))


@given(BODIES, BODIES, BODIES, st.data())
def test_from_anything_between_two_revisions_there_is_a_way_back(
    before: dict[str, bytes], held: dict[str, bytes], desired: dict[str, bytes], data: st.DataObject
) -> None:
    undo = past.undo(before, held, desired)
    # each key is as it was found, or as it is to be
    between = {
        key: body
        for key in {*held, *desired}
        if (body := data.draw(st.sampled_from((held.get(key), desired.get(key))))) is not None
    }
    assert past.wound_back(between, undo) == before


@given(BODIES, BODIES)
def test_an_undo_names_what_changes_and_nothing_else(
    before: dict[str, bytes], desired: dict[str, bytes]
) -> None:
    undo = past.undo(before, before, desired)
    assert undo == {k: before.get(k) for k in {*before, *desired} if before.get(k) != desired.get(k)}
    assert sum(past.counted(undo, desired)) == len(undo)


@given(st.dictionaries(st.text(max_size=3), st.none() | st.sampled_from((b"1", b'{"a": [1,\n2]}', b'"x"'))))
def test_an_undo_is_read_as_it_was_written(undo: dict[str, bytes | None]) -> None:
    body = msgspec.json.encode(past.encoded(undo))
    assert past.decoded(msgspec.json.decode(body, type=dict[str, msgspec.Raw])) == undo
    assert past.joined(past.parts(undo)) == undo


def test_a_large_undo_comes_in_parts_that_the_bus_takes() -> None:
    # random digits pack badly: each part must be small all the same
    undo: dict[str, bytes | None] = {
        f"k{number}": msgspec.json.encode(revision_digest({str(number): b""})) for number in range(40_000)
    }
    parts = list(past.parts(undo))
    assert len(parts) > 1
    assert max(map(len, parts)) <= LARGEST // 2
    assert past.joined(parts) == undo


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a"', b"\x78\x9c\x00", b"\xff"])
def test_a_damaged_part_is_said(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not readable|zlib"):
        past.joined([body])


def record(revision: int, before: int) -> RevisionRecord:
    note = RevisionNote(
        router="r",
        revision=revision,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        entities=0,
        digest="",
        base=revision,
    )
    return RevisionRecord(note=note, before=before)


@pytest.mark.parametrize(
    ("now", "then", "way"),
    [
        (7, 7, [7, 5][:0]),
        (7, 5, [7]),
        (7, 4, [7, 5]),
        # the oldest record leads to a revision that has none itself
        (7, 3, [7, 5, 4]),
        (7, 6, None),
        (7, 2, None),
        (7, 8, None),
        (9, 4, None),
    ],
)
def test_the_way_back(now: int, then: int, way: list[int] | None) -> None:
    records = {each.note.revision: each for each in (record(7, 5), record(5, 4), record(4, 3))}
    if way is None:
        with pytest.raises(ValueError, match=f"revision {then} is not kept; the oldest"):
            past.way_back(records, now, then)
    else:
        assert past.way_back(records, now, then) == way


def test_the_way_back_ends_where_nothing_whole_was_before() -> None:
    records = {each.note.revision: each for each in (record(3, 2), record(2, 0), record(1, 0))}
    with pytest.raises(ValueError, match="the oldest that can come back is 2"):
        past.way_back(records, 3, 1)


WEB = VirtualServer(router="a", address="10.9.0.1", port=80, scheduler="rr", forwarding="DR")


def pool(*weights: int, quorum: int = 1) -> dict[str, bytes]:
    """Make a pool of real servers with these weights; 0: it is not there."""
    return encoded(
        (
            msgspec.structs.replace(WEB, quorum=quorum),
            *(
                RealServer(
                    router="a",
                    virtual_server=WEB.id,
                    address=f"10.9.{at >> 8}.{at & 255}",
                    port=80,
                    weight=weight,
                )
                for at, weight in enumerate(weights)
                if weight
            ),
        )
    )


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({}, pool(1, 1), (3, 0, 0)),
        (pool(1, 1), {}, (0, 0, 3)),
        (pool(1, 1), pool(1, 2), (0, 1, 0)),
        (pool(1, 1), pool(1, 0, 5, quorum=2), (1, 1, 1)),
        ({"x": b"1"}, {"x": b"2", "y": b"1", **pool(1)}, (3, 1, 0)),
        # into many documents, and all of what was before stands in another one
        (pool(*[1] * 20), pool(*[1] * 20, *[2] * 2000), (2000, 0, 0)),
    ],
)
def test_what_differs_is_counted_in_entities(
    before: dict[str, bytes], after: dict[str, bytes], counts: tuple[int, int, int]
) -> None:
    assert past.tally(before, after) == counts
    undo = past.undo(before, before, after)
    assert past.counted(undo, after) == counts
