"""Files of the corpus, cut off and damaged at every byte: accepted or refused, soon, in little memory."""

from __future__ import annotations

import random
import resource
import time
from pathlib import Path
from typing import Final

import pytest

from config_service.keepalived.compile import Configuration
from tests.corpus.files import HERE
from tests.unit.config_service.test_hostile import judged

TEN: Final = (
    "dual-stack-excluded",
    "fwmark-both-families",
    "haproxy-pair",
    "lvs-sync",
    "misc-check",
    "notify-scripts",
    "quoting",
    "routes-and-rules",
    "shapes",
    "track-process",
)
NOISE: Final = "{}\"'\\#!$@~ \n\r\x00\x7f\u00e9\u2028x0-/:.="
_SLOW: Final = 2.0
"""Seconds for one file of a few hundred bytes, on any machine."""
_MUCH: Final = 64 * 1024
"""KiB that a thousand readings may add to what the process has."""


def text_of(name: str) -> str:
    return (HERE / f"{name}.conf").read_text()


def judged_soon(text: str) -> Configuration | list[str]:
    begin = time.monotonic()
    found = judged(text)
    assert time.monotonic() - begin < _SLOW
    return found


def most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", TEN)
def test_a_file_cut_off_at_every_byte(name: str) -> None:
    text = text_of(name)
    judged(text)
    before = most_memory()
    accepted = [cut for cut in range(len(text)) if isinstance(judged_soon(text[:cut]), Configuration)]
    assert most_memory() - before < _MUCH
    assert isinstance(judged(text), Configuration)
    # what is left is a file only where a block ended (and in the blanks and comments after it)
    for cut in accepted:
        code = [line.partition("#")[0].partition("!")[0].strip() for line in text[:cut].splitlines()]
        assert [line for line in code if line][-1].endswith("}")


@pytest.mark.parametrize("name", TEN)
def test_noise_at_every_byte(name: str) -> None:
    text, choice = text_of(name), random.Random(name)
    before = most_memory()
    for at in range(len(text)):
        noise = choice.choice(NOISE)
        judged_soon(text[:at] + noise + text[at + choice.randrange(2) :])
    assert most_memory() - before < _MUCH


@pytest.mark.parametrize("path", sorted(HERE.glob("*.conf")), ids=lambda path: path.stem)
def test_every_line_left_out(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    for at in range(0, len(lines), 1 + len(lines) // 60):
        judged("".join(lines[:at] + lines[at + 1 :]))
