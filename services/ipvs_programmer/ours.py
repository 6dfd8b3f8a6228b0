"""What we made in the kernel beside services, in a file: it is taken away though we died in between."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec

from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)

DaemonName = Literal["master", "backup"]
Place = Literal["", "nft", "iptables"]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What stands, or may stand."""

    daemons: frozenset[DaemonName] = frozenset()
    """Sync daemons that we started or adopted."""
    rules: Place = ""
    """Where rules of masquerade are; empty: there are none."""
    flushed: str = ""
    """The boot of this host (random(4), boot_id) at which foreign services were removed."""


class Ours:
    """The last word of it, kept on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.made = Made()
        try:
            self.made = msgspec.json.decode(path.read_bytes(), type=Made)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            # what it named stays in the kernel: foreign is the safe guess
            log.warning("%s is not usable and is ignored: %s", path, error)

    def save(self, made: Made) -> None:
        """Keep it; call it before something is made, so that nothing is made and forgotten."""
        if made == self.made:
            return
        self.made = made
        try:
            write_atomically(self._path, msgspec.json.encode(made))
        except OSError as error:
            log.warning("what is ours in the kernel could not be saved in %s: %s", self._path, error)
