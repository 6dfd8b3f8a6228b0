"""``vipbus install``: systemd units for this host, made for where this program stands.

What somebody changed is not written over. Nothing is started: the lines that are printed do that.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from ctl.exits import EXIT_NO, EXIT_WRONG
from vipbus.telemetry.logs import plain

ONE: Final = ("vipbus.service",)
"""One unit: `vipbus run`, with everything embedded."""
SPLIT: Final = (
    "vipbus.target",
    "vipbus-config-service.service",
    "vipbus-vrrp-agent.service",
    "vipbus-ipvs-programmer.service",
    "vipbus-haproxy-programmer.service",
    "vipbus-health-prober.service",
)
"""One unit a service, on a bus of your own."""
UNITS: Final = Path("etc/systemd/system")
ENVIRONMENT: Final = Path("etc/vipbus/vipbus.env")
_FILE: Final = "/etc/keepalived/keepalived.conf"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be installed."""

    split: bool = False
    file: str = _FILE
    bus: str | None = None
    router: str | None = None


class File(msgspec.Struct, frozen=True):
    """A file to be written, relative to the root of the host."""

    path: Path
    text: str
    secret: bool = False
    """True: it may hold a password, and is for root alone."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and what stands in its way."""

    write: tuple[File, ...] = ()
    same: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    """They exist and say something else."""


def plan(wanted: tuple[File, ...], found: Mapping[Path, str], *, force: bool) -> Plan:
    """Decide what to write; ``found`` is what stands where something is wanted.

    Never over what says something else, unless ``force`` says so; an environment file is never written over:
    it is made to be edited.
    """
    write: list[File] = []
    same: list[Path] = []
    changed: list[Path] = []
    for file in wanted:
        there = found.get(file.path)
        if there is None or (there != file.text and force and not file.secret):
            write.append(file)
        elif there == file.text or file.secret:
            same.append(file.path)
        else:
            changed.append(file.path)
    return Plan(write=tuple(write), same=tuple(same), changed=tuple(changed))


def wanted(wish: Wish, texts: Mapping[str, str], python: Path) -> tuple[File, ...]:
    """Make the files from the ``texts`` of the units; ``python`` runs this program now."""
    command = python.with_name("vipbus")
    files = [
        File(UNITS / name, _placed(texts[name], python, command, wish.file))
        for name in (SPLIT if wish.split else ONE)
    ]
    if not wish.split and wish.file.endswith(".toml"):
        files = [msgspec.structs.replace(each, text=_with_haproxy(each.text)) for each in files]
    if wish.split or wish.bus or wish.router:
        files.append(File(ENVIRONMENT, _environment(wish), secret=True))
    return tuple(files)


def _placed(text: str, python: Path, command: Path, file: str) -> str:
    """Put the programs and the file where they are on this host."""
    text = re.sub(
        r"^ExecStart=python3 ", lambda _: f"ExecStart={word(str(python))} ", text, flags=re.MULTILINE
    )
    text = re.sub(
        r"^ExecStart=vipbus ", lambda _: f"ExecStart={word(str(command))} ", text, flags=re.MULTILINE
    )
    return text.replace(f"run -f {_FILE}", f"run -f {word(file)}").replace(
        f"VIPBUS_FILE={_FILE}",
        f'"VIPBUS_FILE={_escaped(file)}"' if word(file) != file else f"VIPBUS_FILE={file}",
    )


def _with_haproxy(text: str) -> str:
    """Let the unit of `vipbus run` start HAProxy too, as it does with a vipbus.toml: its unit says why."""
    return text.replace("\nMemoryDenyWriteExecute=yes\n", "\nMemoryDenyWriteExecute=no\n")


def word(text: str) -> str:
    """Write one argument of a command line as systemd reads it (systemd.service(5), COMMAND LINES)."""
    text = _escaped(text).replace("$", "$$")
    return f'"{text}"' if re.search(r"[\s\"';]", text) else text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _environment(wish: Wish) -> str:
    lines = ["# Read by every unit of vipbus; systemctl restart takes a change over."]
    for name, value, example in (
        ("VIPBUS_BUS", wish.bus, "nats://127.0.0.1:4222"),
        ("VIPBUS_ROUTER", wish.router, "lb-a"),
    ):
        lines.append(f"{name}={_value(value)}" if value else f"#{name}={example}")
    return "\n".join(lines) + "\n"


def _value(text: str) -> str:
    """Write a value of an environment file (systemd.exec(5), EnvironmentFile=)."""
    if re.fullmatch(r"[\w./:@%+,=-]+", text):
        return text
    return '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'


def texts() -> dict[str, str]:
    """Read the units that came with this program."""
    here = Path(__file__).resolve().parent
    place = next(each for each in (here / "systemd", here.parents[1] / "deploy/systemd") if each.is_dir())
    return {name: (place / name).read_text() for name in (*ONE, *SPLIT)}


def main(wish: Wish, *, root: Path, force: bool, dry_run: bool) -> int:
    """Install; print what was done and what to do next; return the exit status."""
    for option, value in (("--file", wish.file), ("--bus", wish.bus), ("--router", wish.router)):
        if value is not None and not value.isprintable():
            print(f"vipbus install: {option} has characters in it that no unit can hold", file=sys.stderr)
            return EXIT_WRONG
    files = wanted(wish, texts(), Path(sys.executable))
    try:
        found = {each.path: (root / each.path).read_text() for each in files if (root / each.path).exists()}
        decided = plan(files, found, force=force)
        if decided.changed:
            for path in decided.changed:
                print(
                    f"vipbus install: {plain(str(root / path))} says something else; move your changes to "
                    f"`systemctl edit {path.name}`, then --force writes over it",
                    file=sys.stderr,
                )
            return EXIT_WRONG
        for file in decided.write:
            if not dry_run:
                _write(root / file.path, file)
            print(f"{'would write' if dry_run else 'wrote'} {plain(str(root / file.path))}")
        for path in decided.same:
            print(f"left {plain(str(root / path))} as it is")
    except (OSError, UnicodeDecodeError) as error:
        print(f"vipbus install: {plain(str(error))}; run it as root, or name another --root", file=sys.stderr)
        return EXIT_NO
    print("\n".join(_next(wish)))
    return 0


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600 if file.secret else 0o644)
    new.write_text(file.text)
    new.replace(path)


def _next(wish: Wish) -> list[str]:
    unit = "vipbus.target" if wish.split else "vipbus.service"
    lines = ["", "then:"]
    if wish.split and not wish.bus:
        lines.append(f"  edit /{ENVIRONMENT}              # which bus")
    return [
        *lines,
        f"  vipbus config check {wish.file}",
        "  systemctl daemon-reload",
        f"  systemctl enable --now {unit}",
        "  vipbus status",
    ]
