"""What the programmer is told on its command line or by its environment."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from vipbus.runtime.options import one_of, seconds, service_parser, settings_from, whole
from vipbus.runtime.settings import Settings, default_router

OnStop = Literal["remove", "keep"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The programmer's own settings."""

    router: str
    executable: str
    on_stop: OnStop = "remove"
    """What becomes of HAProxy when this process is stopped; a killed one leaves it running."""
    reload_interval: float = 2.0
    """Seconds between two reloads at least: each leaves an old worker behind until its connections end."""
    statistics_interval: float = 5.0
    """Seconds between two reads of HAProxy's statistics for the metrics."""
    server_metrics: int = 500
    """Members that have metrics of their own; pools and proxies always have."""
    user: str | None = None
    """Whom its workers run as; None: whoever starts it."""


def parse(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[Settings, Options]:
    """Read the command line; exits with status 2 and a line when it makes no sense."""
    parser = service_parser(
        "haproxy-programmer", "Keep a HAProxy what configuration, verdicts and operators say.", environ
    )
    parser.add_argument(
        "--haproxy",
        default=environ.get("VIPBUS_HAPROXY") or "haproxy",
        metavar="PROGRAM",
        help="the haproxy to run, 2.6 or newer (default %(default)s)",
    )
    parser.add_argument(
        "--on-stop",
        type=one_of("remove", "keep"),
        default=environ.get("VIPBUS_ON_STOP") or "remove",
        metavar="remove|keep",
        help="end HAProxy or leave it running when stopped (default %(default)s)",
    )
    parser.add_argument(
        "--reload-interval",
        type=seconds(0.1, 3600),
        default=environ.get("VIPBUS_RELOAD_INTERVAL") or "2",
        metavar="SECONDS",
        help="at least so long between two reloads; what comes meanwhile is one (default %(default)s)",
    )
    parser.add_argument(
        "--statistics-interval",
        type=seconds(0.1, 3600),
        default=environ.get("VIPBUS_STATISTICS_INTERVAL") or "5",
        metavar="SECONDS",
        help="between two reads of HAProxy's statistics for the metrics (default %(default)s)",
    )
    parser.add_argument(
        "--server-metrics",
        type=whole(0, 100_000),
        default=environ.get("VIPBUS_SERVER_METRICS") or "500",
        metavar="N",
        help="so many real servers have metrics of their own (default %(default)s)",
    )
    parsed = parser.parse_args(arguments)
    settings = settings_from(parsed)
    settings = msgspec.structs.replace(settings, router=settings.router or default_router())
    assert settings.router is not None  # noqa: S101  # set in the line before
    return settings, Options(
        router=settings.router,
        executable=shutil.which(parsed.haproxy) or parsed.haproxy,
        on_stop=parsed.on_stop,
        reload_interval=parsed.reload_interval,
        statistics_interval=parsed.statistics_interval,
        server_metrics=parsed.server_metrics,
        user=_user(),
    )


def _user() -> str | None:
    """Name the user that Debian's package makes, where root may choose it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("haproxy").pw_name
    except KeyError:
        return None
