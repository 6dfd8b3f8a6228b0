"""``python -m tests.corpus.golden``: compare the corpus with its golden files; ``--write`` writes them anew.

Whoever writes them reads the difference: a golden file says what its source means, not what the compiler did.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.corpus.files import HERE, Case, cases, meaning, read

GOLDEN: Final = HERE / "golden"


def golden(case: Case) -> Path:
    """Name the golden file of a case."""
    return GOLDEN / f"{case.name}.json"


def main(arguments: Sequence[str]) -> int:
    """Compare, or write; the exit status is 1 where something differs."""
    every = list(cases())
    different = 0
    for case in every:
        found, path = meaning(read(case)), golden(case)
        if path.exists() and path.read_bytes() == found:
            continue
        different += 1
        sys.stdout.write(f"{case.name} differs\n")
        if "--write" in arguments:
            path.write_bytes(found)
    for path in set(GOLDEN.glob("*.json")) - {golden(case) for case in every}:
        different += 1
        sys.stdout.write(f"{path.name} is of no file\n")
        if "--write" in arguments:
            path.unlink()
    return int(different > 0 and "--write" not in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
