"""The kernel's identity of a service as the token that the bus has for its virtual server."""

from __future__ import annotations

import socket
from typing import Final

from ipvs_programmer.table import PROTOCOL_NUMBERS, Key, MarkKey
from vipbus.contracts import mark_token, virtual_server_token

_NAMES: Final = {number: name for name, number in PROTOCOL_NUMBERS.items()}


def token_of(key: Key) -> str:
    """Write it: ``10-9-0-1_80_tcp``, ``fwm-7_ipv4``."""
    if isinstance(key, MarkKey):
        return mark_token(key.mark, 6 if key.family == socket.AF_INET6 else 4)
    return virtual_server_token(key.address, key.port, _NAMES.get(key.protocol, str(key.protocol)))
