"""How a revision stands in the bucket ``config``: a document a pool, one any other entity, the head.

A virtual server and its real servers are one message: tens of thousands of real servers are some thousand
messages to write, to keep and to read, and one that changes is one document written anew. A pool too large
for that is several documents; which real server stands in which follows from its address alone, so that one
of ten thousand is a small document, too.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import ClassVar, Final

import msgspec

from vipbus.contracts.config import Entity, PlainEntity, RealServer, VirtualServer
from vipbus.contracts.limits import UNREADABLE, Counter, Name, Time
from vipbus.contracts.revisions import How
from vipbus.contracts.tokens import name_token

_DIGEST_OCTETS: Final = 16
_LARGEST: Final = 65_536
"""Octets of a pool that is one document; a bus takes 1 MiB, and one change should not write much more than
itself."""
_place = attrgetter("address", "port")


def _put_into(pool: str, router: str, real_servers: Iterable[RealServer]) -> None:
    """Say of real servers in a pool's document whose they are: they need not say it themselves.

    Raises:
        ValueError: one says otherwise.
    """
    put = msgspec.structs.force_setattr
    for each in real_servers:
        if each.virtual_server not in ("", pool) or each.router not in ("", router):
            raise ValueError(f"a real server of {each.virtual_server} stands in pool {pool} of {router}")
        # one text for all of them: tens of thousands of copies are megabytes
        put(each, "virtual_server", pool)
        put(each, "router", router)


class Pool(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind", tag="pool"
):
    """Real servers, with the virtual server that they serve or without one, where they serve proxies."""

    router: Name
    pool: Name
    """`RealServer.virtual_server` of each."""
    part: Counter = 0
    """Of a pool that is several documents; the virtual server stands in the first."""
    virtual_server: VirtualServer | None = None
    real_servers: tuple[RealServer, ...] = ()

    def __post_init__(self) -> None:
        router, pool, virtual = self.router, self.pool, self.virtual_server
        if virtual is not None and (virtual.id != pool or virtual.router != router):
            raise ValueError(f"{virtual.id} of {virtual.router} stands in pool {pool} of {router}")
        _put_into(pool, router, self.real_servers)

    keys: ClassVar[str] = "<router>.pool.<pool>.<part>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this document stands in the bucket ``config``."""
        return f"{pool_key(self.router, self.pool)}.{self.part}"


class UnreadPool(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="pool"):
    """A pool for whoever needs few of all real servers, or none: they are decoded when asked for."""

    router: Name
    pool: Name
    part: Counter = 0
    real_servers: msgspec.Raw = msgspec.Raw(b"[]")

    def members(self) -> tuple[RealServer, ...]:
        """Decode the real servers; those that are not readable are none."""
        try:
            found = _members(self.real_servers)
            _put_into(self.pool, self.router, found)
        except (*UNREADABLE, ValueError):
            return ()
        return found


_members: Final = msgspec.json.Decoder(tuple[RealServer, ...]).decode


class Head(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="head"):
    """Names a router's revision that is whole: holders of documents with this digest hold all of it."""

    router: Name
    revision: Counter
    """One accepted configuration; counts up from 1."""
    entities: Counter
    """In all documents."""
    digest: str
    """Of all documents (`revision_digest`)."""
    source: str
    """The file that was read, as it was named."""
    accepted_at: Time
    cause: str = ""
    by: str = ""
    """Who said it: ``root@lb-a``."""
    how: How = "file"
    why: str = ""
    file: str = ""
    """Digest of the documents that the router's own file said when it was last taken: as long as it says the
    same, what was said later stays. Empty: there was none."""
    base: Counter = 0
    """The revision in which an operator had the last word; 0 or its own: this one."""

    keys: ClassVar[str] = "<router>.head"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where the head stands in the bucket ``config``."""
        return f"{name_token(self.router)}.head"


Document = PlainEntity | Pool
"""What a revision consists of in the bucket."""
ConfigDocument = Document | Head
ConfigOutline = PlainEntity | UnreadPool | Head
"""The same with pools that are not read."""


# ---- entities to documents, and back


def pool_key(router: str, pool: str) -> str:
    """Name a pool: the key of its documents without their parts."""
    return f"{name_token(router)}.pool.{pool}"


def pool_of(key: str) -> str | None:
    """Find the pool (`pool_key`) of which a document's key is a part; None: it is no pool's."""
    pool, _, _ = key.rpartition(".")
    return pool if ".pool." in pool else None


def pool_key_of(entity: Entity) -> str | None:
    """Find the pool (`pool_key`) in which an entity stands; None: it is a document of its own."""
    if isinstance(entity, RealServer):
        return pool_key(entity.router, entity.virtual_server)
    return pool_key(entity.router, entity.id) if isinstance(entity, VirtualServer) else None


def encoded(entities: Iterable[Entity]) -> dict[str, bytes]:
    """Encode entities as documents by key; a pool's must all be among them. Their order means nothing."""
    encode = msgspec.json.Encoder().encode
    found: dict[str, bytes] = {}
    virtual: dict[tuple[str, str], VirtualServer] = {}
    members: dict[tuple[str, str], list[RealServer]] = {}
    for entity in entities:
        if isinstance(entity, RealServer):
            members.setdefault((entity.router, entity.virtual_server), []).append(entity)
        elif isinstance(entity, VirtualServer):
            virtual[entity.router, entity.id] = entity
        else:
            found[entity.key] = encode(entity)
    for router, pool in virtual.keys() | members.keys():
        # of two at one place the later one is meant
        at_place = {_place(each): each for each in members.get((router, pool), ())}
        reals = tuple(at_place[place] for place in sorted(at_place))
        whole = Pool(router=router, pool=pool, virtual_server=virtual.get((router, pool)), real_servers=reals)
        key, body = whole.key, _encoded(whole)
        if len(body) <= _LARGEST:
            found[key] = body
        else:
            found.update((part.key, _encoded(part)) for part in _parts(whole, len(body)))
    return found


