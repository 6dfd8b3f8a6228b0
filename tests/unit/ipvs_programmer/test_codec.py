"""Packing and unpacking in pairs, and the constants against the kernel's own header."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import codec, constants
from ipvs_programmer.genetlink import body
from ipvs_programmer.netlink import MalformedError, attribute
from ipvs_programmer.plan import AddDestination, AddService, EditDestination, EditService
from ipvs_programmer.table import Destination, Service
from tests.unit.ipvs_programmer.tables import destination, destinations, key, service, services

HEADER = Path("/usr/include/linux/ip_vs.h")


@given(services())
def test_a_service_survives_the_round_trip(given_service: Service) -> None:
    for operation in (AddService(given_service), EditService(given_service)):
        assert codec.unpack_service(body(codec.pack_operation(operation))) == given_service


@given(destinations())
def test_a_destination_survives_the_round_trip(given_destination: Destination) -> None:
    for kind in (AddDestination, EditDestination):
        packed = codec.pack_operation(kind(key(), given_destination))
        assert len(packed) % 4 == 0
        assert codec.unpack_destination(body(packed), socket.AF_INET) == given_destination


def test_the_kernels_own_flag_is_not_a_setting() -> None:
    packed = bytearray(codec.pack_service(service(scheduler="wrr")))
    place = packed.index((8 + 4).to_bytes(2, "little") + constants.IPVS_SVC_ATTR_FLAGS.to_bytes(2, "little"))
    packed[place + 4] |= constants.IP_VS_SVC_F_HASHED
    assert codec.unpack_service(memoryview(packed)) == service(scheduler="wrr")


def test_an_old_kernel_does_not_name_a_destinations_family() -> None:
    packed = codec.pack_destination(destination())
    without = attribute(constants.IPVS_CMD_ATTR_DEST, packed[4:32] + packed[40:])
    assert codec.unpack_destination(memoryview(without), socket.AF_INET) == destination()


@given(st.binary(max_size=200))
def test_noise_is_one_named_error(noise: bytes) -> None:
    for wrapped in (
        noise,
        attribute(constants.IPVS_CMD_ATTR_SERVICE, noise),
        attribute(constants.IPVS_CMD_ATTR_DEST, noise),
    ):
        view = memoryview(wrapped)
        with pytest.raises(MalformedError):
            codec.unpack_service(view)
        with pytest.raises(MalformedError):
            codec.unpack_destination(view, socket.AF_INET)


@given(services(), st.data())
def test_a_damaged_service_is_read_or_refused(given_service: Service, data: st.DataObject) -> None:
    packed = bytearray(codec.pack_service(given_service))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = memoryview(packed)[: data.draw(st.integers(0, len(packed)))]
    with contextlib.suppress(MalformedError):
        codec.unpack_service(cut)


@given(destinations(), st.data())
def test_a_damaged_destination_is_read_or_refused(
    given_destination: Destination, data: st.DataObject
) -> None:
    packed = bytearray(codec.pack_destination(given_destination))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = memoryview(packed)[: data.draw(st.integers(0, len(packed)))]
    with contextlib.suppress(MalformedError):
        codec.unpack_destination(cut, socket.AF_INET)


def header_constants(text: str) -> dict[str, int]:
    """Read the defines and enumerations of a header."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found = {
        name: int(value, 0)
        for name, value in re.findall(r"#define\s+(\w+)\s+\(?(0x[0-9a-fA-F]+|\d+)\)?\s*$", text, re.MULTILINE)
    }
    for block in re.findall(r"enum\s*{(.*?)}", text, re.DOTALL):
        number = -1
        for entry in filter(None, (each.strip() for each in block.split(","))):
            name, _, value = (part.strip() for part in entry.partition("="))
            number = int(value, 0) if value else number + 1
            found[name] = number
    return found


@pytest.mark.skipif(
    not HEADER.exists(), reason="linux-libc-dev is not installed: apt-get install linux-libc-dev"
)
def test_the_constants_are_the_headers() -> None:
    header = header_constants(HEADER.read_text())
    ours = {name: value for name, value in vars(constants).items() if name.startswith(("IPVS_", "IP_VS_"))}
    ours.pop("IPVS_GENL_NAME")
    assert len(ours) > 30
    assert ours == {name: header[name] for name in ours}
