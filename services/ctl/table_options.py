"""The options of ``vipbus table``."""

from __future__ import annotations

import argparse

from vipbus.runtime.settings import add_common_options

TABLE = """Print the kernel's IPVS table of each router as ipvsadm(8) lists it, with what vipbus knows of it:
where each weight comes from, each verdict with its cause, the quorum, and what an operator said. Connections
and rates are read from the kernel at this moment; the rates are its own estimate over the last seconds. With
--live they are measured between two reads a second apart: in a terminal the table is drawn anew each second
until ctrl-C, in a pipe it is printed once. Exit status 0; 2: there is no such router or virtual server; 3:
not every kernel was read, and what was last heard is shown."""
EXAMPLES = """examples:
  vipbus table                            every virtual server on every router
  vipbus table 10.9.0.1:80 --live         one, with rates by the second
  vipbus table --router lb1 --json | jq '.[].virtual_servers[].real_servers[] | select(.verdict == "down")'"""


def add_table(parser: argparse.ArgumentParser) -> None:
    """Give ``vipbus table`` its options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    add_common_options(parser)
    parser.add_argument(
        "virtual_server",
        nargs="?",
        metavar="VIRTUAL-SERVER",
        help="only this one: ADDRESS:PORT, 'ADDRESS:PORT TCP', 'FWM 7', or its token",
    )
    parser.add_argument("--live", action="store_true", help="rates between two reads, again each second")
    parser.add_argument("--router", metavar="ROUTER", help="only this router's (default: all)")
    parser.add_argument("--json", action="store_true", help="a JSON array, one object a router; printed once")
    parser.set_defaults(action=_table)


def _table(arguments: argparse.Namespace) -> int:
    from ctl import table  # noqa: PLC0415  # the other commands start without it

    return table.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        question=table.Question(
            virtual_server=arguments.virtual_server, router=arguments.router, live=arguments.live
        ),
        as_json=arguments.json,
    )
