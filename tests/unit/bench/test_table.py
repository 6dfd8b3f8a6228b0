"""What bench-table measures with: tables of any size, a recording played back, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_service.load import load
from ipvs_programmer import codec, genetlink
from ipvs_programmer import constants as c
from ipvs_programmer.fake import FakeKernel
from ipvs_programmer.octets import HEADER, attribute
from ipvs_programmer.plan import AddDestination, AddService, plan
from tests.bench.table import read, show_processes, show_times
from tests.bench.table_guest import Changed, Figures, Whole, reals
from tests.bench.table_replay import _LENGTH
from tests.bench.table_shape import ROUTER, WEIGHT, Shape
from tests.bench.table_sides import Used
from vipbus.contracts import RealServer, VirtualServer

SHAPES = [Shape(1, 1), Shape(7, 20), Shape(200, 450), Shape(2284, 37298)]


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_the_file_the_rules_and_the_table_are_one(shape: Shape, tmp_path: Path) -> None:
    file = tmp_path / "k.conf"
    file.write_text(shape.keepalived_conf())
    entities = load(file, ROUTER).entities
    assert sum(isinstance(each, VirtualServer) for each in entities) == shape.virtual
    assert {(each.address, each.weight) for each in entities if isinstance(each, RealServer)} == {
        (of.address, WEIGHT) for _, pool in shape.pools() for of in pool
    }
    assert len(shape.rules().splitlines()) == shape.virtual + shape.real
    kernel = FakeKernel()
    assert not kernel.apply(plan(shape.desired(), {}, ()))
    assert kernel.read() == shape.desired()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_order_of_the_file_is_the_order_of_text(shape: Shape) -> None:
    keys = [str(key) for key, _ in shape.pools()]
    members = [str(of) for _, pool in shape.pools() for of in pool]
    assert keys == sorted(set(keys))
    assert members == sorted(set(members))
    assert len(members) == shape.real


def test_a_weight_in_the_file_is_one_real_servers() -> None:
    shape = Shape(5, 20)
    for real in reals(shape, 3):
        changed = shape.keepalived_conf({real: 77})
        differing = [
            a for a, b in zip(changed.split("\n"), shape.keepalived_conf().split("\n"), strict=True) if a != b
        ]
        assert differing == ["    weight 77"]
        at = changed[: changed.index("weight 77")]
        assert at.rstrip().endswith(f"real_server {shape.key(real)[1].address} 8080 {{")


def recording(shape: Shape) -> bytes:
    """Make what a kernel would have sent."""

    def message(kind: int, payload: bytes) -> bytes:
        return HEADER.pack(HEADER.size + len(payload), kind, 0, 99, 0) + payload + bytes(-len(payload) % 4)

    done = message(c.NLMSG_DONE, bytes(4))
    family = message(
        c.GENL_ID_CTRL,
        genetlink.command(1, 1, attribute(c.CTRL_ATTR_FAMILY_ID, b"\x20\x00")),
    )
    acknowledged = message(c.NLMSG_ERROR, bytes(20))
    operations = plan(shape.desired(), {}, ())
    services = [
        message(0x20, codec.pack_operation(each)) for each in operations if isinstance(each, AddService)
    ]
    answers = [[family, acknowledged], [b"".join(services), done]]
    for key in shape.desired():
        found = [
            message(0x20, genetlink.command(1, 1, codec.pack_destination(each.destination)))
            for each in operations
            if isinstance(each, AddDestination) and each.key == key
        ]
        answers.append([b"".join(found), done])
    body = b""
    for datagrams in answers:
        body += _LENGTH.pack(len(datagrams))
        for datagram in datagrams:
            body += _LENGTH.pack(len(datagram)) + datagram
    return body


def test_a_recording_is_read_and_planned(tmp_path: Path) -> None:
    shape = Shape(4, 10)
    dump = tmp_path / "dump"
    dump.write_bytes(recording(shape))
    found = read(dump, shape, 2)
    assert (found.services, found.destinations) == (4, 10)
    assert found.dump > 0


def test_another_table_than_the_recorded_one_is_told(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(recording(Shape(4, 10)))
    with pytest.raises(AssertionError, match="operations where the table is as it should be"):
        read(dump, Shape(5, 10), 1)


def whole(seconds: float, **more: Changed) -> Whole:
    used = (Used("one", 1.5, 2_000_000, 1_000_000), Used("two", 0.5, 4_000_000, 3_000_000))
    return Whole(
        seconds=seconds, busy=used, settled=used, by_file=Changed((0.2, 0.1, 0.3), (1, 1, 1)), **more
    )


def test_ratios_are_of_medians() -> None:
    found = Figures(
        write=(0.1, 0.3, 0.2),
        restore=(4.0, 5.0, 4.0),
        load=(2.0, 2.0, 9.0),
        ours=whole(14.0, by_request=Changed((0.05,), (1,))),
        theirs=whole(7.0),
    )
    shown = show_times(found, Shape(1, 2), Shape(3, 4))
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in shown.splitlines()[2:]]
    assert [(row[0], row[4]) for row in cells] == [
        ("vipbus, plan to done", ""),
        ("ipvsadm --restore", "0.05x"),
        ("keepalived, exec to whole", "0.10x"),
        ("vipbus run", ""),
        ("keepalived", "2.00x"),
        ("vipbus, drain and enable, from the request", "0.25x of the reload"),
        ("vipbus, weight in the file, from SIGHUP", "1.00x of the reload"),
        ("keepalived, weight in the file, from SIGHUP", ""),
    ]
    assert "| together | 2.00" in show_processes(found)
