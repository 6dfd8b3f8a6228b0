"""Destinations that are laid out as an earlier one: read at once, and as a walk over them reads them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import constants as c
from ipvs_programmer.codec import destination as codec
from ipvs_programmer.codec.form import Form
from ipvs_programmer.octets import MalformedError, attribute
from ipvs_programmer.table import Destination

Attributes = dict[int, bytes]


def laid_out(
    address: str = "10.0.0.1",
    *,
    port: int = 80,
    family: int = socket.AF_INET,
    method: int = 0,
    weight: int = 1,
    upper: int = 0,
    lower: int = 0,
    tunnel: tuple[int, int, int] = (0, 0, 0),
) -> Attributes:
    """Give the attributes in the kernel's order (ip_vs_genl_fill_dest), what is not read among them."""
    kind, tunnel_port, flags = tunnel
    return {
        c.IPVS_DEST_ATTR_ADDR: socket.inet_pton(family, address).ljust(16, b"\0"),
        c.IPVS_DEST_ATTR_PORT: struct.pack("!H", port),
        c.IPVS_DEST_ATTR_FWD_METHOD: struct.pack("=I", method),
        c.IPVS_DEST_ATTR_WEIGHT: struct.pack("=i", weight),
        c.IPVS_DEST_ATTR_TUN_TYPE: struct.pack("=B", kind),
        c.IPVS_DEST_ATTR_TUN_PORT: struct.pack("!H", tunnel_port),
        c.IPVS_DEST_ATTR_TUN_FLAGS: struct.pack("=H", flags),
        c.IPVS_DEST_ATTR_U_THRESH: struct.pack("=I", upper),
        c.IPVS_DEST_ATTR_L_THRESH: struct.pack("=I", lower),
        c.IPVS_DEST_ATTR_ACTIVE_CONNS: struct.pack("=I", 7),
        c.IPVS_DEST_ATTR_ADDR_FAMILY: struct.pack("=H", family),
        c.IPVS_DEST_ATTR_STATS: bytes(64),
    }


def body(attributes: Attributes) -> memoryview:
    inside = b"".join(attribute(kind, value) for kind, value in attributes.items())
    return memoryview(attribute(c.IPVS_CMD_ATTR_DEST, inside))


def walked(message: memoryview) -> Destination:
    """Read a message without any that came before it."""
    codec._forms.clear()
    return codec.unpack_destination(message, socket.AF_INET)


@pytest.fixture
def learned() -> Iterator[None]:
    walked(body(laid_out()))
    assert len(codec._forms) == 1
    yield
    codec._forms.clear()


_numbers = st.integers(0, 2**32 - 1)


@given(
    where=st.one_of(
        st.tuples(st.ip_addresses(v=4).map(str), st.just(socket.AF_INET)),
        st.tuples(st.ip_addresses(v=6).map(str), st.just(socket.AF_INET6)),
    ),
    port=st.integers(0, 65535),
    method=st.integers(0, 4),
    weight=st.integers(-(2**31), 2**31 - 1),
    upper=_numbers,
    lower=_numbers,
    tunnel=st.sampled_from([(0, 0, 0), (1, 6080, 0), (0, 0, 1), (2, 0, 1)]),
)
def test_it_is_read_as_a_walk_reads_it(
    *,
    where: tuple[str, int],
    port: int,
    method: int,
    weight: int,
    upper: int,
    lower: int,
    tunnel: tuple[int, int, int],
) -> None:
    address, family = where
    message = body(
        laid_out(
            address,
            port=port,
            family=family,
            method=method,
            weight=weight,
            upper=upper,
            lower=lower,
            tunnel=tunnel,
        )
    )
    expected = walked(message)
    walked(body(laid_out()))
    assert len(codec._forms) == 1
    assert codec.unpack_destination(message, socket.AF_INET) == expected


@pytest.mark.usefixtures("learned")
def test_what_is_laid_out_otherwise_is_walked_over() -> None:
    attributes = laid_out("10.0.0.2", weight=5)
    turned = body(dict(reversed(attributes.items())))
    longer = body({**attributes, c.IPVS_DEST_ATTR_STATS64: bytes(8)})
    for message in (turned, longer):
        found = codec.unpack_destination(message, socket.AF_INET)
        assert (found.key.address, found.weight) == ("10.0.0.2", 5)


def test_of_an_older_kernel_nothing_is_learned_and_it_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codec._forms.clear()
    tried: list[int] = []

    class Tried(Form):
        def __init__(self, body: memoryview, nest: int, fields: Sequence[tuple[int, str]]) -> None:
            tried.append(len(body))
            super().__init__(body, nest, fields)

    monkeypatch.setattr(codec, "Form", Tried)
    attributes = laid_out("10.0.0.2", weight=5)
    del attributes[c.IPVS_DEST_ATTR_TUN_FLAGS]  # before Linux 5.3
    for _ in range(3):
        assert codec.unpack_destination(body(attributes), socket.AF_INET).weight == 5
    assert len(tried) == 1
    codec._forms.clear()


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize(
    "wrong",
    [
        {c.IPVS_DEST_ATTR_ADDR_FAMILY: struct.pack("=H", 99)},
        {c.IPVS_DEST_ATTR_WEIGHT: struct.pack("=H", 1)},
    ],
)
def test_what_is_wrong_is_refused_as_ever(wrong: Attributes) -> None:
    with pytest.raises(MalformedError):
        codec.unpack_destination(body(laid_out() | wrong), socket.AF_INET)


@pytest.mark.usefixtures("learned")
def test_a_length_that_lies_is_refused() -> None:
    message = bytearray(body(laid_out()))
    struct.pack_into("=H", message, 4, 4000)
    with pytest.raises(MalformedError):
        codec.unpack_destination(memoryview(message), socket.AF_INET)


@pytest.mark.parametrize(
    "message",
    [
        memoryview(b""),
        memoryview(b"\x01\x00"),
        memoryview(bytes(8)),
        body({c.IPVS_DEST_ATTR_PORT: b"\0\1"}),
        body(laid_out() | {c.IPVS_DEST_ATTR_PORT: b"\0\1\2\3"}),
        memoryview(attribute(c.IPVS_CMD_ATTR_SERVICE, b"")),
    ],
)
def test_of_another_message_nothing_is_learned(message: memoryview) -> None:
    with pytest.raises(LookupError):
        Form(message, c.IPVS_CMD_ATTR_DEST, codec._FIELDS)
