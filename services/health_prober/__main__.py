"""Entry point: ``python -m health_prober``."""

from __future__ import annotations

import os
import sys

from health_prober import probe_command
from health_prober.service import WAITS_FOR, Prober, default_id
from vipbus.runtime.life import Life, run
from vipbus.runtime.options import service_parser, settings_from
from vipbus.runtime.privileges import Capability, lay_aside

SCRIPTS = (Capability.KILL, Capability.SETGID, Capability.SETUID)
"""What running programs as other users takes; for the process that runs them alone."""


def main() -> int:
    """Run one replica of the prober; return its exit status."""
    parser = service_parser(
        "health-prober", "Checks real servers and writes verdicts; replicas share the work."
    )
    parser.add_argument(
        "--id",
        default=os.environ.get("VIPBUS_ID") or None,
        metavar="NAME",
        help="this replica's name, unlike any other's (default: made from host, process and chance)",
    )
    arguments = parser.parse_args()
    lay_aside(SCRIPTS)

    async def work(life: Life) -> None:
        name = arguments.id or default_id()
        prober = Prober(life, name)
        life.serve(probe_command.commands(name, lambda: prober.targets))
        await prober.run()

    return run("health-prober", settings_from(arguments), work, waits_for=WAITS_FOR)


if __name__ == "__main__":
    sys.exit(main())
