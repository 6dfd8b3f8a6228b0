"""docs/benchmarks.md: each benchmark owns one marked section and replaces only that."""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = """\
# Benchmarks
Each section is written by the benchmark that it names, vipbus and its peer (keepalived, HAProxy) side by side
in one run on one network. Other machines give other figures: what carries over are the ratios. `make
bench-failover bench-jitter bench-idle bench-prober bench-reaction bench-table bench-config bench-proxy`
measures them again.
"""


def write_section(path: Path, name: str, text: str) -> None:
    """Put a benchmark's section in the place of its former one, or at the end."""
    document = path.read_text() if path.exists() else _HEAD
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if old.search(document):
        document = old.sub(lambda _: section, document)
    else:
        document = f"{document.rstrip()}\n\n{section}\n"
    path.write_text(document)
