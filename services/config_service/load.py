"""Load a configuration file for a router."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from config_service.advice import remarks
from config_service.host import Host, ThisHost
from config_service.keepalived.compile import Configuration, compile_text, router_name
from config_service.keepalived.expand import Machine
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.outside import Outside
from config_service.native.document import Around, read, routers
from config_service.native.places import Places
from config_service.problems import Problem, file_name
from config_service.source import read_text
from config_service.unchanged import Bodies, Known
from vipbus.runtime.secrets import Secrets
from vipbus.runtime.settings import default_router


def default_config_id() -> str:
    """Give what conditions are compared with unless it is said: the first part of the host's name."""
    return socket.gethostname().partition(".")[0]


def load(
    path: Path,
    router: str | None,
    secrets: Secrets | None = None,
    config_id: str | None = None,
    *,
    empty_pools: bool = False,
    host: Host | None = None,
) -> Configuration:
    """Read, validate and compile a file; ``router`` is the name given by option, if any.

    A name that ends in ``.toml`` is of the native language, every other of keepalived's.

    ``secrets`` takes the passwords and keys; without it nobody can resolve the references. ``empty_pools``: a
    virtual server without real servers stays, for they come from elsewhere too. ``host`` is the one that it
    is to run on; this one, if none is given.

    Raises:
        ConfigError: it is refused, with every reason.
    """
    found = compiler(
        path, router, secrets or Secrets.in_memory(), config_id, empty_pools=empty_pools, host=host
    )
    return found(read_text(path))


def routers_of(path: Path) -> tuple[str, ...]:
    """Name the routers that a document of the native language is for; none: any, or it is of the other.

    Raises:
        ConfigError: it cannot be read.
    """
    return routers(read_text(path), file_name(path)) if path.suffix == ".toml" else ()


def load_encoded(
    path: Path,
    router: str | None,
    secrets: Secrets,
    known: Known,
    config_id: str | None = None,
    *,
    empty_pools: bool = False,
) -> tuple[Configuration, Bodies]:
    """As `load`, with every entity encoded; what is ``known`` from the time before is not looked at again.

    Raises:
        ConfigError: it is refused, with every reason.
    """
    return known.read(read_text(path), compiler(path, router, secrets, config_id, empty_pools=empty_pools))


def compiler(
    path: Path,
    router: str | None,
    secrets: Secrets,
    config_id: str | None = None,
    *,
    empty_pools: bool = False,
    host: Host | None = None,
) -> Callable[[str], Configuration]:
    """Give the function that compiles a file's text, and looks at what came of it; it raises ConfigError."""
    judged_on = host or ThisHost()

    def native(text: str) -> Configuration:
        name = router_name(router, None, default_router())
        warnings: list[Problem] = []
        around = Around(os.environ, path.parent)
        places = Places(text, file_name(path))
        entities = read(
            text,
            file_name(path),
            name,
            secrets.reference,
            warnings,
            around=around,
            places=places,
            empty_pools=empty_pools,
        )
        found = Configuration(name, file_name(path), entities, tuple(warnings), where=places)
        return _with_remarks(found, judged_on)

    def keepalived(text: str) -> Configuration:
        machine = Machine(default_config_id() if config_id is None else config_id, os.environ, path)
        outside = Outside(secrets.reference, Names(), machine, empty_pools=empty_pools)
        collects = gc.isenabled()
        gc.disable()  # a large file makes a million objects and no cycles; collecting doubled the time
        try:
            found = compile_text(text, file_name(path), router, default_router(), outside)
            return _with_remarks(found, judged_on)
        finally:
            if collects:
                gc.enable()

    return native if path.suffix == ".toml" else keepalived


def _with_remarks(configuration: Configuration, host: Host) -> Configuration:
    """Add what will run and perhaps not as it is meant, each with its place."""
    found = remarks(configuration.entities, host)
    problems: list[Problem] = []
    for one in found:
        place = configuration.where(one.entity, one.fields)
        problems.append(Problem(place.file, place.line, f"{place.word}: {one.words}"))

    def place_of(problem: Problem) -> tuple[bool, str, int]:
        return problem.file != configuration.source, problem.file, problem.line

    return msgspec.structs.replace(
        configuration,
        warnings=tuple(sorted((*configuration.warnings, *problems), key=place_of)),
        remarks=frozenset(one.text for one in found),
        noted=tuple(problems),
    )
