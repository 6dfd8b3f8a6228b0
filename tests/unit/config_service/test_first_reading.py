"""The first reading of a file: what a child found, and what it said of a file that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_service import first_reading
from config_service.first_reading import NotReadError, read_first
from config_service.load import load_encoded
from config_service.unchanged import Known
from tests.unit.config_service.support import GOOD
from vipbus.runtime.secrets import Secrets


def test_what_the_child_found_is_all_that_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "lb.conf"
    file.write_text(GOOD)
    found = read_first(file, None)
    assert found.router == "lb-a"
    assert read_first(file, "given").router == "given"
    alone, known = Known(), Known(found.kept)
    bodies = [load_encoded(file, None, Secrets.in_memory(), each)[1] for each in (alone, known)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("text", ["vrrp_instance {", "", None])
def test_a_file_that_is_refused_is_said_with_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str | None
) -> None:
    file = tmp_path / "lb.conf"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NotReadError) as caught:
        read_first(file, None)
    assert caught.value.status == 2
    assert capfd.readouterr().err.startswith(f"{file}:1")


def test_a_fault_of_the_child_is_no_reading(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_reading, "Known", None)
    with pytest.raises(NotReadError) as caught:
        read_first(tmp_path / "lb.conf", None)
    assert caught.value.status == 1
    assert "Traceback" in capfd.readouterr().err
