"""What a command prints: for people on a terminal or in a pipe, for programs, and what went wrong.

Colour is for a terminal alone, and never where ``NO_COLOR`` is set (https://no-color.org) or ``TERM`` is
``dumb``. It says nothing that words do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec

from vipbus.telemetry.logs import plain


def coloured(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether what is printed may have colours."""
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def write(text: str) -> None:
    """Print a whole text; a file name may hold what no encoding takes."""
    sys.stdout.buffer.write(text.encode(errors="replace"))
    sys.stdout.flush()


def write_json(document: object) -> None:
    """Print a document as JSON that people can read too."""
    write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def say(text: str) -> None:
    """Print one line now."""
    write(f"{plain(text)}\n")


def complain(command: str, text: str, status: int) -> int:
    """Say what went wrong, in one line after all that was printed; return the exit status."""
    sys.stdout.flush()
    sys.stderr.write(f"vipbus {command}: {plain(text)}\n")
    return status
