"""``python -m config_service``: check or convert files, or serve those of one or more routers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run the service, or ``check``, ``convert`` or ``schema``; return the exit status."""
    if arguments[:1] == ["check"]:
        from config_service.check import check  # noqa: PLC0415  # a check needs no bus

        return check(arguments[1:])
    if arguments[:1] == ["convert"]:
        from config_service.convert import convert  # noqa: PLC0415

        return convert(arguments[1:])
    if arguments[:1] == ["schema"]:
        from config_service.schema import schema  # noqa: PLC0415

        return schema(arguments[1:])
    # a reload that comes before the first reading is done by it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from config_service.service import WAITS_FOR, ConfigService  # noqa: PLC0415
    from config_service.sources import source  # noqa: PLC0415
    from vipbus.contracts.revisions import REVISIONS_KEPT  # noqa: PLC0415
    from vipbus.runtime import life  # noqa: PLC0415
    from vipbus.runtime.docker_host import docker_host  # noqa: PLC0415
    from vipbus.runtime.options import service_parser, settings_from  # noqa: PLC0415

    parser = service_parser("config-service", "Validate configuration files and publish them as revisions.")
    parser.add_argument(
        "--file",
        action="append",
        required=True,
        metavar="[ROUTER=]FILE",
        help="a router's configuration; may be given several times, once a router",
    )
    parser.add_argument(
        "-i",
        "--config-id",
        metavar="ID",
        help="what the conditions @ID and @^ID are compared with (default: ROUTER of ROUTER=FILE, else the "
        "host's name)",
    )
    parser.add_argument(
        "--docker",
        nargs="?",
        const="",
        default=os.environ.get("VIPBUS_DOCKER") or None,
        metavar="HOST",
        help="follow the labels of a Docker engine's containers; HOST is unix:///PATH or tcp://HOST:PORT, "
        "without it DOCKER_HOST, else the local socket (default: not at all)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        default=bool(os.environ.get("VIPBUS_WATCH")),
        help="read a file again when it, or what it includes, changes (default: on SIGHUP and on command)",
    )
    parser.add_argument(
        "--revisions-kept",
        type=number,
        default=os.environ.get("VIPBUS_REVISIONS_KEPT") or REVISIONS_KEPT,
        metavar="N",
        help=f"so many revisions of each router are kept (default {REVISIONS_KEPT})",
    )
    # of `vipbus run`: read the one file before all else, and write the router's name to this descriptor
    parser.add_argument("--announce", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        docker = docker_host(options.docker) if options.docker is not None else None
    except ValueError as error:
        parser.error(f"--docker: {error}")
    reading = None
    if options.announce is not None:
        from config_service.first_reading import NotReadError, read_first  # noqa: PLC0415

        try:
            reading = read_first(
                Path(options.file[0]), options.router, options.config_id, empty_pools=docker is not None
            )
        except NotReadError as error:
            return error.status
        os.write(options.announce, reading.router.encode())
        os.close(options.announce)
        options.router = reading.router
    settings = settings_from(options)
    kept = reading.kept if reading is not None else None
    sources = [source(option, settings.router, options.config_id, kept=kept) for option in options.file]
    del reading, kept  # of a large file these are megabytes, and the sources have what is needed of it

    async def work(alive: life.Life) -> None:
        keeps, watch = options.revisions_kept, options.watch
        await ConfigService(alive, sources, docker=docker, revisions_kept=keeps, watch=watch).run()

    return life.run("config-service", settings, work, waits_for=WAITS_FOR)


def number(text: str) -> int:
    """Read a number of revisions.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of revisions (1 to 100000)")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
