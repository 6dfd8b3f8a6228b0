"""Certificates as servers have them, good and bad, in files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

NAME = "web.example"
OTHER_NAMES = ("lb.example", "www.lb.example")


class Certificates:
    """Made by one authority in a directory; each is a path of a certificate with its chain and key."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self._stranger = trustme.CA()
        now = datetime.now(UTC)
        self.now = now
        self.ca = self._write("ca", self._authority.cert_pem)
        self.good = self._issue("good")
        self.expired = self._issue("expired", now - timedelta(days=90), now - timedelta(days=2))
        self.early = self._issue("early", now + timedelta(days=2), now + timedelta(days=90))
        self.soon = self._issue("soon", now - timedelta(days=90), now + timedelta(days=3, hours=1))
        self.other_name = self._write_leaf("other", self._authority.issue_cert(*OTHER_NAMES))
        self.unknown = self._write_leaf("unknown", self._stranger.issue_cert(NAME, "127.0.0.1"))
        self.self_signed = self._write("self", self._stranger.cert_pem, self._stranger.private_key_pem)
        self.client = self._write_leaf("client", self._authority.issue_cert("prober@web.example"))
        self.stranger = self._write_leaf("stranger", self._stranger.issue_cert("prober@web.example"))

    def _issue(self, file: str, begins: datetime | None = None, ends: datetime | None = None) -> Path:
        return self._write_leaf(
            file, self._authority.issue_cert(NAME, "127.0.0.1", not_before=begins, not_after=ends)
        )

    def renew_good(self, ends: datetime) -> None:
        """Put another certificate where the good one is."""
        self._issue("good", None, ends)

    def _write_leaf(self, file: str, leaf: trustme.LeafCert) -> Path:
        return self._write(file, *leaf.cert_chain_pems, leaf.private_key_pem)

    def _write(self, file: str, *blobs: trustme.Blob) -> Path:
        path = self._directory / f"{file}.pem"
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return path
