"""``python -m vrrp_agent``: the election and the virtual addresses of one router."""

from __future__ import annotations

import sys

from vipbus.runtime.options import service_parser, settings_from
from vrrp_agent.service import run

if __name__ == "__main__":
    parser = service_parser(
        "vrrp-agent", "VRRP for one router: elects on the wire, owns the virtual addresses."
    )
    sys.exit(run(settings_from(parser.parse_args())))
