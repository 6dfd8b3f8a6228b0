"""Imports what writes route netlink messages: pyroute2, a tenth of a second.

More than one thread needs it at the start. Its modules import each other in circles, and two threads that go
round from different places end in Python's deadlock error, so one thread at a time comes here first.
"""

from __future__ import annotations

import importlib
import threading
from typing import Final

from vipbus.contracts import VrrpConfiguration

_MODULES: Final = ("ifaddrmsg", "rtmsg", "fibmsg", "ifinfmsg")
_turn = threading.Lock()


def needed(configuration: VrrpConfiguration) -> bool:
    """Say whether a router puts anything anywhere: one that has virtual servers alone does not."""
    settings = configuration.settings
    static = settings.static_addresses or settings.static_routes or settings.static_rules
    return bool(configuration.instances or static)


def load() -> None:
    """Import it all; any thread may do it, and waits while another does.

    Raises:
        ImportError: it is not installed.
    """
    with _turn:
        for name in _MODULES:
            importlib.import_module(f"pyroute2.netlink.rtnl.{name}")
