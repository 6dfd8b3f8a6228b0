"""The small parts: drift rounds, what is owned, address notices, options, words for failures."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvs_programmer import constants as c
from ipvs_programmer.addresses import Held, KernelAddresses, decode
from ipvs_programmer.causes import START, Causes
from ipvs_programmer.drift import Rounds
from ipvs_programmer.inputs import Change
from ipvs_programmer.kernel import Failure
from ipvs_programmer.octets import MalformedError, attribute
from ipvs_programmer.options import Options, parse
from ipvs_programmer.owned import OwnedServices
from ipvs_programmer.plan import AddDestination, AddService, DeleteDestination, EditService
from ipvs_programmer.quorums import Quorums
from ipvs_programmer.table import DestinationKey, Key, MarkKey
from tests.support.waiting import eventually_async
from tests.unit.ipvs_programmer.tables import destination, key, service
from vipbus.runtime.saved import Saved

# ---- drift rounds


def test_a_round_deals_out_everything_once_and_rests() -> None:
    everything: list[Key] = [key(port=port) for port in range(100)]
    rounds = Rounds(1.0, now=10.0)
    assert rounds.due == 11.0
    dealt: list[Key] = []
    while len(dealt) < 100:
        dealt += rounds.take(everything)
        rounds.took(0.001, now=20.0)
    assert dealt == everything
    assert rounds.due == 21.0


def test_a_costly_round_rests_for_twenty_times_its_cost() -> None:
    rounds = Rounds(1.0, now=0.0)
    for _ in range(4):
        rounds.take([key(port=port) for port in range(100)])
        rounds.took(0.5, now=2.0)
    assert rounds.due == 2.0 + 20 * 2.0


def test_an_empty_round_rests_too() -> None:
    rounds = Rounds(1.0, now=0.0)
    assert rounds.take([]) == []
    rounds.took(0.0, now=5.0)
    assert rounds.due == 6.0


# ---- what is owned


def test_what_is_owned_survives(tmp_path: Path) -> None:
    path = tmp_path / "owned.json"
    OwnedServices(path).save({key(), key("fd00::1")})
    assert OwnedServices(path).keys == {key(), key("fd00::1")}


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'[{"protocol":"x"}]', b"\xff"])
def test_a_damaged_file_owns_nothing(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "owned.json"
    path.write_bytes(damage)
    assert OwnedServices(path).keys == frozenset()


def test_a_directory_that_is_not_writable_is_no_end(tmp_path: Path) -> None:
    owned = OwnedServices(tmp_path / "missing" / "owned.json")
    owned.save({key()})
    assert owned.keys == {key()}


def test_marks_are_owned_too_and_older_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "owned.json"
    OwnedServices(path).save({MarkKey(2, 7), MarkKey(10, 7), key()})
    assert OwnedServices(path).keys == {MarkKey(2, 7), MarkKey(10, 7), key()}
    path.write_text('[{"protocol":6,"address":"10.9.0.1","port":80}]')
    assert OwnedServices(path).keys == {key()}


# ---- what is saved


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"null", b"[]", b'{"a":"b"}', b'{"a":' * 50_000, b"\xff", b"\x00"]
)
def test_quorums_of_a_damaged_file_were_never_looked_at(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "quorums.json"
    path.write_bytes(damage)
    assert Quorums(path).met == {}


def test_a_value_is_written_when_it_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    saved = Saved(path, list[int], [], "the value")
    saved.save([])
    assert not path.exists()
    saved.save([1, 2])
    assert Saved(path, list[int], [], "the value").value == [1, 2]
    path.unlink()
    path.mkdir()  # a place that takes no file: said, and no end
    saved.save([3])
    assert saved.value == [3]


# ---- address notices


def notice(family: int, *attributes_: bytes, interface: int = 2) -> memoryview:
    return memoryview(struct.pack("=BBBBI", family, 24, 0, 0, interface) + b"".join(attributes_))


V4 = socket.inet_aton("10.9.0.1")
PEER = socket.inet_aton("10.9.0.2")
V6 = socket.inet_pton(socket.AF_INET6, "fd00::1")


def test_notices_are_read() -> None:
    assert decode(notice(socket.AF_INET, attribute(c.IFA_ADDRESS, PEER), attribute(c.IFA_LOCAL, V4))) == Held(
        2, "10.9.0.1"
    )
    assert decode(notice(socket.AF_INET6, attribute(c.IFA_ADDRESS, V6), interface=7)) == Held(7, "fd00::1")
    assert decode(notice(socket.AF_UNIX)) is None


@pytest.mark.parametrize(
    "bad",
    [memoryview(b""), notice(socket.AF_INET), notice(socket.AF_INET, attribute(c.IFA_LOCAL, V6))],
    ids=["empty", "no address", "wrong size"],
)
def test_a_notice_without_an_address_is_refused(bad: memoryview) -> None:
    with pytest.raises(MalformedError):
        decode(bad)


@given(st.binary(max_size=100))
def test_noise_is_one_named_error(noise: bytes) -> None:
    with contextlib.suppress(MalformedError):
        decode(memoryview(noise))


async def ip(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec("ip", *arguments, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


def test_the_addresses_of_this_host_are_followed() -> None:
    async def story() -> None:
        addresses = KernelAddresses()
        changes: list[frozenset[str]] = []
        addresses.start(lambda: changes.append(addresses.present))
        try:
            assert "127.0.0.1" in addresses.present
            if await ip("address", "add", "127.9.9.9/32", "dev", "lo") != 0:
                pytest.skip("no right to add an address to lo: run as root")
            await eventually_async(lambda: "127.9.9.9" in addresses.present, "the address is seen")
            await ip("address", "delete", "127.9.9.9/32", "dev", "lo")
            await eventually_async(lambda: "127.9.9.9" not in addresses.present, "its end is seen")
            assert len(changes) >= 2
        finally:
            addresses.close()

    asyncio.run(story())


# ---- options


def test_options_come_from_the_command_line_then_the_environment() -> None:
    assert parse(["--router", "r1"], {})[1] == Options(router="r1")
    environ = {"VIPBUS_STANDBY": "warm", "VIPBUS_ON_STOP": "keep", "VIPBUS_DRIFT_INTERVAL": "15"}
    assert parse(["--router", "r1"], environ)[1] == Options(
        router="r1", standby="warm", on_stop="keep", drift_interval=15.0
    )
    assert parse(["--router", "r1", "--standby", "clear"], environ)[1].standby == "clear"
    assert parse([], {})[0].router == socket.gethostname()


@pytest.mark.parametrize(
    "arguments",
    [["--standby", "cold"], ["--on-stop", "flush"], ["--drift-interval", "0"], ["--drift-interval", "soon"]],
)
def test_senseless_options_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_a_senseless_environment_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse([], {"VIPBUS_STANDBY": "cold"})


# ---- words


def test_failures_in_words() -> None:
    add, gone = AddService(service(scheduler="mh")), DeleteDestination(key(), DestinationKey("10.9.0.21", 80))
    assert str(Failure(add, errno.ENOENT)) == "the kernel has no scheduler mh: modprobe ip_vs_mh"
    assert "no IPv6" in str(Failure(add, errno.EAFNOSUPPORT))
    assert str(Failure(gone, errno.ENOENT)) == (
        "delete destination 10.9.0.21:80 from TCP 10.9.0.1:80: No such file or directory"
    )
    assert str(Failure(gone, errno.EINVAL, "in the kernel's words")).endswith(": in the kernel's words")


@pytest.mark.parametrize(
    ("failure", "wrong"),
    [
        (Failure(AddService(service()), errno.EEXIST), True),
        (Failure(AddService(service()), errno.ENOENT), False),
        (Failure(EditService(service()), errno.ENOENT), False),
        (Failure(EditService(service()), errno.ESRCH), True),
        (Failure(AddDestination(key(), destination()), errno.ENOENT), True),
        (Failure(AddDestination(key(), destination()), errno.EINVAL), False),
        (Failure(AddDestination(key(), destination()), errno.EBUSY), True),
    ],
)
def test_which_failures_say_that_the_belief_is_wrong(failure: Failure, wrong: bool) -> None:  # a column
    assert failure.belief_is_wrong is wrong


def test_the_cause_that_is_nearest_counts() -> None:
    assert Causes(()).of(None) == START
    causes = Causes([Change(text="revision 2"), Change(text="VI_1 is active", instance="vi_1")])
    assert causes.of(None) == "revision 2"
