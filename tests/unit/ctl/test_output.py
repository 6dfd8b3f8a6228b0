"""Where colours are, and where they are not."""

from __future__ import annotations

import sys

import pytest

from ctl.output import coloured, complain, say, write, write_json


@pytest.mark.parametrize(
    ("terminal", "environ", "expected"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm-256color"}, True),
        (True, {"NO_COLOR": ""}, True),  # no-color.org: present and not empty
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm-256color"}, False),
    ],
)
def test_colours_are_for_a_terminal_that_has_them(
    terminal: bool, environ: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert coloured(environ) is expected


def test_what_came_from_elsewhere_does_nothing_to_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    say("a\x1b[2Jb\nc")
    write("\udcff\n")
    write_json({"a": [1]})
    assert complain("table", "x\x1b]0;y\x07", 3) == 3
    said = capfdbinary.readouterr()
    assert said.out == "a\ufffd[2Jb\ufffdc\n".encode() + b'?\n{\n  "a": [\n    1\n  ]\n}\n'
    assert said.err == "vipbus table: x\ufffd]0;y\ufffd\n".encode()
