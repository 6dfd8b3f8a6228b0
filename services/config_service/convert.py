"""``convert``: keepalived.conf and haproxy.cfg, one or several, as one vipbus.toml.

What is there already is not touched.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from config_service.haproxy.compile import compile_text as compile_haproxy
from config_service.haproxy.sections import is_haproxy
from config_service.keepalived.compile import Configuration, router_name
from config_service.load import compiler
from config_service.native.writer.document import Converted, write_document
from config_service.native.writer.secret_names import SecretFile
from config_service.problems import ConfigError, file_name, quoted
from config_service.source import read_text
from vipbus.runtime.life import EXIT_USAGE
from vipbus.runtime.secrets import Secrets
from vipbus.runtime.settings import default_router

_SECRETS = "secrets"


class _CannotError(Exception):
    """Why it was not done, in one line."""


def convert(arguments: Sequence[str]) -> int:
    """Convert files: 0 and the document on stdout or in a file, or 2 and on stderr each error."""
    parser = argparse.ArgumentParser(
        prog="config-service convert", description="Convert keepalived.conf and haproxy.cfg to vipbus.toml."
    )
    parser.add_argument("files", nargs="+", metavar="[ROUTER=]FILE")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there (default: stdout)")
    parser.add_argument(
        "--secrets",
        default=_SECRETS,
        metavar="DIR",
        help="where the document says that its passwords and keys are (default: secrets, beside it)",
    )
    parser.add_argument(
        "--write-secrets", action="store_true", help="write them there, each in a file with mode 0600"
    )
    options = parser.parse_args(arguments)
    secrets = Secrets.in_memory()
    try:
        routers = _read(options.files, secrets)
        made = write_document(routers, options.secrets, secrets.value)
        beside = options.output.parent if options.output is not None else Path()
        secret_files = {beside / one.path: one for one in made.secrets} if options.write_secrets else {}
        # looked at before anything is written: all of it, or nothing
        for path in (*([options.output] if options.output is not None else []), *secret_files):
            if os.path.lexists(path):
                raise _there_already(path)
        _write_secrets(secret_files)
        _write(made, options.output)
    except ConfigError as error:
        sys.stderr.write("\n".join(error.lines(excerpts=True)) + "\n")
        return EXIT_USAGE
    except _CannotError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    sys.stderr.writelines(f"{line}\n" for line in _told(routers.values(), made, wrote=options.write_secrets))
    return 0


def _read(files: Sequence[str], secrets: Secrets) -> dict[str, Configuration]:
    found: dict[tuple[str, bool], Configuration] = {}
    problems: list[ConfigError] = []
    for said in files:
        router, equals, name = said.partition("=")
        path = Path(name if equals else said)
        if path.suffix == ".toml":
            raise _CannotError(
                f"{file_name(path)}: this is vipbus.toml already; name a keepalived.conf or haproxy.cfg"
            )
        try:
            text = read_text(path)
            of_haproxy = path.suffix == ".cfg" or is_haproxy(text)
            made = _compiled(path, text, router if equals else None, secrets, of_haproxy=of_haproxy)
        except ConfigError as error:
            problems.append(error)
            continue
        key = made.router, of_haproxy
        if key in found:
            raise _CannotError(
                f"{file_name(path)}: it is for {quoted(made.router)}, as {found[key].source} is; say "
                "which router each is for: lb-a=FILE lb-b=FILE"
            )
        found[key] = made
    if problems:
        raise ConfigError([problem for error in problems for problem in error.problems])
    return {router: _together(router, found) for router, _ in found}


def _compiled(
    path: Path, text: str, router: str | None, secrets: Secrets, *, of_haproxy: bool
) -> Configuration:
    if of_haproxy:
        return compile_haproxy(text, file_name(path), router_name(router, None, default_router()))
    # conditions are compared with the router's name, as on a host of that name
    return compiler(path, router, secrets, router)(text)


def _together(router: str, found: Mapping[tuple[str, bool], Configuration]) -> Configuration:
    """Give what a router's keepalived.conf and haproxy.cfg say, each where there is one."""
    its = [found[router, kind] for kind in (False, True) if (router, kind) in found]
    return Configuration(
        router,
        ", ".join(one.source for one in its),
        tuple(entity for one in its for entity in one.entities),
        tuple(warning for one in its for warning in one.warnings),
    )


def _write(made: Converted, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(made.text)
        return
    _write_new(output, made.text, 0o666)


def _write_secrets(files: Mapping[Path, SecretFile]) -> None:
    for path, one in files.items():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _CannotError(f"{file_name(path.parent)}: it cannot be made ({error.strerror})") from None
        _write_new(path, f"{one.value}\n", 0o600)


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there; one that is there may be somebody's."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, mode), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except FileExistsError:
        raise _there_already(path) from None
    except OSError as error:
        raise _CannotError(f"{file_name(path)}: it cannot be written ({error.strerror})") from None


def _there_already(path: Path) -> _CannotError:
    return _CannotError(f"{file_name(path)}: it is there already; remove it, or name another")


def _told(routers: Iterable[Configuration], made: Converted, *, wrote: bool) -> Iterable[str]:
    for one in routers:
        for warning in one.warnings:
            yield f"{warning.file}:{warning.line}: warning: {warning.text}"
    if made.secrets and not wrote:
        yield "make these files, each with its password or key as the only line and mode 0600:"
        yield from (f"  {one.path}: {one.what}" for one in made.secrets)
