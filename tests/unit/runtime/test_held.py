"""What is held after any number of changes is what a fresh look would see."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vipbus.bus import Entry
from vipbus.contracts import (
    ConfigDocument,
    Pool,
    RealServer,
    VirtualServer,
    VrrpSettings,
    moved_digest,
    revision_digest,
)
from vipbus.runtime.held import Held

VIRTUAL = VirtualServer(router="a", address="10.9.0.1", port=80, scheduler="rr", forwarding="DR")
KEYS = (
    "a.pool.x.0",
    "a.pool.x.1",
    "a.pool.y.0",
    "a.vrrp-settings",
    "a.head",
    "b.x",
    "ab.x",
)


def value(kind: int, number: int) -> ConfigDocument:
    if kind:
        real = RealServer(router="a", virtual_server=VIRTUAL.id, address="10.9.0.2", port=80, weight=number)
        return Pool(router="a", pool=VIRTUAL.id, virtual_server=VIRTUAL, real_servers=(real,))
    return VrrpSettings(router="a", startup_delay=float(number))


ENTRIES = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.integers(0, 1), st.integers(0, 2)))


@given(st.lists(ENTRIES, max_size=6))
def test_what_is_held_is_what_is_there(pictures: list[dict[str, tuple[int, int]]]) -> None:
    held, entries = Held("a"), dict[str, Entry[ConfigDocument]]()
    for picture in pictures:
        for key in [key for key in entries if key not in picture]:
            del entries[key]
        for key, (kind, number) in picture.items():
            new = value(kind, number)
            if key not in entries or entries[key].value != new:
                entries[key] = Entry(new, 1, msgspec.json.encode(new))
        held.move(entries)
        own = {key: entries[key] for key in sorted(entries) if key.startswith("a.") and key != "a.head"}
        assert held.digest == revision_digest({key: entry.body for key, entry in own.items()})
        assert held.documents == tuple(entry.value for entry in own.values())


BODIES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from((b"1", b"2", b"")))


@given(BODIES, BODIES)
def test_a_digest_that_is_moved_is_the_one_that_is_made(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    assert moved_digest(revision_digest(before), before, after) == revision_digest(after)
