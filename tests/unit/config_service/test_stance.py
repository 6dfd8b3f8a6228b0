"""Whose word holds: the file's, an operator's, an overlay's; and what a kill between two writes leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_service import past
from config_service.revise import Desired, Present, Write, compare, next_revision
from config_service.stance import Stance
from vipbus.bus import Entry
from vipbus.contracts import ConfigDocument, Head, Pool, VirtualServer, encoded, revision_digest
from vipbus.contracts.revisions import RevisionRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOLS = tuple(
    VirtualServer(router="r1", address=f"10.9.0.{number}", port=80, scheduler="rr", forwarding="NAT")
    for number in range(1, 6)
)
Bodies = Mapping[str, bytes]


def bodies(*weights: int) -> dict[str, bytes]:
    """Make pools, one a number, that differ by it; 0: it is not there."""
    return encoded(
        msgspec.structs.replace(pool, quorum=weight)
        for pool, weight in zip(POOLS, weights, strict=False)
        if weight
    )


def said(what: Bodies, how: str = "file") -> Desired:
    digest = revision_digest(what)
    found = Desired("r1", "x.conf", dict(what), digest, "test", how=how)  # type: ignore[arg-type]  # one of them
    return msgspec.structs.replace(found, file=digest) if how == "file" else found


class Killed(Exception):  # noqa: N818  # it is what happens, not what went wrong
    """The process ends here."""


class Store:
    """What outlives a process: the keys, the head, the records."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[int, bytes]] = {}
        self.head: Head | None = None
        self.records: dict[int, tuple[RevisionRecord, past.Undo]] = {}
        self.left: int | None = None
        """So many writes until the process is killed; None: it is not."""
        self._sequence = 0

    def tick(self) -> int:
        if self.left is not None:
            if not self.left:
                raise Killed
            self.left -= 1
        self._sequence += 1
        return self._sequence

    def write(self, write: Write) -> None:
        sequence = self.tick()
        assert write.last == self.keys.get(write.key, (0, b""))[0]
        if write.body is None:
            del self.keys[write.key]
        else:
            self.keys[write.key] = sequence, write.body

    @property
    def bodies(self) -> dict[str, bytes]:
        return {key: body for key, (_, body) in self.keys.items()}

    @property
    def entries(self) -> dict[str, Entry[ConfigDocument]]:
        decode = msgspec.json.Decoder(Pool).decode
        return {key: Entry(decode(body), sequence, body) for key, (sequence, body) in self.keys.items()}

    def is_whole(self) -> bool:
        return self.head is not None and past.is_whole(self.bodies, self.head.digest)


