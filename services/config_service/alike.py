"""A real server that is like another one of its pool, at a place of its own. Pure."""

from __future__ import annotations

import msgspec

from vipbus.contracts import Check, RealServer, ScriptCheck


def aimed(check: Check, like: RealServer, address: str, port: int) -> Check:
    """Send to a real server what goes to the one that it is like; what goes elsewhere stays."""
    own_address, own_port = check.address == like.address, check.port == like.port
    found: Check = msgspec.structs.replace(
        check, address=address if own_address else check.address, port=port if own_port else check.port
    )
    if isinstance(found, ScriptCheck):
        words = tuple(address if word == like.address else word for word in found.program.arguments)
        return msgspec.structs.replace(found, program=msgspec.structs.replace(found.program, arguments=words))
    return found
