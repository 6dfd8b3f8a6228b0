"""The corpus means what its golden files say (`python -m tests.corpus.golden --write` writes them anew)."""

from __future__ import annotations

import msgspec
import pytest

from config_service.past import entities_of
from tests.corpus.files import FILES, Case, cases, meaning, read
from tests.corpus.golden import GOLDEN, golden
from vipbus.contracts import Entity, encoded

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_means_what_its_golden_file_says(case: Case) -> None:
    found = read(case)
    assert meaning(found).decode() == golden(case).read_text()
    for entity in found.entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
    bodies = encoded(found.entities)
    assert encoded(entities_of(bodies)) == bodies


def test_there_is_a_golden_file_for_each_and_no_other() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {golden(case).name for case in CASES}
    assert len(FILES) >= 40
