"""The process, and what its sections begin with (configuration.txt, ``global``, ``defaults``). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from haproxy_programmer.render.snippets import snippet
from haproxy_programmer.site import Place
from haproxy_programmer.writing import time, word
from vipbus.contracts import ProxySettings

_HARD_STOP: Final = 3600.0
"""Seconds that an old worker may live for the connections that it has."""


def process(place: Place, digest: str, settings: ProxySettings | None) -> Iterator[str]:
    """Write the section of the process.

    Raises:
        UnwritableError: a value cannot be written.
    """
    yield "global"
    yield f"    stats socket {word(str(place.socket))} mode 600 level admin"
    yield "    default-path config"
    yield f"    server-state-file {word(str(place.state))}"
    yield f"    set-var proc.gen str({word(digest)})"
    yield f"    maxconn {place.connections}"
    yield f"    hard-stop-after {time(_HARD_STOP)}"
    yield "    mworker-max-reloads 20"
    if place.user is not None:
        yield f"    user {word(place.user)}"
    if place.group is not None:
        yield f"    group {word(place.group)}"
    if settings is not None:
        yield from snippet("global", settings.global_snippet)


def defaults(settings: ProxySettings | None) -> Iterator[str]:
    """Write what every section begins with.

    Raises:
        UnwritableError: a snippet cannot be written.
    """
    yield ""
    yield "defaults"
    yield "    load-server-state-from-file global"
    yield "    option idle-close-on-response"  # a reload would cut a request on a kept connection
    yield "    option redispatch"
    yield "    timeout connect 5s"
    yield "    timeout client 50s"
    yield "    timeout server 50s"
    if settings is not None:
        yield from snippet("defaults", settings.defaults_snippet)


def settings(said: ProxySettings | None) -> Iterator[str]:
    """Give what of these two sections takes a reload.

    Raises:
        UnwritableError: a snippet cannot be written.
    """
    if said is not None:
        yield from snippet("global", said.global_snippet)
        yield from snippet("defaults", said.defaults_snippet)
