"""Lists that a worker has from files, as commands when they change (management.txt, ``prepare acl``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from haproxy_programmer.site import Site
from haproxy_programmer.writing import word
from vipbus.contracts import Proxy

DRAINED: Final = "drained"
"""The one line that a list of `drained_list` may have."""
_VERSION: Final = re.compile(r"New version created: ([0-9]+)")
DIRECTORY: Final = "lists"


def deny_list(proxy: Proxy) -> str:
    """Name the file of who is not let in, from where the configuration is."""
    return f"{DIRECTORY}/{proxy.id}.deny"


def drained_list(proxy: Proxy) -> str:
    """Name the file that says whether the layer-4 tier in front was told to send nothing here any more."""
    return f"{DIRECTORY}/{proxy.id}.drained"


def contents(site: Site) -> dict[str, tuple[str, ...]]:
    """Give what each file has, a line each."""
    found = {deny_list(proxy): proxy.deny for proxy in site.proxies}
    for proxy in site.proxies:
        if proxy.monitor_drain:
            found[drained_list(proxy)] = (DRAINED,) if proxy.id in site.drained else ()
    return found


def text(lines: Iterable[str]) -> str:
    """Write a file.

    Raises:
        UnwritableError: a line cannot be written.
    """
    return "".join(f"{word(line)}\n" for line in lines)


def prepare(name: str) -> str:
    """Give the command that begins a new version; until it is committed the one of before counts.

    Raises:
        UnwritableError: the name cannot be written.
    """
    return f"prepare acl {word(name)}"


def version(answer: str) -> int | None:
    """Read the answer to `prepare`; None: it failed."""
    found = _VERSION.search(answer)
    return int(found[1]) if found is not None else None


def replaced(name: str, number: int, lines: Iterable[str]) -> Iterator[str]:
    """Give the commands that fill a version and make it the one that counts.

    Raises:
        UnwritableError: a line cannot be written.
    """
    for line in lines:
        yield f"add acl @{number} {word(name)} {word(line)}"
    yield f"commit acl @{number} {word(name)}"
