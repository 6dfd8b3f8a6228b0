"""The options that every command has, and how values on the command line are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from vipbus.runtime.settings import DEFAULT_STATE_DIR, bus_url
from vipbus.telemetry.logs import LogFormat

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command finds the bus, and how it logs."""

    bus: str | None
    """A NATS URL; None: the embedded bus that the state directory tells of."""
    state_dir: Path
    log: LogFormat


class Read(click.ParamType[object]):
    """A value that a function reads; it raises ValueError with what is wrong."""

    def __init__(self, name: str, function: Callable[[str], object]) -> None:
        self.name = name
        self._function = function

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Read the text; a value that is none any more stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._function(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Name(click.ParamType[str]):
    """A name that the bus may know; a shell completes it."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Take any text: what is there is for the command to say."""
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Offer the names that begin so."""
        # a shell asks, no command does
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        from ctl.known_names import known_names  # noqa: PLC0415

        del param
        found = known_names(self.name, ctx.params.get("bus"), ctx.params.get("state_dir", DEFAULT_STATE_DIR))
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]


class Subject(click.ParamType[str]):
    """A subject of the history; a shell completes its first words."""

    name = "subject"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Offer the buckets and what has events."""
        # a shell asks, no command does
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        from vipbus.contracts import BUCKETS, EVENTS  # noqa: PLC0415

        del ctx, param
        states = [f"state.{bucket.name}" for bucket in BUCKETS]
        found = sorted({*states, *(f"event.{event.aggregate}" for event in EVENTS)})
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ValueError(f"{text!r} is no time (0 to 3600 seconds)")
    return seconds


_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DURATION = 31 * 86400.0


def _duration(text: str) -> float:
    number, unit = text.rstrip("abcdefghijklmnopqrstuvwxyz"), text.lstrip("0123456789.") or "s"
    try:
        seconds = float(number) * _UNITS[unit] if number.replace(".", "").isdigit() else -1.0
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_DURATION:
        raise ValueError(f"{text!r} is no time; write 60s, 5min or 1h, 31d at most")
    return seconds


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port (1 to 65535)")
    return int(text)


SECONDS = Read("seconds", _seconds)
"""A time to wait."""
DURATION = Read("time", _duration)
"""A time with its unit."""
PORT = Read("port", _port)
ROUTER = Name("router")
INSTANCE = Name("instance")
VIRTUAL_SERVER = Name("virtual-server")
REAL_SERVER = Name("real-server")
SUBJECT = Subject()
FILE = click.Path(path_type=Path)

_COMMON = (
    click.option(
        "--state-dir",
        type=FILE,
        default=DEFAULT_STATE_DIR,
        envvar="VIPBUS_STATE_DIR",
        show_default=True,
        metavar="DIR",
        help="Where state that survives a restart is kept.",
    ),
    click.option(
        "--bus",
        type=Read("url", bus_url),
        envvar="VIPBUS_BUS",
        metavar="URL",
        help="A NATS server to use instead of the embedded one.",
    ),
    click.option(
        "--log",
        type=click.Choice(("line", "json")),
        default="line",
        envvar="VIPBUS_LOG",
        show_default=True,
        help="How log lines look.",
    ),
)


def common(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that all have, last in its help; its function gets them as ``at``."""

    @wraps(function)
    def call(*, bus: str | None, state_dir: Path, log: LogFormat, **own: Any) -> int:
        return function(at=At(bus=bus, state_dir=state_dir, log=log), **own)

    made: Callable[..., int] = call
    for option in reversed(_COMMON):
        made = option(made)
    return made


Form = Literal["one", "array", "lines"]


class JsonOption(click.Option):
    """``--json``, which knows what is printed with it."""

    def __init__(self, *names: Any, shape: str, form: Form, **more: Any) -> None:
        super().__init__(*names, **more)
        self.shape = shape
        """``module:name`` of a struct, imported for docs/command.md alone."""
        self.form = form


def as_json(
    text: str, shape: str = "", form: Form = "one"
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add ``--json``; ``shape`` is the struct that is printed, ``module:name``, once or in an array."""
    return click.option("--json", "as_json", cls=JsonOption, is_flag=True, help=text, shape=shape, form=form)
