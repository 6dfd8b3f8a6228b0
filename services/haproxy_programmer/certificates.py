"""Certificates that changed in their files, as commands (management.txt, ``set ssl cert``). Pure.

A change is a transaction of several commands, and HAProxy has one for all: one that fails is aborted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from haproxy_programmer.site import Site
from haproxy_programmer.writing import word


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where certificates are."""

    path: str
    listed: bool
    """True: of those that proxies show, a directory perhaps; False: a file that pools use."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    path: str
    directory: str
    """Empty: it stands in the configuration by itself."""
    digest: str
    body: str
    """Its blocks of PEM and nothing else."""


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the files."""

    certificates: tuple[Certificate, ...] = ()
    whole: frozenset[str] = frozenset()
    """Directories that were read whole: what is missing there is gone."""
    wrong: tuple[str, ...] = ()
    """What could not be read, and why."""

    @property
    def digests(self) -> dict[str, str]:
        """By path."""
        return {each.path: each.digest for each in self.certificates}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What brings one file."""

    path: str
    digest: str
    """Empty: it is gone."""
    commands: tuple[tuple[str, str], ...]
    """Each with what its answer has when it worked."""


def sources(site: Site) -> tuple[Source, ...]:
    """Give every place that a site's certificates are in, once."""
    listed = {bind.tls.certificates for proxy in site.proxies for bind in proxy.bind if bind.tls is not None}
    used = {pool.tls.certificate for pool in site.pools if pool.tls is not None and pool.tls.certificate}
    return (
        *(Source(path=path, listed=True) for path in sorted(listed)),
        *(Source(path=path, listed=False) for path in sorted(used - listed)),
    )


def changes(files: Files, held: Mapping[str, str], loaded: Collection[str]) -> Iterator[Change]:
    """Say what brings a worker to the files.

    ``held`` are the digests that it has, by path, where they are known; ``loaded`` the paths that it knows.

    Raises:
        UnwritableError: a path cannot be written.
    """
    for file in files.certificates:
        if held.get(file.path) != file.digest:
            commands = tuple(_brought(file, file.path in loaded))
            yield Change(path=file.path, digest=file.digest, commands=commands)
    for path in sorted(set(loaded) - files.digests.keys()):
        directory = path.rpartition("/")[0]
        if directory in files.whole:
            commands = (
                (f"del ssl crt-list {word(directory)} {word(path)}", "' deleted"),
                (_delete(path), "' deleted"),
            )
            yield Change(path=path, digest="", commands=commands)


def _brought(file: Certificate, known: bool) -> Iterator[tuple[str, str]]:
    path = word(file.path)
    if not known:
        yield f"new ssl cert {path}", "New empty"
    yield f"set ssl cert {path} <<\n{file.body}\n", "Transaction"
    yield f"commit ssl cert {path}", "Success!"
    if not known and file.directory:
        yield f"add ssl crt-list {word(file.directory)} {path}", "Success!"


def _delete(path: str) -> str:
    return f"del ssl cert {word(path)}"


def paths(answer: str) -> frozenset[str]:
    """Read the answer to ``show ssl cert``: the paths that are loaded, whatever is in a transaction."""
    return frozenset(line for line in answer.splitlines() if line.startswith("/"))
