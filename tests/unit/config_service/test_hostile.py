"""Whatever stands in a file, it is accepted or refused with file and line; nothing else ever happens."""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_service.keepalived.compile import Configuration
from config_service.load import load
from config_service.problems import ConfigError
from tests.unit.config_service.support import GOOD, compiled
from tests.unit.config_service.test_every_checker import CHECKS
from tests.unit.config_service.test_every_keyword import FULL
from vipbus.contracts import Entity

_LINE = re.compile(r"x\.conf:[1-9][0-9]*(?::[1-9][0-9]*)?: [^\n]+")
_TOKEN = re.compile(r"[{}]|[^\s{}]+")


def judged(text: str) -> Configuration | list[str]:
    """Accept what can be read again, or give the errors; each must be one line with file and line."""
    try:
        found = compiled(text)
    except ConfigError as error:
        lines = error.lines()
        assert lines
        for problem in error.problems:
            for shown in problem.excerpt:
                assert shown.isprintable()
                assert len(shown) <= 110
        assert all(_LINE.fullmatch(line) or line.endswith("; put these right first") for line in lines)
        numbers = [int(line.split(":")[1]) for line in lines if _LINE.fullmatch(line)]
        assert numbers == sorted(numbers)
        assert numbers[-1] <= text.count("\n") + 1
        return lines
    for entity in found.entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
    return found


def from_file(tmp_path: Path, body: bytes) -> Configuration | list[str]:
    path = tmp_path / "x.conf"
    path.write_bytes(body)
    try:
        return load(path, "r1")
    except ConfigError as error:
        lines = [line.removeprefix(f"{tmp_path}/") for line in error.lines()]
        assert all(_LINE.fullmatch(line) for line in lines)
        return lines


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, body: bytes) -> None:
    from_file(tmp_path, body)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab19 {}{}\n\n\t\"'\\#!$@~x.:/-\x00é"), max_size=200))
def test_any_text(text: str) -> None:
    judged(text)


_WORDS = sorted({*_TOKEN.findall(GOOD), "{", "}", "\n", "fwmark", "0", "-1", "''", '"', "::", "dev"})


_ALL_WORDS = sorted({*_WORDS, *_TOKEN.findall(FULL), *_TOKEN.findall(CHECKS)})
_LINES = [line.strip() for line in (FULL + CHECKS).splitlines() if line.strip()]


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(_ALL_WORDS), max_size=60))
def test_any_words_of_the_whole_language(words: list[str]) -> None:
    judged(" ".join(words))


_INSIDE = (
    "virtual_ipaddress",
    "virtual_routes",
    "virtual_rules",
    "unicast_peer",
    "track_script",
    "track_interface",
    "authentication",
    "auth_hmac",
)


@settings(max_examples=500, deadline=None)
@given(block=st.sampled_from(_INSIDE), words=st.lists(st.sampled_from(_ALL_WORDS), max_size=12))
def test_any_words_in_the_blocks_of_an_instance(block: str, words: list[str]) -> None:
    inside = " ".join(word for word in words if word not in ("{", "}", "\n"))
    judged(f"vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{block} {{\n{inside}\n}}\n}}\n")


_CHECKERS = (
    "HTTP_GET",
    "SSL_GET",
    "TCP_CHECK",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "UDP_CHECK",
    "FILE_CHECK",
)
_INSIDE_CHECKERS = [
    line.strip() for line in CHECKS.splitlines() if line.startswith(" " * 12) and "{" not in line
]


@settings(max_examples=500, deadline=None)
@given(
    checker=st.sampled_from(_CHECKERS),
    lines=st.lists(st.sampled_from([*_INSIDE_CHECKERS, "url {", "host {", "}"]), max_size=12),
    words=st.lists(st.sampled_from(_ALL_WORDS), max_size=4),
)
def test_any_lines_in_the_blocks_of_a_checker(checker: str, lines: list[str], words: list[str]) -> None:
    inside = "\n".join((*lines, " ".join(words)))
    judged(f"virtual_server 10.9.0.1 80 {{\nreal_server 10.9.1.1 80 {{\n{checker} {{\n{inside}\n}}\n}}\n}}\n")


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.sampled_from(_LINES), max_size=40))
def test_any_lines_of_the_whole_language(lines: list[str]) -> None:
    judged("\n".join((*lines, "")))


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(_WORDS), max_size=60))
def test_any_words_of_the_language(words: list[str]) -> None:
    judged(" ".join(words))


_TEXTUAL = [
    *(
        "$A=",
        "$B= \\\n",
        "${A}",
        "$A",
        "$B",
        "${B}",
        "${A",
        "${_RANDOM 1 3}",
        "${_HASH}",
        "$C=$A ${B}\n",
        "$A=$B\n",
    ),
    *("~SEQ(A,1,3)", "~SEQ(C,3)", "~SEQ(", "~LST(A,x,y)", "~LST({A,B},{1,2})", "@m ", "@^m ", "@x ", "@"),
    *(
        "include x\n",
        "includea *\n",
        "include {a,b}\n",
        "include_check\n",
        "a {",
        "}",
        "'",
        '"',
        "\\",
        "\\\n",
    ),
    *("\n", "\n", "\n", " ", "#", "b 1\n", "global_defs {\n", "weight 1\n", "auth_pass x\n"),
]


