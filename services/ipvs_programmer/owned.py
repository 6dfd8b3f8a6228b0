"""Which services are ours, in a file: what leaves the configuration while we are dead is still removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from ipvs_programmer.table import Key, MarkKey, ServiceKey
from vipbus.runtime.saved import Saved


class SavedKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A service's identity as a file has it: by its mark, or by protocol number, address and port."""

    protocol: int = 0
    address: str = ""
    port: int = 0
    family: int = 0
    mark: int = 0

    def __post_init__(self) -> None:
        if not (self.mark and self.family) and not (self.protocol and self.address):
            raise ValueError("neither a firewall mark nor an address")

    @classmethod
    def of(cls, key: Key) -> SavedKey:
        """Write it."""
        if isinstance(key, MarkKey):
            return cls(family=key.family, mark=key.mark)
        return cls(protocol=key.protocol, address=key.address, port=key.port)

    @property
    def key(self) -> Key:
        """Read it."""
        if self.mark:
            return MarkKey(self.family, self.mark)
        return ServiceKey(self.protocol, self.address, self.port)


class OwnedServices:
    """The services that we made or adopted and have not removed."""

    def __init__(self, path: Path) -> None:
        # what a damaged file named and nobody configures stays in the kernel: foreign is the safe guess
        self._saved: Saved[list[SavedKey]] = Saved(path, list[SavedKey], [], "which services are ours")
        self.keys: frozenset[Key] = frozenset(each.key for each in self._saved.value)

    def save(self, keys: Collection[Key]) -> None:
        """Own exactly these; call it before the kernel is written, so that nothing is made and forgotten."""
        wanted = frozenset(keys)
        if wanted == self.keys:
            return
        self.keys = wanted
        self._saved.save([SavedKey.of(key) for key in sorted(wanted, key=str)])

    def forget(self, keys: Iterable[Key]) -> None:
        """Own these no more: they are gone."""
        self.save(self.keys.difference(keys))
