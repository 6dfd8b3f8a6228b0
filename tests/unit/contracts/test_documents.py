"""A configuration as documents: a message a pool, whatever the order, and a change is a small one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import (
    CONFIG,
    Document,
    Entity,
    Pool,
    RealServer,
    UnreadPool,
    VirtualServer,
    VrrpSettings,
    encoded,
    entities_in,
    entity_count,
    pool_key,
    pool_key_of,
    pool_of,
)

SETTINGS = VrrpSettings(router="a")
WEB = VirtualServer(router="a", address="10.9.0.1", port=80, scheduler="rr", forwarding="DR")
DNS = VirtualServer(router="a", address="10.9.0.1", port=53, protocol="UDP", scheduler="rr", forwarding="DR")
decode = msgspec.json.Decoder[Document](Document).decode


def real(number: int, of: str = WEB.id, weight: int = 1) -> RealServer:
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return RealServer(router="a", virtual_server=of, address=address, port=80, weight=weight)


ENTITIES: tuple[Entity, ...] = (
    SETTINGS,
    WEB,
    *map(real, range(4)),
    DNS,
    real(2, DNS.id),
    # what proxies hand to is in no virtual server
    real(1, "pool-app"),
)


def read(bodies: dict[str, bytes]) -> list[Entity]:
    return [entity for body in bodies.values() for entity in entities_in(decode(body))]


@given(st.permutations(ENTITIES), st.integers(0, len(ENTITIES)))
def test_documents_hold_every_entity_whatever_the_order(entities: Sequence[Entity], count: int) -> None:
    some = entities[:count]
    bodies = encoded(some)
    assert sorted(read(bodies), key=lambda each: each.key) == sorted(some, key=lambda each: each.key)
    assert entity_count(bodies) == len(some)
    assert bodies == encoded(reversed(some))
    for key, body in bodies.items():
        document = decode(body)
        assert document.key == key
        assert pool_of(key) == (
            pool_key(document.router, document.pool) if isinstance(document, Pool) else None
        )
        for each in entities_in(document):
            assert pool_key_of(each) == pool_of(key)


def test_a_virtual_server_and_its_real_servers_are_one_document() -> None:
    assert set(encoded(ENTITIES)) == {
        "a.vrrp-settings",
        "a.pool.10-9-0-1_80_tcp.0",
        "a.pool.10-9-0-1_53_udp.0",
        "a.pool.pool-app.0",
    }


def test_a_member_does_not_say_again_where_it_stands() -> None:
    tricky = '{"kind":"real-server","router":"a","virtual_server":"10-9-0-1_80_tcp",'
    named = msgspec.structs.replace(real(2, weight=7), origin=tricky)
    web = msgspec.structs.replace(WEB, template=real(3))
    (body,) = encoded((web, real(1), named)).values()
    assert body.endswith(
        b'"real_servers":[{"address":"10.0.0.1","port":80},{"address":"10.0.0.2","port":80,"weight":7,"origin":'
        + msgspec.json.encode(tricky)
        + b"}]}"
    )
    assert entities_in(decode(body)) == (web, real(1), named)
    outline = msgspec.json.decode(body, type=UnreadPool)
    assert outline.members() == (real(1), named)


def test_a_member_may_say_where_it_stands_and_nothing_else() -> None:
    whole = Pool(router="a", pool=WEB.id, virtual_server=WEB, real_servers=(real(1),))
    body = msgspec.json.encode(whole)
    assert WEB.id.encode() in body.partition(b"real_servers")[2]
    assert decode(body) == whole
    other = body.replace(b'"virtual_server":"10-9-0-1_80_tcp"', b'"virtual_server":"10-9-0-1_81_tcp"')
    assert other != body
    with pytest.raises(msgspec.ValidationError, match="10-9-0-1_81_tcp stands in pool 10-9-0-1_80_tcp of a"):
        decode(other)
    assert msgspec.json.decode(other, type=UnreadPool).members() == ()


def test_of_two_at_one_place_the_later_one_is_meant() -> None:
    assert encoded((WEB, real(1), real(1, weight=7))) == encoded((WEB, real(1, weight=7)))


def test_a_large_pool_is_documents_of_which_one_changes() -> None:
    """Ten thousand are more than a bus takes in one message."""
    many: list[Entity] = [WEB, *map(real, range(10_000))]
    bodies = encoded(many)
    assert max(map(len, bodies.values())) <= 65_536
    assert len(bodies) > 10
    random.Random(7).shuffle(many)
    assert encoded(many) == bodies
    assert entity_count(bodies) == len(many)
    virtual = [key for key, body in bodies.items() if getattr(decode(body), "virtual_server", None)]
    assert virtual == ["a.pool.10-9-0-1_80_tcp.0"]
    for changed in (
        [real(77, weight=9) if each == real(77) else each for each in many],
        [each for each in many if each != real(77)],
        [*many, real(10_001)],
    ):
        other = encoded(changed)
        differ = {key for key in bodies.keys() | other.keys() if bodies.get(key) != other.get(key)}
        assert len(differ) == 1


def test_the_texts_that_all_of_a_pool_share_are_there_once() -> None:
    (pool,) = (
        each
        for each in map(decode, encoded(ENTITIES).values())
        if isinstance(each, Pool) and each.virtual_server == WEB
    )
    assert {id(each.virtual_server) for each in pool.real_servers} == {id(pool.pool)}
    assert {id(each.router) for each in pool.real_servers} == {id(pool.router)}


@pytest.mark.parametrize(
    "pool",
    [
        {"router": "b", "pool": WEB.id, "virtual_server": WEB},
        {"router": "a", "pool": DNS.id, "virtual_server": WEB},
        {"router": "a", "pool": DNS.id, "real_servers": [real(1)]},
        {"router": "b", "pool": WEB.id, "real_servers": [real(1)]},
        {"router": "a", "pool": ""},
        {"router": "a", "pool": WEB.id, "part": -1},
        {"router": "a", "pool": WEB.id, "real_servers": [SETTINGS]},
        {"router": "a", "pool": WEB.id, "real_servers": None},
    ],
)
def test_a_pool_that_is_at_odds_with_itself_is_not_readable(pool: dict[str, object]) -> None:
    body = msgspec.json.encode({"kind": "pool", **pool})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=CONFIG.document)
