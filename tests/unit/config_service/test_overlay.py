"""What is desired when somebody else than the operator knows of real servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from config_service.overlay import Bodies, Overlaid, is_overlaid
from vipbus.bus import Entry
from vipbus.contracts import (
    ConfigDocument,
    Document,
    Entity,
    RealServer,
    VirtualServer,
    encoded,
    pool_key_of,
)

WEB = VirtualServer(router="r1", address="10.9.0.1", port=80, scheduler="rr", forwarding="NAT")
DNS = VirtualServer(router="r1", address="10.9.0.2", port=53, scheduler="rr", forwarding="NAT")
FIRST = RealServer(router="r1", virtual_server=WEB.id, address="10.9.1.21", port=80)
MEMBER = RealServer(router="r1", virtual_server=WEB.id, address="172.18.0.3", port=80, origin="docker")
OTHER = RealServer(router="r1", virtual_server=DNS.id, address="172.18.0.4", port=53, origin="docker")


def bodies(*entities: Entity) -> Bodies:
    return encoded(entities)


def held(*entities: Entity) -> dict[str, Entry[ConfigDocument]]:
    decode = msgspec.json.Decoder[Document](Document).decode
    return {key: Entry(decode(body), 1, body) for key, body in bodies(*entities).items()}


def member(entities: Sequence[Entity]) -> Iterable[Entity]:
    return (*entities, MEMBER)


def test_an_overlay_adds_to_every_base() -> None:
    overlaid = Overlaid()
    base = bodies(WEB, FIRST, DNS)
    assert overlaid.over(base, {}) is base
    overlaid.lay(member)
    desired = overlaid.over(base, {})
    assert desired == bodies(WEB, FIRST, MEMBER, DNS)
    # what stays as it is stays the same bytes, whoever encoded it
    assert [key for key, body in desired.items() if base.get(key) is not body] == [f"{pool_key_of(WEB)}.0"]
    assert overlaid.over(bodies(WEB), {}) == bodies(WEB, MEMBER)


def test_an_overlay_may_change_what_the_base_says() -> None:
    def heavier(entities: Sequence[Entity]) -> Iterable[Entity]:
        for entity in entities:
            yield msgspec.structs.replace(entity, weight=5) if isinstance(entity, RealServer) else entity

    overlaid = Overlaid()
    overlaid.lay(heavier)
    assert overlaid.over(bodies(WEB, FIRST), {}) == bodies(WEB, msgspec.structs.replace(FIRST, weight=5))


@pytest.mark.parametrize(
    ("base", "present", "desired"),
    [
        ((WEB, FIRST), (WEB, FIRST, MEMBER), (WEB, FIRST, MEMBER)),
        # the pool is not configured any more
        ((DNS,), (WEB, FIRST, MEMBER), (DNS,)),
        ((WEB,), (WEB, DNS, MEMBER, OTHER), (WEB, MEMBER)),
        # the configuration says it itself now
        ((WEB, msgspec.structs.replace(MEMBER, origin="")), (WEB, MEMBER), None),
        ((WEB, FIRST), (), (WEB, FIRST)),
    ],
)
def test_until_an_awaited_overlay_comes_the_last_one_stays(
    base: tuple[Entity, ...], present: tuple[Entity, ...], desired: tuple[Entity, ...] | None
) -> None:
    overlaid = Overlaid(awaited=True)
    expected = bodies(*(base if desired is None else desired))
    assert overlaid.over(bodies(*base), held(*present)) == expected
    overlaid.lay(None)
    assert overlaid.over(bodies(*base), held(*present)) == bodies(*base)


def test_whose_a_document_is() -> None:
    assert [is_overlaid(each) for each in (WEB, FIRST, MEMBER)] == [False, False, True]
