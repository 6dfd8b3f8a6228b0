"""``vipbus config``."""

from __future__ import annotations

import os
import sys

import click

from ctl.cli import command, group
from ctl.parameters import ROUTER, At, as_json, common

config = group(
    "look at a configuration, have it run, go back",
    {
        "check": "ctl.commands.config:check",
        "convert": "ctl.commands.convert:convert",
        "schema": "ctl.commands.convert:schema",
        "reload": "ctl.commands.config:reload",
        "diff": "ctl.commands.revisions:diff",
        "apply": "ctl.commands.revisions:apply",
        "confirm": "ctl.commands.revisions:confirm",
        "history": "ctl.commands.revisions:history",
        "show": "ctl.commands.revisions:show",
        "rollback": "ctl.commands.revisions:rollback",
    },
)


@command(
    "check a file",
    "Check FILE as config-service would read it, and change nothing; no bus is asked.",
    examples=(
        ("vipbus config check /etc/keepalived/keepalived.conf", ""),
        ("vipbus config check lb.conf --router lb1", "as lb1 would read it"),
        ("vipbus config check lb.conf -i backup", "with its lines for @backup"),
        ("vipbus config check lb.conf --json | jq -r '.errors[].line'", ""),
    ),
    statuses={
        0: "FILE would be accepted",
        2: "it would be refused: each error with file:line:column, the line, and the word",
    },
)
@click.option("--router", metavar="NAME", help="The router it is for (default: what the file says).")
@click.option(
    "-i",
    "--config-id",
    metavar="ID",
    help="What the conditions @ID and @^ID of the file are compared with (default: the host's name).",
)
@click.option("--docker", is_flag=True, help="Keep virtual servers whose real servers Docker's labels give.")
@as_json("One CheckResult; errors are on stderr too.", "vipbus.contracts.check_result:CheckResult")
@click.argument("file", metavar="FILE")
def check(file: str, router: str | None, config_id: str | None, *, docker: bool, as_json: bool) -> int:
    """Become config-service's check."""
    from ctl.children import python_module  # noqa: PLC0415

    named = ("--router", router) if router else ()
    named = (*named, *((f"--config-id={config_id}",) if config_id is not None else ()))
    flags = (*(("--docker",) if docker else ()), *(("--json",) if as_json else ()))
    words = python_module("config_service", "check", file, *named, *flags)
    sys.stdout.flush()
    os.execv(words[0], words)  # noqa: S606  # this process becomes the check


@command(
    "read the running configuration again",
    "Have config-service read its file again now, and say what became of it.",
    examples=(
        ("vipbus config reload", "on every router that is served"),
        ("vipbus config reload --router lb1", ""),
    ),
    statuses={
        0: "accepted",
        2: "refused, with file:line: reason",
        3: "the bus or config-service does not answer",
    },
)
@click.option(
    "--router", type=ROUTER, metavar="NAME", help="Only this router's (default: all that are served)."
)
@as_json("One ReloadResult.", "vipbus.contracts:ReloadResult")
@common
def reload(at: At, router: str | None, *, as_json: bool) -> int:
    """Reload the configuration."""
    from ctl.reload import main  # noqa: PLC0415

    return main(bus=at.bus, state_dir=at.state_dir, router=router, as_json=as_json)
