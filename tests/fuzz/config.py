"""``python -m tests.fuzz.config keepalived|haproxy|toml [LIBFUZZER-OPTION ...]``: any bytes as configuration.

What was found stands in the current directory as libFuzzer leaves it (``crash-...``); give such a file as an
option to see it again.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, cast

import atheris

with atheris.instrument_imports(include=["config_service"]):
    from config_service.haproxy.compile import compile_text as compile_haproxy
    from config_service.haproxy.keywords import PROXY, SECTION
    from config_service.haproxy.server_options import SERVER
    from config_service.keepalived.compile import compile_text
    from config_service.keepalived.expand import Machine
    from config_service.keepalived.iproute2 import Names
    from config_service.keepalived.outside import Outside
    from config_service.keepalived.schema import HOMES
    from config_service.native.document import read
    from config_service.native.writer.document import write_document
    from config_service.problems import ConfigError

_NOWHERE: Final = Path("/nonexistent")
_TESTS: Final = Path(__file__).parents[1]
_LINE: Final = re.compile(r"[^\n]+?:[1-9][0-9]*(?::[1-9][0-9]*)?: [^\n]+")
_SEEDS: Final = {
    "keepalived": [*(_TESTS / "corpus").glob("*.conf"), _TESTS / "unit/config_service/good.conf"],
    "haproxy": [*(_TESTS / "corpus/haproxy").glob("*.cfg")],
    "toml": [*(_TESTS / "unit/config_service/native/examples").glob("*.toml")],
}
_WORDS: Final = (
    *("{", "}", "#", "!", "\\\n", "$A=", "${A}", "~SEQ(A,1,3)", "~LST(A,x,y)", "@a", "@^a", "include"),
    *("[[virtual_server]]", "[[vrrp_instance]]", "[[virtual_server.real_server]]", "[router.a.vrrp]"),
    *("= [", "= {", "10.0.0.1", "fd00::1", "255", "TCP", "NAT", "DR", "TUN", "TCP_CHECK", "kind"),
)
_HAPROXY: Final = (
    *(*PROXY, *SECTION, *SERVER, "if", "unless", "{ path /a }", "!{ hdr(host) a }", "or", "from", "-m", "-i"),
    *("http-request deny", "redirect scheme https", "use_backend a", "%[src]", '"', "'", "no", "10.0.0.1:80"),
)
_NUMBERS: Final = ("0", "-1", "65536", "4294967296", "99999999999999999999", "0.01", "1e9", "nan", "''", "::")


def _no_problem(_program: str) -> str:
    return ""


def _compile(text: str) -> None:
    compile_text(text, "x", "r1", "host", _OUTSIDE)


def _read(text: str) -> None:
    read(text, "x", "r1", str, [])


def _import(text: str) -> None:
    """What a haproxy.cfg becomes is read again and means the same."""
    made = compile_haproxy(text, "x", "r1")
    found = read(write_document({"r1": made}, "secrets", str).text, "x", "r1", str, [])
    assert {each.key: each for each in found} == {each.key: each for each in made.entities}


_TARGETS: Final[dict[str, Callable[[str], None]]] = {
    "keepalived": _compile,
    "haproxy": _import,
    "toml": _read,
}
_OUTSIDE: Final = Outside(str, Names((_NOWHERE,)), Machine("a", {"A": "x"}, _NOWHERE / "x"), str, _no_problem)


def target(compiled: Callable[[str], None]) -> Callable[[bytes], None]:
    """Make the function that is fuzzed; it raises when anything but an acceptance or a refusal comes out."""

    def one(body: bytes) -> None:
        try:
            compiled(body.decode("utf-8", "replace"))
        except ConfigError as error:
            lines = error.lines()
            assert lines
            for line in lines:
                assert _LINE.fullmatch(line) or line.endswith("; put these right first"), line

    return one


def mutate(body: bytes, longest: int, seed: int) -> bytes:
    """Change a word or a line, so that it stays nearly a configuration; or bytes, as libFuzzer does."""
    choice = random.Random(seed)
    lines = body.split(b"\n")
    at, other = choice.randrange(len(lines)), choice.randrange(len(lines))
    match choice.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3 | 4 | 5:
            words = re.split(rb"(\s+)", lines[at])
            words[choice.randrange(len(words))] = choice.choice(_MUTATIONS).encode()
            lines[at] = b"".join(words)
        case _:
            return cast(bytes, atheris.Mutate(body, longest))
    return b"\n".join(lines)[:longest]


_MUTATIONS: Final = (*_WORDS, *HOMES, *_NUMBERS, *_HAPROXY)


def _dictionary(words: Iterable[str], path: Path) -> None:
    lines = ['"' + word.replace("\\", "\\\\").replace("\n", "\\x0a") + '"' for word in words if word]
    path.write_text("\n".join(lines) + "\n")


def main(arguments: list[str]) -> None:
    """Fuzz a language; ends the process as libFuzzer does."""
    language, *options = arguments
    directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, path in enumerate(_SEEDS[language]):
        (directory / str(number)).write_bytes(path.read_bytes())
    dictionary = directory.with_suffix(".dict")
    _dictionary((*_WORDS, *HOMES, *_HAPROXY), dictionary)
    files = [option for option in options if not option.startswith("-")]
    seeds = [] if files else [os.fspath(directory)]
    limits = ["-timeout=10", "-rss_limit_mb=768", "-max_len=4096", f"-dict={dictionary}"]
    atheris.Setup([sys.argv[0], *limits, *options, *seeds], target(_TARGETS[language]), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
