"""The whole text of a converted document: what it comes from, what was left out, and its tables. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from config_service.keepalived.compile import Configuration
from config_service.native.writer import toml
from config_service.native.writer.cluster import write_cluster
from config_service.native.writer.router import write_router
from config_service.native.writer.secret_names import SecretFile, SecretNames

_WIDE = 100


class Converted(msgspec.Struct, frozen=True):
    """A document, and the files of secrets that it refers to."""

    text: str
    secrets: tuple[SecretFile, ...]


def write_document(
    routers: Mapping[str, Configuration], secrets: str, value_of: Callable[[str], str]
) -> Converted:
    """Write the configurations of some routers as one document.

    ``secrets`` is the directory that it says its secrets are in, ``value_of`` gives them by reference.
    """
    names = SecretNames(secrets, value_of)
    tables = {router: write_router(one.entities, names) for router, one in routers.items()}
    head = [*_head(routers, names.files)]
    return Converted("\n".join(head) + "\n\n" + toml.document(write_cluster(tables)), names.files)


def _head(routers: Mapping[str, Configuration], secrets: Sequence[SecretFile]) -> Iterator[str]:
    sources = dict.fromkeys(one.source for one in routers.values())
    yield from _comment(f"Converted from {', '.join(map(_plain, sources))}.")
    if secrets:
        yield "#"
        yield from _comment(
            "Passwords and keys are not in here: each is the only line of a file of its own, with mode 0600."
        )
        for one in secrets:
            yield from _comment(f"{_plain(one.path)}: {_plain(one.what)}", "  ")
    # the same line of a file that two routers share is said once
    told = dict.fromkeys(warning for one in routers.values() for warning in one.warnings)
    if told:
        yield "#"
        yield from _comment("What the file says and this document does not, or says otherwise:")
        for warning in told:
            yield from _comment(_plain(f"{warning.file}:{warning.line}: {warning.text}"), "  ")


def _comment(text: str, indent: str = "") -> Iterator[str]:
    for number, line in enumerate(
        textwrap.wrap(text, _WIDE - 4 - len(indent), break_long_words=False, break_on_hyphens=False)
    ):
        yield f"# {indent}{'' if number == 0 else '  ' if indent else ''}{line}"


def _plain(text: str) -> str:
    """Write what may stand in a comment: no control characters."""
    return "".join(each if each.isprintable() else " " for each in text)
