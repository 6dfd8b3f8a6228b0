"""What is written about the commands is what they are."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from ctl.__main__ import vipbus
from ctl.cli import LazyGroup
from ctl.exits import MEANINGS
from ctl.reference.__main__ import DOCUMENTS
from ctl.reference.shapes import schema
from ctl.reference.tree import commands, shape
from tests.support.shapes import as_documented

ROOT = Path(__file__).parents[3]
MANUAL = ROOT / "deploy" / "man" / "vipbus.1"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_documents_are_up_to_date(path: str) -> None:
    render: Callable[[LazyGroup], str] = DOCUMENTS[path]
    assert ((ROOT / path).read_text() == render(vipbus)) is True, "run: make command"


def test_exit_statuses_are_the_same_everywhere() -> None:
    for path, command in commands(vipbus):
        assert set(command.statuses) <= set(MEANINGS), path
        assert 0 in command.statuses, path


def test_what_shows_or_changes_something_has_json() -> None:
    without = {path for path, command in commands(vipbus) if shape(command) is None}
    # a supervisor in the foreground, files that systemd reads, a script for a shell, a screen
    assert without <= {"run", "install", "completion", "top", "config convert", "config schema"}


def test_the_schema_is_one_and_knows_no_other_fields() -> None:
    document = schema(vipbus)
    jsonschema.Draft202012Validator.check_schema(document)
    told = {"done": True, "router": "a", "instances": ["VI_1"], "to": None, "successors": [], "reason": ""}
    assert as_documented("handover", json.dumps(told)) == told
    for wrong in ({**told, "more": 1}, {**told, "done": "yes"}, {"done": True}):
        with pytest.raises(jsonschema.ValidationError):
            as_documented("handover", json.dumps(copy.deepcopy(wrong)))


@pytest.mark.parametrize(
    ("text", "status", "accepted"),
    [
        (
            "virtual_server 10.9.0.1 80 {\nlb_algo rr\nlb_kind NAT\nreal_server 10.9.0.21 80 {\n}\n}\n",
            0,
            True,
        ),
        ("virtual_server 10.9.0.1 80 {\n    lb_algo nonsense\n}\nfoo\n", 2, False),
    ],
)
def test_what_a_check_finds_is_as_documented(text: str, status: int, accepted: bool, tmp_path: Path) -> None:
    file = tmp_path / "lb.conf"
    file.write_text(text)
    command = [sys.executable, "-m", "ctl", "config", "check", str(file), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = as_documented("config check", told.stdout)
    assert (told.returncode, found["accepted"], bool(found["errors"])) == (status, accepted, not accepted)
    for error in found["errors"]:
        assert f"{file}:{error['line']}" in told.stderr


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed (apt install mandoc)")
def test_mandoc_has_nothing_to_say_of_the_manual_page() -> None:
    told = subprocess.run(["mandoc", "-T", "lint", str(MANUAL)], capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr, told.returncode) == ("", "", 0)


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed (apt install man-db)")
def test_man_shows_the_page() -> None:
    told = subprocess.run(
        ["man", "--warnings", "-l", "-E", "UTF-8", str(MANUAL)],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "100", "MANROFFOPT": "-c", "PATH": "/usr/bin:/bin"},
    )
    assert told.stderr == ""
    for path, command in commands(vipbus):
        assert f"vipbus {path}\n" in told.stdout
        for line, _ in command.examples:
            assert line in told.stdout
