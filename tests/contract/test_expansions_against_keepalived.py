"""What becomes of includes, conditions, parameters and sequences: the same for keepalived and for vipbus.

``keepalived -t`` names the first word of each line that it does not know.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.expansions import CONFIG_ID, SAME

_COMPLAINT = re.compile(r"\((?:[^()]*: )?Line \d+\) Unknown keyword '(.*)'$")


_LAST = "the_last_word"


def first_reading(complaints: str) -> list[str]:
    """Give the words of the first process that reads the file: each further one tells of them again."""
    words: list[str] = []
    for line in complaints.splitlines():
        if (found := _COMPLAINT.fullmatch(line)) is not None:
            if found[1] == _LAST:
                break
            words.append(found[1])
    return words


@pytest.mark.parametrize("name", SAME)
def test_keepalived_is_left_with_the_same_words(name: str, tmp_path: Path) -> None:
    case = SAME[name]
    (tmp_path / "t.conf").write_text(f"{case.text}\n{_LAST}\n")
    for file, body in case.files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(body)
    done = subprocess.run(
        ["keepalived", "-t", "-i", CONFIG_ID, "-f", str(tmp_path / "t.conf")],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=20,
    )
    assert tuple(first_reading(done.stderr)) == case.words
