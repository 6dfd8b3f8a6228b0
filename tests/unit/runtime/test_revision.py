"""Consumers see one whole revision after another, whatever order and gaps the entries come in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import permutations

import msgspec

from vipbus.bus import Entry
from vipbus.contracts import (
    ConfigDocument,
    Document,
    Entity,
    Head,
    RealServer,
    VirtualServer,
    VrrpSettings,
    encoded,
    pool_key_of,
    revision_digest,
)
from vipbus.runtime.revision import Revisions

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Entries = dict[str, Entry[ConfigDocument]]

VIRTUAL = VirtualServer(
    router="A", address="10.9.0.100", port=80, protocol="TCP", scheduler="rr", forwarding="DR"
)
REAL = tuple(
    RealServer(router="A", virtual_server=VIRTUAL.id, address=f"10.9.0.2{number}", port=80)
    for number in (1, 2, 3)
)
OTHER = msgspec.structs.replace(VIRTUAL, port=81)
SETTINGS = VrrpSettings(router="A")


def written(entities: tuple[Entity, ...], number: int, at: int = 100) -> Entries:
    bodies = encoded(entities)
    decode = msgspec.json.Decoder[Document](Document).decode
    head = Head(
        router="A",
        revision=number,
        entities=len(entities),
        digest=revision_digest(bodies),
        source="k.conf",
        accepted_at=NOW,
    )
    entries: Entries = {
        key: Entry(decode(body), at + place, body) for place, (key, body) in enumerate(bodies.items())
    }
    entries[head.key] = Entry(head, at + len(bodies), msgspec.json.encode(head))
    return entries


def test_a_whole_revision_is_taken_once() -> None:
    revisions = Revisions()
    assert revisions.update(written((VIRTUAL, *REAL), 1)) == {"a"}
    assert revisions.routers["a"].real_servers == REAL
    assert revisions.routers["a"].members == {VIRTUAL.id: REAL}
    assert revisions.numbers() == {"A": 1}
    assert revisions.update(written((VIRTUAL, *REAL), 1)) == set()


def test_half_a_revision_is_never_seen() -> None:
    """Documents arrive in any order, the head among them; only the whole is taken."""
    new = written((VIRTUAL, *REAL[:2], msgspec.structs.replace(OTHER, quorum=2)), 2, at=200)
    for order in permutations(new):
        revisions = Revisions()
        entries = written((VIRTUAL, *REAL, OTHER, SETTINGS), 1)
        revisions.update(entries)
        del entries[SETTINGS.key]
        for place, key in enumerate(order):
            entries[key] = new[key]
            changed = revisions.update(entries)
            whole = place == len(order) - 1
            assert changed == ({"a"} if whole else set())
            assert revisions.numbers() == {"A": 2 if whole else 1}


def test_a_missing_or_foreign_document_holds_the_revision_back() -> None:
    revisions = Revisions()
    entries = written((VIRTUAL, *REAL, OTHER), 1)
    key = f"{pool_key_of(OTHER)}.0"
    kept = entries.pop(key)
    assert revisions.update(entries) == set()
    entries[key] = Entry(kept.value, kept.revision, kept.body + b" ")
    assert revisions.update(entries) == set()
    entries[key] = kept
    assert revisions.update(entries) == {"a"}


def test_an_empty_bus_takes_nothing_away() -> None:
    revisions = Revisions()
    revisions.update(written((VIRTUAL, *REAL), 1))
    empty: Mapping[str, Entry[ConfigDocument]] = {}
    assert revisions.update(empty) == set()
    assert revisions.routers["a"].virtual_servers == (VIRTUAL,)


def test_one_router_can_be_asked_for() -> None:
    assert Revisions().update(written((VIRTUAL,), 1), router="B") == set()
    assert Revisions().update(written((VIRTUAL,), 1), router="A") == {"a"}
