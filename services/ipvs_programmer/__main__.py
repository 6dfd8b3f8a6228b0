"""``python -m ipvs_programmer``."""

import sys

from ipvs_programmer.loop import work
from ipvs_programmer.options import parse
from vipbus.runtime.life import run
from vipbus.runtime.privileges import Capability, lay_aside

PROGRAMS = (Capability.CHOWN, Capability.KILL, Capability.SETGID, Capability.SETUID)
"""What running programs as other users takes; for the process that runs them alone."""

if __name__ == "__main__":
    settings, options = parse(sys.argv[1:])
    lay_aside(PROGRAMS)
    sys.exit(
        run(
            "ipvs-programmer",
            settings,
            lambda life: work(life, options),
            waits_for=("a configuration", "the first write"),
        )
    )