class Process:
    """What `Holding` and `Keeper` do, in the same order, on such a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stance = Stance()
        begun = store.records.get(store.head.revision + 1) if store.head is not None else None
        self._begun = begun[1] if begun is not None else None

    def whole(self) -> Bodies | None:
        head = self.store.head
        return past.whole(head.digest, self.store.bodies, self._begun) if head is not None else None

    def settle(self) -> None:
        store, head = self.store, self.store.head
        record = store.records.get(head.base) if head is not None else None
        desired = self.stance.desired(head, record[0] if record else None, store.entries, self.whole)
        if desired is None:
            return
        present = Present(head, store.entries, whole=self.whole())
        changes = compare(desired.bodies, present.held)
        new = next_revision(desired, present, changes, NOW)
        if new is not None:
            store.tick()
            store.records[new.head.revision] = new.record, new.undo
        for write in changes.writes:
            store.write(write)
        if new is not None:
            store.tick()
            store.head = new.head
        elif self._begun is not None and head is not None:
            store.tick()
            del store.records[head.revision + 1]
        self._begun = None
        self.stance.settled()


def process(store: Store, file: Bodies) -> Process:
    found = Process(store)
    found.stance.file(said(file))
    return found


WEIGHTS = st.tuples(*[st.integers(0, 3)] * len(POOLS)).map(lambda weights: bodies(*weights)).filter(bool)


@settings(max_examples=200)
@given(
    WEIGHTS,
    st.lists(st.tuples(WEIGHTS, st.none() | WEIGHTS, st.lists(st.integers(0, 8), max_size=3)), max_size=4),
)
def test_a_kill_between_any_two_writes_leaves_a_revision_whole(
    file: Bodies, applied: list[tuple[Bodies, Bodies | None, list[int]]]
) -> None:
    """An apply is killed, then whoever comes after it, with the file as it was or with a new one."""
    store = Store()
    process(store, file).settle()
    for what, new_file, kills in applied:
        before, one = store.bodies, process(store, file)
        one.stance.desired(store.head, None, store.entries, one.whole)
        one.stance.say(said(what, "apply"))
        file = file if new_file is None else new_file
        for left in kills:
            store.left = left
            with contextlib.suppress(Killed):
                one.settle()
            # whoever comes next can tell what the head names
            assert Process(store).whole() is not None
            one = process(store, file)
        store.left = None
        one.settle()
        if kills:
            process(store, file).settle()
        assert store.is_whole()
        assert store.bodies in (before, what, file)
        # what was begun and taken back is no revision
        assert store.head is not None
        assert max(store.records) == store.head.revision
    at_every_revision_the_past_is_as_it_was(store)


def at_every_revision_the_past_is_as_it_was(store: Store) -> None:
    assert store.head is not None
    records = {number: record for number, (record, _) in store.records.items()}
    for then, record in records.items():
        at: Bodies = store.bodies
        for number in past.way_back(records, store.head.revision, then):
            at = past.wound_back(at, store.records[number][1])
        assert past.is_whole(at, record.note.digest)


FIRST, SECOND, THIRD = bodies(1, 1), bodies(2, 1), bodies(3, 0, 1)


def test_the_file_does_not_undo_what_an_operator_did() -> None:
    store = Store()
    one = process(store, FIRST)
    one.settle()
    one.stance.say(said(SECOND, "apply"))
    one.settle()
    assert store.head is not None
    assert (store.head.revision, store.head.how) == (2, "apply")
    assert one.stance.differs
    # a reload, and a new process, that read the same file
    one.stance.file(said(FIRST))
    one.settle()
    other = process(store, FIRST)
    other.settle()
    assert (store.head.revision, store.bodies) == (2, SECOND)
    assert other.stance.differs


def test_a_file_that_says_something_new_wins_whole_and_says_over_what() -> None:
    store = Store()
    one = process(store, FIRST)
    one.settle()
    one.stance.say(msgspec.structs.replace(said(SECOND, "apply"), by="root@a"))
    one.settle()
    two = process(store, THIRD)
    two.stance.desired(
        store.head, store.records[2][0], store.entries, two.whole
    )  # as `settle` does, before it is said
    assert two.stance.over == "revision 2 (apply by root@a)"
    two.settle()
    assert store.bodies == THIRD
    assert not two.stance.differs
    # the file of before is new again
    process(store, FIRST).settle()
    assert store.bodies == FIRST


def test_an_apply_of_what_the_file_says_ends_the_difference() -> None:
    store = Store()
    one = process(store, FIRST)
    one.settle()
    for what in (SECOND, FIRST):
        one.stance.say(said(what, "apply"))
        one.settle()
    assert not one.stance.differs
    assert store.head is not None
    assert store.head.file == revision_digest(FIRST)


def test_without_a_readable_file_what_runs_goes_on_and_can_be_changed() -> None:
    store = Store()
    process(store, FIRST).settle()
    one = Process(store)
    one.settle()
    assert one.stance.base is not None
    assert one.stance.base.bodies == FIRST
    one.stance.say(said(SECOND, "server"))
    one.settle()
    assert store.bodies == SECOND


def test_a_file_is_taken_where_nobody_can_tell_any_more_what_ran() -> None:
    store = Store()
    one = process(store, FIRST)
    one.settle()
    one.stance.say(said(SECOND, "apply"))
    one.settle()
    # somebody else's write, while nobody looked
    ((key, body),) = bodies(9).items()
    store.keys[key] = store.keys[key][0], body
    two = process(store, FIRST)
    two.settle()
    assert two.stance.lost
    assert store.bodies == FIRST


@pytest.mark.parametrize("file", [FIRST, SECOND])
def test_an_empty_bus_takes_the_file(file: Bodies) -> None:
    store = Store()
    Process(store).settle()
    assert store.head is None
    process(store, file).settle()
    assert store.bodies == file
    assert store.head is not None
    assert (store.head.revision, store.head.how, store.head.file) == (1, "file", revision_digest(file))
