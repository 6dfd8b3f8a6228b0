"""``python -m ipvs_programmer``."""

import sys

from ipvs_programmer.loop import work
from ipvs_programmer.options import parse
from vipbus.runtime.life import run

if __name__ == "__main__":
    settings, options = parse(sys.argv[1:])
    sys.exit(
        run(
            "ipvs-programmer",
            settings,
            lambda life: work(life, options),
            waits_for=("a configuration", "the first write"),
        )
    )
