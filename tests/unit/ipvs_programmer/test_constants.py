"""The constants against the kernel's own header, read as text."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ipvs_programmer import constants

HEADER = Path("/usr/include/linux/ip_vs.h")

needs_header = pytest.mark.skipif(
    not HEADER.exists() and not os.environ.get("CI"),
    reason="linux-libc-dev is not installed: apt-get install linux-libc-dev",
)


def header_constants(text: str) -> dict[str, int]:
    """Read the defines and enumerations of a header, whose values are numbers, shifts or earlier names."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found: dict[str, int] = {}

    def value_of(words: str) -> int | None:
        words = words.strip().strip("()")
        if words in found:
            return found[words]
        if shift := re.fullmatch(r"(\d+)\s*<<\s*(\d+)", words):
            return int(shift[1]) << int(shift[2])
        return int(words, 0) if re.fullmatch(r"0x[0-9a-fA-F]+|\d+", words) else None

    for name, words in re.findall(r"#define\s+(\w+)\s+(.+?)\s*$", text, re.MULTILINE):
        if (value := value_of(words)) is not None:
            found[name] = value
    for block in re.findall(r"enum\s*{(.*?)}", text, re.DOTALL):
        number = -1
        for entry in filter(None, (each.strip() for each in block.split(","))):
            name, _, given = (part.strip() for part in entry.partition("="))
            number = int(given, 0) if given else number + 1
            found[name] = number
    return found


def ours() -> dict[str, int]:
    return {
        name: value
        for name, value in vars(constants).items()
        if name.startswith(("IPVS_", "IP_VS_")) and isinstance(value, int)
    }


@needs_header
def test_every_constant_of_ours_is_the_headers() -> None:
    header = header_constants(HEADER.read_text())
    assert len(ours()) > 90
    assert ours() == {name: header.get(name) for name in ours()}


@needs_header
def test_every_command_and_attribute_of_the_header_is_ours() -> None:
    """A newer header may have more: then this says what is still to be packed and unpacked."""
    header = header_constants(HEADER.read_text())
    family = {name for name in header if name.startswith("IPVS_")}
    family -= {name for name in family if name.endswith(("_UNSPEC", "_MAX"))}
    assert family - set(ours()) == set()


@needs_header
def test_the_name_of_the_family() -> None:
    assert f'#define IPVS_GENL_NAME\t\t"{constants.IPVS_GENL_NAME}"' in HEADER.read_text()


def test_the_reader_of_the_header() -> None:
    text = """
    #define A\t0x10 /* sixteen */
    #define B (1 << 3)
    #define C A
    #define D (f(A) | \\
               B)
    enum { E = 2, F, /* G, */
           H, };
    """
    assert header_constants(text) == {"A": 16, "B": 8, "C": 16, "E": 2, "F": 3, "H": 4}
