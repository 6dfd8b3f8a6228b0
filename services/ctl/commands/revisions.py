"""``vipbus config diff``, ``apply``, ``confirm``, ``history``, ``show``, ``rollback``: a revision's life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from ctl.cli import command
from ctl.commands.operate import whoever
from ctl.parameters import DURATION, FILE, ROUTER, SECONDS, At, as_json, common

_CHANGED = {
    0: "done; with --wait every process that works from it holds it",
    2: "refused, with file:line: reason, or a conflict: another change came meanwhile",
    3: "the bus or config-service does not answer, or with --wait it is not held everywhere in time",
}
_LOOKED = {
    0: "shown",
    2: "there is no such router or revision",
    3: "the bus or config-service does not answer",
}

one_router = click.option(
    "--router", type=ROUTER, metavar="NAME", help="Only this router (default: all, or the only one there is)."
)
by = click.option("--by", metavar="NAME", help="Who says so (default: the login name and host).")
why = click.option("--why", default="", metavar="TEXT", help="The reason, for whoever asks later.")
wait = click.option("--wait", is_flag=True, help="Wait until every process that works from it holds it.")
within = click.option(
    "--within",
    type=SECONDS,
    default="30",
    show_default=True,
    metavar="SECONDS",
    help="How long --wait waits.",
)


def changing(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command what every change has: who, why, how long it is waited for."""
    for option in (by, why, within, wait, one_router):
        function = option(function)
    return function


@command(
    "what a file would change",
    """Compare FILE with what runs, entity by entity, and with the kernel's table of the router; nothing is
    changed. A vipbus.toml is compared on every router, a keepalived.conf on one.""",
    examples=(
        ("vipbus config diff new.conf", ""),
        ("vipbus config diff vipbus.toml --no-table", "without asking the kernel"),
        ("vipbus config diff new.conf --json | jq '.[].config.changes[].name'", ""),
    ),
    statuses={
        0: "nothing would change",
        1: "something would change",
        2: "FILE is refused, with file:line: reason, or there is no such router",
        3: "the bus or a service does not answer",
    },
)
@one_router
@click.option("--table/--no-table", default=True, help="Compare with the kernel's table too, or not.")
@as_json("An array, one DiffAnswer a router.", "ctl.answers:DiffAnswer", "array")
@common
@click.argument("file", type=FILE, metavar="FILE")
def diff(at: At, file: Path, router: str | None, *, table: bool, as_json: bool) -> int:
    """Print the differences."""
    from ctl import revision_look  # noqa: PLC0415

    return revision_look.diff(
        bus=at.bus, state_dir=at.state_dir, router=router, file=file, table=table, as_json=as_json
    )


@command(
    "have a file run",
    """Have FILE run instead of what runs, as a revision of its own: whole or not at all. It stays over
    restarts and reloads until another change, or until the router's own file says something new. It rests on
    the revision that runs now; if another change comes meanwhile, it is refused as a conflict.""",
    examples=(
        ("vipbus config apply new.conf --why 'two more servers' --wait", ""),
        (
            "vipbus config apply new.conf --for 60s",
            "rolled back unless `vipbus config confirm` comes",
        ),
        ("vipbus config apply new.conf --on 7", "only if revision 7, which was looked at, still runs"),
    ),
    statuses=_CHANGED,
)
@changing
@click.option(
    "--for",
    "confirm_within",
    type=DURATION,
    default="0",
    metavar="TIME",
    help="On trial: so long, then it is rolled back unless confirmed; 60s, 5min, 1h.",
)
@click.option(
    "--on",
    "rests_on",
    type=click.IntRange(min=0),
    metavar="REV",
    help="The revision that it rests on (default: the one that runs).",
)
@as_json("One ConfigAnswer.", "ctl.answers:ConfigAnswer")
@common
@click.argument("file", type=FILE, metavar="FILE")
def apply(
    *,
    at: At,
    file: Path,
    router: str | None,
    within: float,
    why: str,
    by: str | None,
    confirm_within: float,
    rests_on: int | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Apply a file."""
    from ctl import revision_change  # noqa: PLC0415

    return revision_change.apply(
        bus=at.bus,
        state_dir=at.state_dir,
        router=router,
        file=file,
        rests_on=rests_on,
        confirm_within=confirm_within,
        wait=within if wait else 0.0,
        by=whoever() if by is None else by,
        why=why,
        as_json=as_json,
    )


@command(
    "let a revision on trial stay",
    "Say that what was applied with --for may stay.",
    examples=(("vipbus config confirm", ""),),
    statuses={
        0: "it stays",
        2: "nothing is on trial",
        3: "the bus or config-service does not answer",
    },
)
@one_router
@by
@as_json("One ConfigAnswer.", "ctl.answers:ConfigAnswer")
@common
def confirm(at: At, router: str | None, by: str | None, *, as_json: bool) -> int:
    """Confirm."""
    from ctl import revision_change  # noqa: PLC0415

    return revision_change.confirm(
        bus=at.bus,
        state_dir=at.state_dir,
        router=router,
        by=whoever() if by is None else by,
        as_json=as_json,
    )


@command(
    "who changed what, when and why",
    "List the kept revisions of each router, newest first.",
    examples=(
        ("vipbus config history", ""),
        ("vipbus config history -n 5 --router lb1", ""),
    ),
    statuses=_LOOKED,
)
@one_router
@click.option(
    "-n",
    "most",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="So many of the newest; 0 is all.",
)
@as_json("An array, one ConfigHistory a router.", "vipbus.contracts.config_commands:ConfigHistory", "array")
@common
def history(at: At, router: str | None, most: int, *, as_json: bool) -> int:
    """List revisions."""
    from ctl import revision_look  # noqa: PLC0415

    return revision_look.history(
        bus=at.bus, state_dir=at.state_dir, router=router, most=most, as_json=as_json
    )


@command(
    "what a revision changed",
    "Show a kept revision: who, when, from where, why, and what it changed.",
    examples=(
        ("vipbus config show 7", ""),
        ("vipbus config show 7 --json | jq .entities", "all that it says"),
    ),
    statuses=_LOOKED,
)
@one_router
@as_json("One ShownRevision, with all entities.", "vipbus.contracts.config_commands:ShownRevision")
@common
@click.argument("revision", type=click.IntRange(min=1), metavar="REV")
def show(at: At, revision: int, router: str | None, *, as_json: bool) -> int:
    """Show a revision."""
    from ctl import revision_look  # noqa: PLC0415

    return revision_look.show(
        bus=at.bus, state_dir=at.state_dir, router=router, revision=revision, as_json=as_json
    )


@command(
    "have a revision of before run again",
    """Have what was said in revision REV run again, as a new revision; a trial ends with it. Real servers
    that Docker knows of stay those of now.""",
    examples=(("vipbus config rollback 6 --why 'checks fail' --wait", ""),),
    statuses=_CHANGED,
)
@changing
@as_json("One ConfigAnswer.", "ctl.answers:ConfigAnswer")
@common
@click.argument("revision", type=click.IntRange(min=1), metavar="REV")
def rollback(
    *,
    at: At,
    revision: int,
    router: str | None,
    within: float,
    why: str,
    by: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Roll back."""
    from ctl import revision_change  # noqa: PLC0415

    return revision_change.rollback(
        bus=at.bus,
        state_dir=at.state_dir,
        router=router,
        revision=revision,
        wait=within if wait else 0.0,
        by=whoever() if by is None else by,
        why=why,
        as_json=as_json,
    )
