"""What the programmer is told on its command line or by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from vipbus.contracts import Standby
from vipbus.runtime.options import one_of, seconds, service_parser, settings_from
from vipbus.runtime.settings import Settings, default_router

OnStop = Literal["remove", "keep"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The programmer's own settings."""

    router: str
    standby: Standby = "clear"
    """What becomes of an instance's table while another router has the role."""
    on_stop: OnStop = "remove"
    """What becomes of our table when this process is stopped; a killed one leaves it as it is."""
    drift_interval: float = 1.0
    """Seconds between reads of what is ours in the kernel; longer where reads take over a twentieth."""


def parse(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> tuple[Settings, Options]:
    """Read the command line; exits with status 2 and a line when it makes no sense."""
    parser = service_parser(
        "ipvs-programmer", "Keep the kernel's IPVS table what configuration, verdicts and roles say.", environ
    )
    parser.add_argument(
        "--standby",
        type=one_of("clear", "warm"),
        default=environ.get("VIPBUS_STANDBY") or "clear",
        metavar="clear|warm",
        help="clear or keep the table while another router has the role (default %(default)s)",
    )
    parser.add_argument(
        "--on-stop",
        type=one_of("remove", "keep"),
        default=environ.get("VIPBUS_ON_STOP") or "remove",
        metavar="remove|keep",
        help="remove or keep our table when stopped (default %(default)s)",
    )
    parser.add_argument(
        "--drift-interval",
        type=seconds(0.05, 3600),
        default=environ.get("VIPBUS_DRIFT_INTERVAL") or "1",
        metavar="SECONDS",
        help="seconds between reads that look for changes by others (default %(default)s)",
    )
    parsed = parser.parse_args(arguments)
    settings = settings_from(parsed)
    settings = msgspec.structs.replace(settings, router=settings.router or default_router())
    assert settings.router is not None  # noqa: S101  # set in the line before
    return settings, Options(
        router=settings.router,
        standby=parsed.standby,
        on_stop=parsed.on_stop,
        drift_interval=parsed.drift_interval,
    )
