"""``python -m tests.corpus.golden``: compare the corpus with its golden files; ``--write`` writes them anew.

Whoever writes them reads the difference: a golden file says what its source means, not what the compiler did.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from config_service.haproxy.compile import compile_text
from config_service.native.writer.document import write_document
from tests.corpus.files import HERE, Case, cases, meaning, read

GOLDEN: Final = HERE / "golden"
HAPROXY: Final = HERE / "haproxy"


def golden(case: Case) -> Path:
    """Name the golden file of a case."""
    return GOLDEN / f"{case.name}.json"


def converted(path: Path) -> bytes:
    """Write what a haproxy.cfg of the corpus becomes."""
    made = compile_text(path.read_text(), path.name, "lb-a")
    return write_document({"lb-a": made}, "secrets", str).text.encode()


def golden_document(path: Path) -> Path:
    """Name what a haproxy.cfg of the corpus is to become."""
    return HAPROXY / "golden" / f"{path.stem}.toml"


def _every() -> Iterator[tuple[str, Path, bytes]]:
    for case in cases():
        yield case.name, golden(case), meaning(read(case))
    for path in sorted(HAPROXY.glob("*.cfg")):
        yield path.name, golden_document(path), converted(path)


def main(arguments: Sequence[str]) -> int:
    """Compare, or write; the exit status is 1 where something differs."""
    every = list(_every())
    different = 0
    for name, path, found in every:
        if path.exists() and path.read_bytes() == found:
            continue
        different += 1
        sys.stdout.write(f"{name} differs\n")
        if "--write" in arguments:
            path.write_bytes(found)
    there = {*GOLDEN.glob("*.json"), *(HAPROXY / "golden").glob("*.toml")}
    for path in there - {path for _, path, _ in every}:
        different += 1
        sys.stdout.write(f"{path.name} is of no file\n")
        if "--write" in arguments:
            path.unlink()
    return int(different > 0 and "--write" not in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
