"""Reads certificates from their files, as HAProxy does (configuration.txt, ``crt``)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from haproxy_programmer.certificates import Certificate, Files, Source
from haproxy_programmer.writing import UnwritableError, word

LARGEST: Final = 15_000
"""Octets of a certificate with chain and key: HAProxy's buffer is 16384 (configuration.txt, tune.bufsize)."""
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n(?:[A-Za-z0-9+/=:,. -]+\n|\n)+?-----END \1-----")
_BESIDE: Final = (".key", ".ocsp", ".issuer", ".sctl")
"""HAProxy reads these with the certificate whose name they extend (ssl-load-extra-files)."""
_FILES_AT_MOST: Final = 10_000

_Stamp = tuple[int, int, int]


class _UnusableError(Exception):
    """A file that cannot be taken: which and why."""


def blocks(text: str) -> str:
    """Keep the blocks of PEM, without their empty lines: such a line would end a command's payload."""
    found = (match[0] for match in _BLOCK.finditer(text.replace("\r\n", "\n")))
    return "\n".join(line for block in found for line in block.split("\n") if line.strip())


class Reader:
    """Reads a file again when its time, size or inode is another."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[_Stamp, Certificate]] = {}

    def read(self, sources: tuple[Source, ...]) -> Files:
        """Read them all."""
        read: dict[str, tuple[_Stamp, Certificate]] = {}
        whole: set[str] = set()
        wrong: list[str] = []
        for source in sources:
            before = len(wrong), len(read)
            try:
                for path, directory in _names(source):
                    try:
                        read[str(path)] = self._one(path, directory)
                    except (_UnusableError, UnwritableError) as error:
                        wrong.append(str(error))
            except OSError as error:
                wrong.append(f"{source.path} cannot be read: {error.strerror}")
            # one without any file is taken for unreadable, not for empty
            if len(wrong) == before[0] and len(read) > before[1]:
                whole.add(source.path)
        self._read = read
        certificates = tuple(certificate for _, certificate in read.values())
        return Files(certificates=certificates, whole=frozenset(whole), wrong=tuple(wrong))

    def _one(self, path: Path, directory: str) -> tuple[_Stamp, Certificate]:
        word(str(path))
        status = path.stat()
        key = path.with_name(f"{path.name}.key")
        beside = key.stat() if directory and key.exists() else None
        newest = max(status.st_mtime_ns, beside.st_mtime_ns if beside is not None else 0)
        stamp = (newest, status.st_size + (beside.st_size if beside is not None else 0), status.st_ino)
        before = self._read.get(str(path))
        if before is not None and before[0] == stamp:
            return before
        if stamp[1] > 4 * LARGEST:
            raise _UnusableError(f"{path} is too long for a certificate")
        body = blocks(path.read_text("ascii", "replace"))
        if beside is not None and "PRIVATE KEY" not in body:
            body += "\n" + blocks(key.read_text("ascii", "replace"))
        if not body:
            raise _UnusableError(f"{path} has no certificate; remove it or put one there")
        if len(body) > LARGEST:
            raise _UnusableError(
                f"{path} has more than {LARGEST} octets of certificates, so it takes a reload"
            )
        digest = hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
        return stamp, Certificate(path=str(path), directory=directory, digest=digest, body=body)


def _names(source: Source) -> Iterator[tuple[Path, str]]:
    """Give the files of a source, each with its directory where that is what the configuration names.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(source.path)
    if not (source.listed and path.is_dir()):
        yield path, ""
        return
    found = [each for each in sorted(path.iterdir()) if _is_certificate(each.name) and each.is_file()]
    for each in found[:_FILES_AT_MOST]:
        yield each, source.path


def _is_certificate(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_BESIDE)
