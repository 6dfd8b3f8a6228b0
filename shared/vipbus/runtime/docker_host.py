"""Where a Docker engine listens, as an operator writes it. Pure, and without the SDK."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

DEFAULT: Final = "unix:///var/run/docker.sock"


def docker_host(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Read an engine's address; empty: ``DOCKER_HOST``, else the local socket.

    Raises:
        ValueError: it is no such thing.
    """
    host = text or environ.get("DOCKER_HOST") or DEFAULT
    try:
        parts = urlsplit(host)
        sound = (parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc) or (
            parts.scheme == "tcp" and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
        )
    except ValueError:
        sound = False
    if not sound or not host.isprintable() or " " in host:
        raise ValueError(
            f"{host[:100]!r} is no Docker engine that can be reached from here; write unix:///PATH or "
            "tcp://HOST:PORT"
        )
    return host
