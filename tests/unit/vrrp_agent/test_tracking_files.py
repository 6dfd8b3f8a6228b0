"""What tracked files hold, and what else may stand in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import TrackFile
from vipbus.runtime.number_file import parse, read
from vrrp_agent.tracking.files import initialise
from vrrp_agent.tracking.inotify import decode


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"0", 0),
        (b"5\n", 5),
        (b" 12", 12),
        (b"-7\n", -7),
        (b"+3", 3),
        (b"\t254 \r\n", 254),
        (b"2147483647", 2147483647),
        (b"-2147483647", -2147483647),
        (b"2147483648", None),
        (b"99999999999999999999", None),
        (b"", None),
        (b"\n", None),
        (b"garbage", None),
        (b"3x", None),
        (b"3 4", None),
        (b"1.5", None),
        (b"0x10", None),
        (b"--3", None),
        (b"1_000", None),
        (b"5\0", None),
        ("\u0665".encode(), None),  # a digit, but not one of these
    ],
)
def test_only_a_number_is_one(content: bytes, value: int | None) -> None:
    assert parse(content) == value


@given(st.binary(max_size=80))
def test_whatever_it_holds_is_a_number_or_none(content: bytes) -> None:
    value = parse(content)
    assert value is None or parse(str(value).encode()) == value


@given(st.binary(max_size=200))
def test_events_that_no_kernel_sends_raise_nothing(data: bytes) -> None:
    assert len(list(decode(data))) <= len(data) // 16


def test_what_stands_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert (read(str(path)).value, read(str(path)).absent) == (0, True)
    path.write_text("5\n")
    assert read(str(path)).value == 5
    path.write_bytes(b"5" + b" " * 1_000_000)
    assert "holds no number" in read(str(path)).problem
    path.unlink()
    os.mkfifo(path)  # nobody writes it: opening it must not wait
    assert read(str(path)).problem == f"{path} is no file"
    path.unlink()
    path.mkdir()
    assert read(str(path)).problem == f"{path} is no file"
    path.rmdir()
    path.symlink_to(path)
    assert "cannot be read" in read(str(path)).problem
    path.unlink()
    path.symlink_to("/dev/zero")
    assert read(str(path)).problem == f"{path} is no file"
    assert "cannot be read" in read("nul\0byte").problem
    assert read("/dev/null/f").value is None


def file(path: Path, init: int | None, *, overwrite: bool = False) -> TrackFile:
    return TrackFile(router="r", name="f", path=str(path), init=init, init_overwrite=overwrite)


def test_the_first_value(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert initialise(file(path, None)) == ""
    assert not path.exists()
    assert initialise(file(path, -3)) == ""
    assert path.read_text() == "-3\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert initialise(file(path, 7)) == ""
    assert path.read_text() == "-3\n"
    assert initialise(file(path, 7, overwrite=True)) == ""
    assert path.read_text() == "7\n"


def test_a_first_value_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert "cannot be made: No such file" in initialise(file(tmp_path / "none/f", 1))
    assert "cannot be made: Is a directory" in initialise(file(tmp_path, 1, overwrite=True))
    assert "cannot be written" in initialise(file(Path("/dev/full"), 1, overwrite=True))
    os.mkfifo(tmp_path / "pipe")
    assert "cannot be made" in initialise(file(tmp_path / "pipe", 1, overwrite=True))
