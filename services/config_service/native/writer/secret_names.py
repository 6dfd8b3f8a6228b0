"""Which file each secret goes to: documents are shown to people, and passwords are not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vipbus.contracts import VrrpInstance, name_token


class SecretFile(msgspec.Struct, frozen=True):
    """A file that a document refers to."""

    path: str
    """As the document has it."""
    what: str
    """What it is to hold, in words."""
    value: str


class SecretNames:
    """Gives every secret one file, however often it is used."""

    def __init__(self, directory: str, value_of: Callable[[str], str]) -> None:
        """Take where the files are, as the document says it, and what references stand for."""
        self._directory = directory
        self._value_of = value_of
        self._found: dict[str, SecretFile] = {}

    @property
    def files(self) -> tuple[SecretFile, ...]:
        """All of them, in the order of their use."""
        return tuple(self._found.values())

    def password(self, instance: VrrpInstance, reference: str) -> dict[str, str]:
        """Refer to an instance's password."""
        name = name_token(instance.name)
        return self._refer(reference, f"{name}.auth_pass", f"auth_pass of {instance.name}")

    def key(self, instance: VrrpInstance, number: int, reference: str) -> dict[str, str]:
        """Refer to one of an instance's keys."""
        name = f"{name_token(instance.name)}.key-{number}"
        return self._refer(reference, name, f"key {number} of {instance.name}")

    def _refer(self, reference: str, name: str, what: str) -> dict[str, str]:
        if reference not in self._found:
            taken = {each.path for each in self._found.values()}
            path, number = f"{self._directory}/{name}", 2
            while path in taken:
                path, number = f"{self._directory}/{name}-{number}", number + 1
            self._found[reference] = SecretFile(path, what, self._value_of(reference))
        return {"file": self._found[reference].path}
