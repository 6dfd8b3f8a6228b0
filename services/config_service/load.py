"""Load a configuration file for a router."""

from __future__ import annotations

import gc
from pathlib import Path

from config_service.keepalived.compile import Configuration, compile_text
from config_service.problems import file_name
from config_service.source import read_text
from vipbus.runtime.settings import default_router


def load(path: Path, router: str | None) -> Configuration:
    """Read, validate and compile a file; ``router`` is the name given by option, if any.

    Raises:
        ConfigError: it is refused, with every reason.
    """
    text = read_text(path)
    collects = gc.isenabled()
    gc.disable()  # a large file makes a million objects and no cycles; collecting doubled the time
    try:
        return compile_text(text, file_name(path), router, default_router())
    finally:
        if collects:
            gc.enable()
