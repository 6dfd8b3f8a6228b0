"""The options of ``vipbus probe``."""

from __future__ import annotations

import argparse
from pathlib import Path

from vipbus.runtime.settings import add_common_options

PROBE = """Run the checks of VIRTUAL-SERVER now, once each, and print every step with its time. Verdicts are
not touched. A virtual server is named as `vipbus status` does (10.9.0.1:80 TCP), by address and port, or by
its token; a real server by address and port, or by its address alone where that is enough. Exit status 0: all
succeeded; 1: some failed; 2: something could not be tried, and the last line says why.
With -f the checks are those of FILE, which need not run, and no bus is asked."""


def add_probe(parser: argparse.ArgumentParser) -> None:
    """Give ``vipbus probe`` its options."""
    add_common_options(parser)
    parser.add_argument("-f", "--file", type=Path, metavar="FILE", help="the checks of this file")
    parser.add_argument(
        "virtual_server",
        metavar="VIRTUAL-SERVER",
        help="ADDRESS:PORT, 'ADDRESS:PORT TCP', 'FWM MARK', a group's name, or a token",
    )
    parser.add_argument("real_server", nargs="?", metavar="REAL-SERVER", help="only this one of its pool")
    parser.add_argument(
        "--from",
        dest="source",
        default="here",
        metavar="WHERE",
        help="here, all (every replica of health-prober), or one replica's name or how it begins "
        "(default %(default)s)",
    )
    parser.add_argument("--check", metavar="KIND", help="only checks of this kind: tcp, http, ...")
    parser.add_argument("--json", action="store_true", help="a JSON array, one ProbeReport a prober")
    parser.set_defaults(action=_probe)


def _probe(arguments: argparse.Namespace) -> int:
    from ctl import probe  # noqa: PLC0415  # the other commands start without it

    return probe.main(
        bus=arguments.bus,
        state_dir=arguments.state_dir,
        question=probe.Question(
            virtual_server=arguments.virtual_server,
            real_server=arguments.real_server,
            source=arguments.source,
            kind=arguments.check,
            file=arguments.file,
        ),
        as_json=arguments.json,
    )