@settings(max_examples=600, deadline=None)
@given(pieces=st.lists(st.sampled_from(_TEXTUAL), max_size=30))
def test_any_text_that_makes_text(pieces: list[str]) -> None:
    judged("".join(pieces))


def test_every_truncation() -> None:
    accepted = [cut for cut in range(len(GOOD) + 1) if isinstance(judged(GOOD[:cut]), Configuration)]
    # only at the end of a whole block (and in the blank lines after it) is the rest a configuration
    assert {GOOD[:cut].rstrip()[-1] for cut in accepted} == {"}"}
    assert len(GOOD) in accepted


@pytest.mark.parametrize(
    "mutation", ["", "{", "}", "x", "'", "-1", "99999999999999999999", "\x00", "#", "$X"]
)
def test_every_word_replaced(mutation: str) -> None:
    for token in _TOKEN.finditer(GOOD):
        judged(GOOD[: token.start()] + mutation + GOOD[token.end() :])


def test_every_line_removed_or_doubled() -> None:
    lines = GOOD.splitlines(keepends=True)
    for number in range(len(lines)):
        judged("".join(lines[:number] + lines[number + 1 :]))
        judged("".join(lines[:number] + [lines[number]] * 2 + lines[number + 1 :]))


@pytest.mark.parametrize("text", [FULL, CHECKS])
def test_the_whole_language_truncated_at_every_word(text: str) -> None:
    for token in _TOKEN.finditer(text):
        judged(text[: token.start()])


@pytest.mark.parametrize("text", [FULL, CHECKS])
@pytest.mark.parametrize("mutation", ["}", "x", "-1", "$X"])
def test_every_fifth_word_of_the_whole_language_replaced(text: str, mutation: str) -> None:
    for token in list(_TOKEN.finditer(text))[:: 5 if mutation == "x" else 17]:
        judged(text[: token.start()] + mutation + text[token.end() :])


@pytest.mark.parametrize("text", [FULL, CHECKS])
def test_every_line_of_the_whole_language_removed_or_doubled(text: str) -> None:
    lines = text.splitlines(keepends=True)
    for number in range(len(lines)):
        judged("".join(lines[:number] + lines[number + 1 :]))
        judged("".join(lines[:number] + [lines[number]] * 2 + lines[number + 1 :]))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "x.conf:1: the file is empty; was it cut off, or is the path wrong?"),
        (b" \n\t\n", "x.conf:1: the file is empty"),
        (b"global_defs {\n\xff\n", "x.conf:2: byte 0xff is not UTF-8"),
        (b"\xef\xbb\xbfglobal_defs {\n}\n", "x.conf:1: the file begins with a byte order mark"),
        ("global_defs {\n}\n".encode("utf-16"), "x.conf:1: byte 0xff is not UTF-8"),
        (b"global_defs {\n\x00\n}\n", "x.conf:2:1: control character U+0000"),
        (b"\x00" * 4096, "x.conf:1:1: control character U+0000"),
        (b"a " * 100_000, "x.conf:1:1: unknown keyword 'a' at the top of the file; remove it"),
        (b"{" * 100_000, "x.conf:1:1: '{' without a keyword before it"),
        (
            b"x" * 1_000_000,
            "x.conf:1:1: unknown keyword '" + "x" * 60 + "...' at the top of the file; remove",
        ),
    ],
)
def test_files_that_are_none(tmp_path: Path, body: bytes, error: str) -> None:
    said = from_file(tmp_path, body)
    assert isinstance(said, list)
    assert said[0].startswith(error)
    assert max(map(len, said)) < 250


def test_noise_is_told_in_a_hundred_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text("foo 1\n" * 5000)
    with pytest.raises(ConfigError) as caught:
        load(path, None)
    lines = caught.value.lines()
    assert len(lines) == 101
    # a thousand are the most that are read
    assert lines[-1] == f"{path}: 900 more; put these right first"


def test_many_lines_of_noise_are_told_soon(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text("~SEQ(A,1,50000) foo${A} 1\n")
    begin = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(path, None)
    assert caught.value.lines()[-1] == f"{path}: 900 more; put these right first"
    assert time.process_time() - begin < 20


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    def reason(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path, None)
        return caught.value.reason.removeprefix(f"{path}:")

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert reason(tmp_path) == "1: this is a directory; name the file in it"
    assert reason(tmp_path / "none") == "1: there is no such file; check the path"
    assert reason(fifo).startswith("1: this is no regular file")
    assert reason(Path("/dev/zero")).startswith("1: this is no regular file")
    assert reason(loop).startswith("1: its symbolic links go in a circle")
    assert reason(tmp_path / ("n" * 300)).startswith("1: the name is too long")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")  # root, who runs this in CI, may read all

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigError, match=r"x\.conf:1: no permission to read it; run as its owner or change"):
        load(tmp_path / "x.conf", None)


def test_a_name_of_any_bytes_stays_one_line(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\nb\xff.conf"))
    path.write_text("foo\n")
    with pytest.raises(ConfigError) as caught:
        load(path, None)
    assert "\n" not in caught.value.reason
    caught.value.reason.encode()
    path.write_text(GOOD)
    load(path, None).source.encode()


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31m"])
def test_a_routers_name_stays_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.conf:1: the router's name .* has a control character"):
        compiled(GOOD, router=name)
