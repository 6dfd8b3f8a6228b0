"""The files that config-service reads, each for a router, and what was found in each when read last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from config_service.cluster import Side, ties
from config_service.keepalived.compile import Configuration
from config_service.keeper import Keeper
from config_service.load import load_encoded
from config_service.revise import Desired, desire
from config_service.unchanged import Kept, Known
from vipbus.contracts import VrrpInstance
from vipbus.runtime.secrets import Secrets


class Source(msgspec.Struct):
    """One file, and the router it is for."""

    path: Path
    router: str | None
    """The name given by option; None: what the file says at its first good reading."""
    config_id: str | None = None
    """What conditions are compared with; None: the host's name."""
    keeper: Keeper | None = None
    refusal: str = ""
    """Why the file was refused when it was last read; empty when it was accepted."""
    warnings: tuple[str, ...] = ()
    """Of the file that was accepted last."""
    suspects: tuple[Path, ...] = ()
    """The files that are why it was refused."""
    known: Known = msgspec.field(default_factory=Known)
    said: Desired | None = None
    """As it was read last, encoded."""
    accepted: Configuration | None = None
    """As it was read last; of its virtual servers perhaps a part alone."""


def source(
    option: str, router: str | None, config_id: str | None = None, *, kept: Kept | None = None
) -> Source:
    """Read ``[ROUTER=]FILE``; a path with a slash before its ``=`` is a path.

    The conditions of a router's own file are about that router, unless ``config_id`` says otherwise. ``kept``
    is what is known of the file already.
    """
    name, equals, rest = option.partition("=")
    if equals and name and "/" not in name:
        return Source(Path(rest), name, name if config_id is None else config_id)
    return Source(Path(option), router, config_id, known=Known(kept))


def desired_of(one: Source, cause: str, secrets: Secrets, *, empty_pools: bool) -> Desired:
    """Read a file.

    Raises:
        ConfigError: it is refused.
    """
    configuration, bodies = load_encoded(
        one.path, one.router, secrets, one.known, one.config_id, empty_pools=empty_pools
    )
    one.accepted = configuration
    one.said = desire(configuration, cause, bodies, one.said)
    return one.said


def ties_of(sources: Sequence[Source]) -> list[str]:
    """Say which routers of those that are served here have one priority, each at its line."""
    found = {one.accepted.router: one.accepted for one in sources if one.accepted is not None}
    sides = [
        Side(router, [each for each in one.entities if isinstance(each, VrrpInstance)])
        for router, one in found.items()
    ]
    texts = []
    for tie in ties(sides):
        place = found[tie.router].where(tie.instance, ("priority",))
        texts.append(f"{place.file}:{place.line}: {place.word}: {tie.text}")
    return texts
