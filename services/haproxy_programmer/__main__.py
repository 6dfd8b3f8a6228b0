"""``python -m haproxy_programmer``."""

import sys

from haproxy_programmer.loop import work
from haproxy_programmer.options import parse
from vipbus.runtime.life import run

if __name__ == "__main__":
    settings, options = parse(sys.argv[1:])
    sys.exit(
        run(
            "haproxy-programmer",
            settings,
            lambda life: work(life, options),
            waits_for=("a configuration", "the first write"),
        )
    )
