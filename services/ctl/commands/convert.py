"""``vipbus config convert`` and ``vipbus config schema``: the native language, vipbus.toml."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from ctl.cli import command


@command(
    "convert keepalived.conf and haproxy.cfg to vipbus.toml",
    "Write one vipbus.toml for the keepalived.conf, the haproxy.cfg or both of one router, or of several as "
    "ROUTER=FILE. A haproxy.cfg is known by its first section. What routers share is written once, what "
    "differs below [router.NAME]; what was left out stands in comments. Passwords and keys are not in it: it "
    "refers to files, which stderr names; those of HAProxy are left out.",
    examples=(
        ("vipbus config convert /etc/keepalived/keepalived.conf", "a document for any router, on stdout"),
        ("vipbus config convert lb-a=a.conf lb-b=b.conf --output vipbus.toml", "one for both"),
        ("vipbus config convert keepalived.conf haproxy.cfg", "both tiers of a router in one document"),
        ("vipbus config convert lb-a=a.conf --output vipbus.toml --write-secrets", "with secrets/"),
    ),
    statuses={
        0: "done; warnings are on stderr",
        2: "a file was refused, with file:line:column: reason, or something is there already",
    },
)
@click.option("--output", metavar="FILE", help="Write it there; a file that is there is left alone.")
@click.option(
    "--secrets", metavar="DIR", help="Where it says that its secrets are (default: secrets, beside it)."
)
@click.option("--write-secrets", is_flag=True, help="Write them there, each in a file with mode 0600.")
@click.argument("files", metavar="[ROUTER=]FILE...", nargs=-1, required=True)
def convert(files: tuple[str, ...], output: str | None, secrets: str | None, write_secrets: bool) -> int:
    """Become config-service's convert."""
    options = [*(("--output", output) if output else ()), *(("--secrets", secrets) if secrets else ())]
    _become("convert", *options, *(("--write-secrets",) if write_secrets else ()), "--", *files)


@command(
    "print the JSON Schema of vipbus.toml",
    "Print the JSON Schema of vipbus.toml. With it an editor completes keys and marks mistakes: name it in "
    "the document's first line, #:schema ./vipbus.schema.json (Taplo, Even Better TOML).",
    examples=(("vipbus config schema > vipbus.schema.json", ""),),
    statuses={0: "done"},
)
def schema() -> int:
    """Become config-service's schema."""
    _become("schema")


def _become(*words: str) -> NoReturn:
    from ctl.children import python_module  # noqa: PLC0415

    found = python_module("config_service", *words)
    sys.stdout.flush()
    os.execv(found[0], found)  # noqa: S606  # this process becomes it
