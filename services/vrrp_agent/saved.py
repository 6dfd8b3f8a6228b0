"""The configuration that the agent last ran, in a file of its own: it elects before, and without, the bus."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from vipbus.contracts import VrrpConfiguration
from vipbus.runtime.files import write_atomically

log = logging.getLogger(__name__)

FILE_NAME = "vrrp-agent.state.json"


def load(directory: Path, router: str) -> VrrpConfiguration | None:
    """Read what the process before left; None when there is nothing of use for this router."""
    path = directory / FILE_NAME
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=VrrpConfiguration)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("saved state %s is not usable and is ignored: %s", path, error)
        return None
    if saved.router != router:
        log.warning("saved state %s is of router %s and is ignored", path, saved.router)
        return None
    return saved


def save(directory: Path, saved: VrrpConfiguration) -> None:
    """Write it; a failure is logged, since the election goes on without it."""
    try:
        write_atomically(directory / FILE_NAME, msgspec.json.encode(saved))
    except OSError as error:
        log.warning("state could not be saved in %s: %s", directory, error)
