"""A picture in a file: whatever was noted and written is read again, whatever happened to the file."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.bus.saved import SavedEntry, SavedPicture

KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS),
        st.tuples(st.just("remove"), KEYS),
        st.tuples(st.sampled_from(["write", "new picture", "restart", "lose the file"]), st.just("")),
    ),
    max_size=40,
)


@given(STEPS)
def test_what_was_written_is_read_again(steps: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "health.json")
        picture, entries = SavedPicture(path, "health"), dict[str, SavedEntry]()
        for number, (step, key) in enumerate([*steps, ("write", "")]):
            if step == "put":
                entries[key] = SavedEntry(number, b"x" * 20_000)
                picture.note(key)
            elif step == "remove":
                entries.pop(key, None)
                picture.note(key)
            elif step == "new picture":
                entries = {"b": SavedEntry(number, b"\n")}
                picture.note(None)
            elif step == "lose the file":
                path.unlink(missing_ok=True)
            elif step == "restart":
                picture.write(entries)
                picture = SavedPicture(path, "health")
            else:
                picture.write(entries)
        if path.exists():  # nobody writes what has not changed
            assert SavedPicture(path, "health").read() == entries


def kept(directory: Path, changes: int) -> Path:
    """Keep a picture of one key, and then so many changes of it."""
    path = directory / "health.json"
    picture = SavedPicture(path, "health")
    for revision in range(changes + 1):
        picture.note("a.b")
        picture.write({"a.b": SavedEntry(revision, b"{}")})
    return path


@pytest.mark.parametrize("octets", [b'{"key":"a.b","en', b"\xff\xfe\n", b"{}\n", b"[" * 100_000])
def test_a_line_that_is_none_ends_the_picture_and_spoils_none_of_it(tmp_path: Path, octets: bytes) -> None:
    path = kept(tmp_path, 3)
    with path.open("ab") as file:
        file.write(octets)
    assert SavedPicture(path, "health").read() == {"a.b": SavedEntry(3, b"{}")}


def test_a_change_is_a_line_and_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    first = kept(tmp_path, 0).stat().st_size
    line = kept(tmp_path, 1).stat().st_size - first
    assert kept(tmp_path, 2).stat().st_size == first + 2 * line
    assert kept(tmp_path, 3000).stat().st_size < first + (1 << 16)


def test_a_directory_that_takes_nothing_for_a_while_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    picture = SavedPicture(directory / "health.json", "health")
    for revision, there in zip(itertools.count(), (False, True, True), strict=False):
        if there:
            directory.mkdir(exist_ok=True)
        picture.note("a.b")
        picture.write({"a.b": SavedEntry(revision, b"{}")})
    assert "could not be saved" in caplog.text
    assert SavedPicture(directory / "health.json", "health").read() == {"a.b": SavedEntry(2, b"{}")}