def _encoded(pool: Pool) -> bytes:
    """Encode a pool; its real servers do not say again which pool, which router and what they are.

    That was more than half of the largest configuration, on the bus, in every store and in every reader.
    """
    own = b'{"kind":"real-server","router":%b,"virtual_server":%b,' % (
        msgspec.json.encode(pool.router),
        msgspec.json.encode(pool.pool),
    )
    # in a string every quote has a backslash before it, so this is found nowhere else
    before, begin, real_servers = msgspec.json.encode(pool).partition(b'"real_servers":[')
    return before + begin + real_servers.replace(own, b"{")


def _parts(whole: Pool, octets: int) -> Iterator[Pool]:
    """Part a large pool. With a number of parts that is a power of two it is rarely another one."""
    count = 1 << (2 * octets // _LARGEST).bit_length()
    parts: list[list[RealServer]] = [[] for _ in range(count)]
    for each in whole.real_servers:
        parts[zlib.crc32(f"{each.address} {each.port}".encode()) % count].append(each)
    for number, reals in enumerate(parts):
        if reals or number == 0:
            virtual = whole.virtual_server if number == 0 else None
            yield Pool(
                router=whole.router,
                pool=whole.pool,
                part=number,
                virtual_server=virtual,
                real_servers=tuple(reals),
            )


def entities_in(document: Document) -> tuple[Entity, ...]:
    """Give the entities of a document."""
    if not isinstance(document, Pool):
        return (document,)
    virtual = document.virtual_server
    return document.real_servers if virtual is None else (virtual, *document.real_servers)


class PoolOutline(msgspec.Struct, frozen=True, tag_field="kind", tag="pool"):
    """A pool's document of which the real servers are only counted."""

    virtual_server: VirtualServer | None = None
    real_servers: tuple[msgspec.Raw, ...] = ()


outline: Final = msgspec.json.Decoder(PoolOutline).decode


def entity_count(bodies: Mapping[str, bytes]) -> int:
    """Count the entities of encoded documents."""
    pools = [outline(body) for key, body in bodies.items() if pool_of(key) is not None]
    members = sum(len(each.real_servers) + (each.virtual_server is not None) for each in pools)
    return len(bodies) - len(pools) + members


# ---- digests


def revision_digest(bodies: Mapping[str, bytes]) -> str:
    """Digest a revision's encoded documents by key, whatever order they are held in: 32 hexadecimal digits.

    Over the bodies as they crossed the bus, so that a reader that does not know a newer field agrees. It is
    the sum of a digest of each (`moved_digest`): of thousands, one that changes is one to look at.
    """
    return _written(sum(_digest(key, body) for key, body in bodies.items()))


def moved_digest(digest: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Digest documents where another set is known, and its digest: what is the same in both costs little."""
    total = int(digest, 16)
    get = before.get
    common = 0
    for key, body in after.items():
        was = get(key)
        if was is None:
            total += _digest(key, body)
            continue
        common += 1
        if was is not body and was != body:
            total += _digest(key, body) - _digest(key, was)
    if common < len(before):
        total -= sum(_digest(key, was) for key, was in before.items() if key not in after)
    return _written(total)


def _digest(key: str, body: bytes) -> int:
    found = hashlib.blake2b(b"%b\0%b" % (key.encode(), body), digest_size=_DIGEST_OCTETS)
    return int.from_bytes(found.digest())


def _written(total: int) -> str:
    return f"{total % (1 << 8 * _DIGEST_OCTETS):0{2 * _DIGEST_OCTETS}x}"
