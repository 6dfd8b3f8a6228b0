"""``check``: say whether a file would be accepted, and nothing else happens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from config_service.bundle import bundle_of
from config_service.load import load, routers_of
from config_service.problems import ConfigError, Problem
from vipbus.contracts.check_result import CheckResult, Found
from vipbus.runtime.life import EXIT_USAGE


def check(arguments: Sequence[str]) -> int:
    """Check a file: 0 and a summary on stdout, or 2 and on stderr each error with its place and line."""
    parser = argparse.ArgumentParser(prog="config-service check", description="Check a configuration file.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--router", metavar="NAME", help="the router it is for (default: all that the file names)"
    )
    parser.add_argument(
        "-i",
        "--config-id",
        metavar="ID",
        help="what the conditions @ID and @^ID of the file are compared with (default: the host's name)",
    )
    parser.add_argument(
        "--docker",
        action="store_true",
        help="real servers come from Docker's labels too: a virtual server without any stays",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--print-router", action="store_true", help="on success print only the router's name"
    )
    instead.add_argument(
        "--print-entities", action="store_true", help="on success print what it says, as a JSON array"
    )
    instead.add_argument(
        "--print-bundle", action="store_true", help="on success print the files that it is made of, as JSON"
    )
    instead.add_argument("--json", action="store_true", help="print what was found as one JSON document")
    options = parser.parse_args(arguments)
    alone = (
        options.router is not None or options.print_router or options.print_entities or options.print_bundle
    )
    try:
        routers: tuple[str | None, ...] = (options.router,)
        if not alone:
            routers = routers_of(options.file) or routers
        found = [
            load(options.file, router, config_id=options.config_id, empty_pools=options.docker)
            for router in routers
        ]
    except ConfigError as error:
        sys.stderr.write("\n".join(error.lines(excerpts=True)) + "\n")
        if options.json:
            _tell(CheckResult(accepted=False, errors=_found(error.problems)))
        return EXIT_USAGE
    # what routers share is told once
    for warning in dict.fromkeys(warning for each in found for warning in each.warnings):
        sys.stderr.write(f"{warning.file}:{warning.line}: warning: {warning.text}\n")
    if options.json:
        return _tell(
            CheckResult(
                accepted=True,
                router=", ".join(each.router for each in found),
                summary="; ".join(dict.fromkeys(each.summary for each in found)),
                warnings=_found(dict.fromkeys(warning for each in found for warning in each.warnings)),
            )
        )
    for configuration in found:
        if options.print_router:
            answer = configuration.router
        elif options.print_entities:
            answer = msgspec.json.encode(configuration.entities).decode()
        elif options.print_bundle:
            answer = msgspec.json.encode(bundle_of(options.file, configuration)).decode()
        else:
            whose = f"{configuration.router}: " if len(found) > 1 else ""
            answer = f"{configuration.source}: {whose}{configuration.summary}"
        sys.stdout.write(answer + "\n")
    return 0


def _found(problems: Iterable[Problem]) -> tuple[Found, ...]:
    return tuple(msgspec.convert(each, Found, from_attributes=True) for each in problems)


def _tell(result: CheckResult) -> int:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
    return 0
