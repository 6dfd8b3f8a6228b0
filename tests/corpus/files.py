"""The corpus: which files there are, for which hosts they are read, and how."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from config_service.keepalived.compile import Configuration
from config_service.load import load
from vipbus.runtime.secrets import Secrets
from vipbus.runtime.settings import default_router

HERE: Final = Path(__file__).parent
FILES: Final = sorted(HERE.glob("*.conf"))
HOSTS: Final[Mapping[str, tuple[str, ...]]] = {"conditional-hosts": ("lb1", "lb2")}
"""Files that mean something else on each host."""
_MISSING: Final = "put it there before it is needed"
"""How a warning ends that says what this machine lacks."""


class AnyHost:
    """No host in particular: nothing is known of it."""

    schedulers: Collection[str] | None = None
    addresses: Collection[str] = ()
    tunnels: Collection[tuple[str, int]] = ()


class Case(NamedTuple):
    """A file as one host reads it."""

    path: Path
    host: str
    """Empty: any."""

    @property
    def name(self) -> str:
        """Of the case and of its golden file."""
        return f"{self.path.stem}@{self.host}" if self.host else self.path.stem


def cases() -> Iterator[Case]:
    """Give every file, as each of its hosts reads it."""
    for path in FILES:
        for host in HOSTS.get(path.stem, ("",)):
            yield Case(path, host)


class _Shown(Secrets):
    """Puts passwords where their references are, so that a golden file shows them."""

    def reference(self, value: str) -> str:
        return value


def read(case: Case) -> Configuration:
    """Compile a case."""
    return load(case.path, None, _Shown(None, bytes(32), {}), case.host, host=AnyHost())


def meaning(configuration: Configuration) -> bytes:
    """Write what a configuration says: an entity a line, without defaults and the router.

    What is missing on this machine is no part of it.
    """
    warnings = [
        f"{Path(one.file).name}:{one.line}: {one.text}"
        for one in configuration.warnings
        if not one.text.endswith(_MISSING)
    ]
    lines = [
        f'"router": {_json("" if configuration.router == default_router() else configuration.router)}',
        _list("warnings", warnings),
        _list("entities", [_said(entity) for entity in configuration.entities]),
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _list(name: str, values: Sequence[Any]) -> str:
    inside = ",\n".join(f"  {_json(value)}" for value in values)
    return f'"{name}": [\n{inside}\n]' if inside else f'"{name}": []'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _said(value: Any) -> Any:
    """Turn a struct into what it says beyond the defaults."""
    if isinstance(value, msgspec.Struct):
        tag = {"kind": value.__struct_config__.tag} if value.__struct_config__.tag else {}
        fields = {
            field.name: _said(found)
            for field in msgspec.structs.fields(value)
            if (found := getattr(value, field.name)) != _default(field) and field.name != "router"
        }
        return {**tag, **fields}
    return [_said(each) for each in value] if isinstance(value, tuple) else value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
