"""``vipbus install``."""

from __future__ import annotations

from pathlib import Path

import click

from ctl.cli import command


@command(
    "write systemd units for this host",
    """Write units that start vipbus at boot: one for all of it (`vipbus run`), or with --split one a service,
    on a bus of your own. Nothing is started, and what somebody changed is not written over.""",
    examples=(
        ("vipbus install --file /etc/vipbus/vipbus.toml", ""),
        ("vipbus install --split --bus nats://bus.example:4222 --router lb1", "one unit a service"),
        ("vipbus install --dry-run", "only say what would be written"),
    ),
    statuses={
        0: "the units are there",
        1: "they could not be written",
        2: "something else stands there, or a value is none",
    },
)
@click.option(
    "-f",
    "--file",
    default="/etc/keepalived/keepalived.conf",
    show_default=True,
    metavar="FILE",
    help="The configuration.",
)
@click.option("--split", is_flag=True, help="One unit a service; needs a bus.")
@click.option("--bus", metavar="URL", help="The NATS server, written to /etc/vipbus/vipbus.env.")
@click.option("--router", metavar="NAME", help="This router's name, written there too.")
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), metavar="DIR", help="Install below DIR."
)
@click.option("--force", is_flag=True, help="Write over units that say something else.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
def install(
    file: str, bus: str | None, router: str | None, root: Path, *, split: bool, force: bool, dry_run: bool
) -> int:
    """Write the units."""
    from ctl.install import Wish, main  # noqa: PLC0415

    wish = Wish(split=split, file=file, bus=bus, router=router)
    return main(wish, root=root, force=force, dry_run=dry_run)
