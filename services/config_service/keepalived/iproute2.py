"""The names that iproute2 has for numbers: routing tables, protocols, scopes, traffic classes, groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from config_service.keepalived import values
from config_service.problems import RefusedError, quoted

Kind = Literal["rt_tables", "rt_protos", "rt_scopes", "rt_dsfield", "rt_realms", "group"]

DIRECTORIES: Final = (Path("/usr/share/iproute2"), Path("/etc/iproute2"))
"""A name in the later one counts."""
_LARGEST: Final = 1024 * 1024

_ALWAYS: Final[dict[Kind, dict[str, int]]] = {
    "rt_tables": {"default": 253, "main": 254, "local": 255},
    "rt_protos": {"redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "dhcp": 16, "keepalived": 18},
    "rt_scopes": {"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255},
    "rt_dsfield": {"default": 0},
    "rt_realms": {"cosmos": 0},
    "group": {"default": 0},
}
"""Known where there is no iproute2."""
_HIGHEST: Final[dict[Kind, int]] = {
    "rt_tables": 2**32 - 1,
    "rt_protos": 255,
    "rt_scopes": 255,
    "rt_dsfield": 255,
    "rt_realms": 65535,
    "group": 2**31 - 1,
}
_WORDS: Final[dict[Kind, str]] = {
    "rt_tables": "routing table",
    "rt_protos": "routing protocol",
    "rt_scopes": "scope",
    "rt_dsfield": "traffic class",
    "rt_realms": "realm",
    "group": "interface group",
}


class Names:
    """The names of this machine; each file is read when the first name is asked for."""

    def __init__(self, directories: Sequence[Path] = DIRECTORIES) -> None:
        self._directories = directories
        self._read: dict[Kind, dict[str, int]] = {}

    def number(self, kind: Kind, word: str) -> int:
        """Read a number or its name.

        Raises:
            RefusedError: the number is out of bounds, or nobody here knows the name.
        """
        if word[:1].isdigit():
            return values.number(word, 0, _HIGHEST[kind])
        if kind not in self._read:
            self._read[kind] = dict(self._all(kind))
        known = self._read[kind]
        if word not in known:
            raise RefusedError(
                f"{quoted(word)} is no {_WORDS[kind]} that this machine knows{values.near(word, known)}; "
                f"write its number, or enter it in /etc/iproute2/{kind}"
            )
        return known[word]

    def _all(self, kind: Kind) -> Iterator[tuple[str, int]]:
        yield from _ALWAYS[kind].items()
        for directory in self._directories:
            yield from _entries(directory / kind, _HIGHEST[kind])
            try:
                more = sorted((directory / f"{kind}.d").glob("*.conf"))
            except OSError:
                more = []
            for path in more:
                yield from _entries(path, _HIGHEST[kind])


def _entries(path: Path, highest: int) -> Iterator[tuple[str, int]]:
    """Read ``NUMBER NAME`` lines; what is no such line is passed over, as iproute2 does."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2:
            try:
                yield words[1], values.number(words[0], 0, highest)
            except RefusedError:
                continue
