"""haproxy-programmer as it is, which also notes when HAProxy had taken which commands.

``python -m tests.bench.proxy_programmer OUTPUT`` and haproxy-programmer's own options. A line of the output
is one batch of commands that was acknowledged: when (nanoseconds on the monotonic clock), and how many.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from haproxy_programmer import runtime
from haproxy_programmer.loop import work
from haproxy_programmer.options import parse
from vipbus.runtime.life import run


def main() -> int:
    """Run until killed."""
    output = Path(sys.argv[1]).open("a", buffering=1)  # noqa: SIM115  # as long as the process
    apply = runtime.apply

    async def noted(socket: Path, commands: Iterable[str]) -> tuple[str, ...]:
        given = tuple(commands)
        refused = await apply(socket, given)
        output.write(f"{time.monotonic_ns()} {len(given)}\n")
        return refused

    runtime.apply = noted
    settings, options = parse(sys.argv[2:])
    return run(
        "haproxy-programmer",
        settings,
        lambda life: work(life, options),
        waits_for=("a configuration", "the first write"),
    )


if __name__ == "__main__":
    sys.exit(main())
