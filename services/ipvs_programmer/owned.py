"""Which services are ours, in a file: what leaves the configuration while we are dead is still removed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from ipvs_programmer.table import Key, ServiceKey
from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)


class OwnedServices:
    """The services that we made or adopted and have not removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keys: frozenset[Key] = frozenset()
        try:
            self.keys = frozenset(msgspec.json.decode(path.read_bytes(), type=list[ServiceKey]))
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            # what it named and the configuration does not stays in the kernel: foreign is the safe guess
            log.warning("%s is not usable and is ignored: %s", path, error)

    def save(self, keys: Collection[Key]) -> None:
        """Own exactly these; call it before the kernel is written, so that nothing is made and forgotten."""
        wanted = frozenset(keys)
        if wanted == self.keys:
            return
        self.keys = wanted
        try:
            write_atomically(self._path, msgspec.json.encode(sorted(wanted, key=str)))
        except OSError as error:
            log.warning("which services are ours could not be saved in %s: %s", self._path, error)
