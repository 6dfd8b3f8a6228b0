"""Where relative names of certificates begin (configuration.txt, ``crt-base``, ``ca-base``)."""

from __future__ import annotations

from typing import NamedTuple


class Bases(NamedTuple):
    """The directories, empty where none is said: a name stays relative then, which no key takes."""

    crt: str = ""
    ca: str = ""

    def certificate(self, name: str) -> str:
        """Give the path of a certificate."""
        return _below(self.crt, name)

    def authority(self, name: str) -> str:
        """Give the path of a file of authorities."""
        return _below(self.ca, name)


def _below(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if base and not name.startswith("/") else name
