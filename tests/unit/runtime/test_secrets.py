"""secrets.json: references that stay, values that nobody else reads, and files that are none."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vipbus.runtime import secrets
from vipbus.runtime.secrets import FILE_NAME, Secrets


def test_a_value_comes_back_by_its_reference(tmp_path: Path) -> None:
    state = tmp_path / "state"
    writer = Secrets.open(state)
    reference = writer.reference("geheim")
    assert not (state / FILE_NAME).exists()
    writer.save({reference})
    assert dict(secrets.load(state)) == {reference: "geheim"}
    assert (state / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_reference_tells_nothing_of_its_value(tmp_path: Path) -> None:
    one, other = Secrets.open(tmp_path / "a"), Secrets.open(tmp_path / "b")
    assert one.reference("geheim") != other.reference("geheim")
    assert one.reference("geheim") != one.reference("geheim1")
    assert len(one.reference("x" * 1000)) == len(one.reference("")) == 32


def test_equal_values_have_equal_references_across_runs(tmp_path: Path) -> None:
    first = Secrets.open(tmp_path)
    reference = first.reference("geheim")
    first.save({reference})
    second = Secrets.open(tmp_path)
    assert second.reference("geheim") == reference
    assert second.references == {reference}


def test_what_was_used_before_stays_for_one_save(tmp_path: Path) -> None:
    writer = Secrets.open(tmp_path)
    old, new = writer.reference("old"), writer.reference("new")
    writer.save({old})
    writer.save({new})
    assert dict(secrets.load(tmp_path)) == {old: "old", new: "new"}
    writer.save({new})
    assert dict(secrets.load(tmp_path)) == {new: "new"}
    # what is not used at all is not kept either
    writer.reference("refused")
    writer.save({new})
    assert dict(secrets.load(tmp_path)) == {new: "new"}


def test_a_new_process_keeps_what_the_old_revision_needs(tmp_path: Path) -> None:
    first = Secrets.open(tmp_path)
    old = first.reference("old")
    first.save({old})
    second = Secrets.open(tmp_path)
    new = second.reference("new")
    second.save({new})
    assert set(secrets.load(tmp_path)) == {old, new}


def test_nothing_is_written_without_a_change(tmp_path: Path) -> None:
    Secrets.open(tmp_path).save(())
    assert not (tmp_path / FILE_NAME).exists()
    writer = Secrets.open(tmp_path)
    reference = writer.reference("geheim")
    writer.save({reference})
    before = (tmp_path / FILE_NAME).stat()
    writer.save({reference})
    again = Secrets.open(tmp_path)
    again.save({again.reference("geheim")})
    assert (tmp_path / FILE_NAME).stat().st_ino == before.st_ino


def test_in_memory_nothing_is_written() -> None:
    writer = Secrets.in_memory()
    writer.save({writer.reference("geheim")})
    assert writer.references == {writer.reference("geheim")}


def test_a_missing_file_is_empty_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert dict(secrets.load(tmp_path / "none")) == {}
    assert caplog.text == ""


GOOD = msgspec.json.encode({"key": "00" * 32, "values": {"a": "geheim"}})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        GOOD[:-1],
        GOOD.replace(b"00", b"zz"),
        msgspec.json.encode({"key": "00", "values": {"a": "geheim"}}),
        msgspec.json.encode({"key": "00" * 32, "values": {"a": 5}}),
        msgspec.json.encode({"key": "00" * 32, "values": "geheim"}),
        b"[" * 100_000,
        b'{"key": "' + b"0" * 2_000_000,
    ],
)
def test_a_broken_file_is_empty_and_is_told_without_its_words(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(body)
    with caplog.at_level(logging.WARNING):
        assert dict(secrets.load(tmp_path)) == {}
    assert f"{tmp_path / FILE_NAME} is damaged and counts as empty" in caplog.text
    assert "geheim" not in caplog.text
    writer = Secrets.open(tmp_path)
    reference = writer.reference("new")
    writer.save({reference})
    assert dict(secrets.load(tmp_path)) == {reference: "new"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_every_byte_may_be_wrong(tmp_path: Path, cut: int, byte: int) -> None:
    (tmp_path / FILE_NAME).write_bytes(GOOD[:cut] + bytes((byte,)) + GOOD[cut + 1 :])
    assert all(isinstance(value, str) for value in secrets.load(tmp_path).values())


def test_a_file_that_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with caplog.at_level(logging.WARNING):
        assert dict(secrets.load(tmp_path)) == {}
    assert "cannot be read" in caplog.text


def test_a_directory_that_takes_no_file(tmp_path: Path) -> None:
    state = tmp_path / "file"
    state.write_text("")
    writer = Secrets.open(state)
    reference = writer.reference("geheim")
    with pytest.raises(OSError, match=os.fspath(state)):
        writer.save({reference})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(max_size=40), max_size=8))
def test_any_text(tmp_path: Path, values: list[str]) -> None:
    writer = Secrets.open(tmp_path)
    wanted = {writer.reference(value): value for value in values}
    writer.save(wanted)
    assert {key: secrets.load(tmp_path)[key] for key in wanted} == wanted
