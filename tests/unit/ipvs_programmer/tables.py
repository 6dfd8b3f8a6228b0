"""Short ways to write tables, and strategies that make them up."""

from __future__ import annotations

import socket

from hypothesis import strategies as st

from ipvs_programmer import codec
from ipvs_programmer import constants as c
from ipvs_programmer.octets import attribute
from ipvs_programmer.table import (
    Checksum,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    MarkKey,
    Pool,
    Service,
    ServiceKey,
    Tunnel,
    TunnelKind,
    full_mask,
)


def key(address: str = "10.9.0.1", port: int = 80, protocol: int = socket.IPPROTO_TCP) -> ServiceKey:
    return ServiceKey(protocol, address, port)


def service(of: Key | None = None, scheduler: str = "rr", persistence: int | None = None) -> Service:
    of = of or key()
    return Service(
        key=of,
        scheduler=scheduler,
        flags=0 if persistence is None else c.IP_VS_SVC_F_PERSISTENT,
        timeout=persistence or 0,
        netmask=full_mask(of.family),
    )


def destination(
    address: str = "10.9.0.21",
    port: int = 80,
    *,
    weight: int = 1,
    forwarding: Forwarding = Forwarding.NAT,
    upper: int = 0,
    lower: int = 0,
    tunnel: Tunnel | None = None,
) -> Destination:
    return Destination(
        key=DestinationKey(address, port),
        forwarding=forwarding,
        weight=weight,
        upper_threshold=upper,
        lower_threshold=lower,
        tunnel=tunnel,
    )


def pool(of: Service | None = None, *destinations: Destination) -> Pool:
    return Pool(of or service(), {each.key: each for each in destinations})


def table(*pools: Pool) -> dict[Key, Pool]:
    return {each.service.key: each for each in pools}


def healthy(held: Pool | None) -> bool:
    """Whether there is somebody to send a new connection to."""
    return held is not None and any(each.weight > 0 for each in held.destinations.values())


# ---- answers of the kernel


def with_service(*more: bytes) -> memoryview:
    """Give a message about a service with more attributes than ours."""
    packed = codec.pack_service(service())
    return memoryview(attribute(c.IPVS_CMD_ATTR_SERVICE, packed[4:] + b"".join(more)))


def with_destination(*more: bytes) -> memoryview:
    """Give a message about a destination with its connections and more attributes than ours."""
    counts = b"".join(
        attribute(kind, number.to_bytes(4, "little"))
        for kind, number in (
            (c.IPVS_DEST_ATTR_ACTIVE_CONNS, 1),
            (c.IPVS_DEST_ATTR_INACT_CONNS, 2),
            (c.IPVS_DEST_ATTR_PERSIST_CONNS, 3),
        )
    )
    packed = codec.pack_destination(destination())
    return memoryview(attribute(c.IPVS_CMD_ATTR_DEST, packed[4:] + counts + b"".join(more)))


# ---- strategies

ports = st.integers(0, 65535)
addresses_v4 = st.ip_addresses(v=4).map(str)
addresses_v6 = st.binary(min_size=16, max_size=16).map(lambda raw: socket.inet_ntop(socket.AF_INET6, raw))
addresses = addresses_v4 | addresses_v6
service_keys = st.builds(ServiceKey, st.sampled_from([6, 17, 132]), addresses, ports)
mark_keys = st.builds(
    MarkKey,
    st.sampled_from([socket.AF_INET.value, socket.AF_INET6.value]),
    st.integers(1, 2**32 - 1),
)
service_keys_and_marks = service_keys | mark_keys
names = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=15)


@st.composite
def services(draw: st.DrawFn) -> Service:
    of = draw(service_keys_and_marks)
    v4 = of.family == socket.AF_INET
    return Service(
        key=of,
        scheduler=draw(names),
        flags=draw(st.integers(0, 2**32 - 1)) & ~c.IP_VS_SVC_F_HASHED,
        timeout=draw(st.integers(0, 2**32 - 1)),
        netmask=draw(st.integers(0, 2**32 - 1) if v4 else st.integers(0, 128)),
        engine=draw(st.just("") | names),
    )


# beyond what the kernel knows now, too: such a one is kept as it is
tunnels = (
    st.tuples(st.integers(0, 255), ports, st.integers(0, 65535))
    .filter(any)
    .map(lambda each: Tunnel(TunnelKind(each[0]), each[1], Checksum(each[2])))
)


def destination_keys(at: st.SearchStrategy[str] = addresses) -> st.SearchStrategy[DestinationKey]:
    return st.builds(DestinationKey, at, ports)


def destinations(at: st.SearchStrategy[str] = addresses) -> st.SearchStrategy[Destination]:
    return st.builds(
        Destination,
        key=destination_keys(at),
        forwarding=st.integers(0, 7).map(Forwarding),
        weight=st.integers(0, 2**31 - 1),
        upper_threshold=st.integers(0, 2**32 - 1),
        lower_threshold=st.integers(0, 2**32 - 1),
        tunnel=st.none() | tunnels,
    )


# a small world, so that two tables drawn from it have much in common

SMALL_KEYS: list[Key] = [key(), key(port=443), key("fd00::1"), key(protocol=17), MarkKey(2, 7)]


@st.composite
def small_tables(draw: st.DrawFn) -> dict[Key, Pool]:
    chosen: dict[Key, Pool] = {}
    for of in draw(st.lists(st.sampled_from(SMALL_KEYS), unique=True)):
        prefix = "fd00::2" if of.family == socket.AF_INET6 else "10.9.0.2"
        picked = draw(st.lists(st.integers(0, 4), unique=True))
        chosen[of] = pool(
            service(
                of,
                draw(st.sampled_from(["rr", "wrr", "sh"])),
                draw(st.sampled_from([None, 50, 300])),
            ),
            *(
                destination(
                    f"{prefix}{number}",
                    weight=draw(st.integers(0, 3)),
                    forwarding=draw(st.sampled_from([Forwarding.NAT, Forwarding.DR, Forwarding.TUN])),
                )
                for number in picked
            ),
        )
    return chosen
