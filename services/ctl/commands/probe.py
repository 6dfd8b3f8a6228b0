"""``vipbus probe``."""

from __future__ import annotations

from pathlib import Path

import click

from ctl.cli import command
from ctl.parameters import FILE, REAL_SERVER, VIRTUAL_SERVER, At, as_json, common


@command(
    "run checks now and show each step",
    """Run the checks of VIRTUAL-SERVER now, once each, and print every step with its time. Verdicts are not
    touched. A virtual server is named as `vipbus status` does (10.9.0.1:80 TCP), by address and port, as
    'FWM MARK', by its group's name, or by its token, a pool of proxies as 'pool NAME'; a real server by
    address and port, or by its address alone where that is enough. With -f the checks are those of FILE,
    which need not run, and no bus is asked.""",
    examples=(
        ("vipbus probe 10.9.0.1:80", "every check of its pool, from here"),
        ("vipbus probe 10.9.0.1:80 10.9.0.21 --from all", "one real server, from every prober"),
        ("vipbus probe 'pool app'", "the members of a pool of proxies"),
        ("vipbus probe -f new.conf 10.9.0.1:80", "before new.conf runs"),
    ),
    statuses={
        0: "all succeeded",
        1: "some failed",
        2: "FILE is refused, or there is no such virtual server, pool, real server or prober",
        3: "something could not be tried, and the last line says why",
    },
)
@click.option("-f", "--file", type=FILE, metavar="FILE", help="The checks of this file.")
@click.option(
    "--from",
    "source",
    default="here",
    show_default=True,
    metavar="WHERE",
    help="here, all (every replica of health-prober), or one replica's name or how it begins.",
)
@click.option("--check", "kind", metavar="KIND", help="Only checks of this kind: tcp, http, ...")
@as_json("A JSON array, one ProbeReport a prober.", "vipbus.contracts:ProbeReport", "array")
@click.argument("virtual_server", type=VIRTUAL_SERVER, metavar="VIRTUAL-SERVER")
@click.argument("real_server", type=REAL_SERVER, required=False, metavar="[REAL-SERVER]")
@common
def probe(
    *,
    at: At,
    virtual_server: str,
    real_server: str | None,
    source: str,
    kind: str | None,
    file: Path | None,
    as_json: bool,
) -> int:
    """Run the checks."""
    from ctl.probe import Question, main  # noqa: PLC0415

    return main(
        bus=at.bus,
        state_dir=at.state_dir,
        question=Question(
            virtual_server=virtual_server, real_server=real_server, source=source, kind=kind, file=file
        ),
        as_json=as_json,
    )
