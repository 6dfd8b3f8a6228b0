"""Generic netlink: a family is found by name, and each of its messages starts with a command."""

from __future__ import annotations

import errno
import struct
from typing import Final

from ipvs_programmer import constants as c
from ipvs_programmer.netlink import ANSWER_COST, NetlinkSocket, RefusedError
from ipvs_programmer.octets import MalformedError, attribute, attributes

_HEADER: Final = struct.Struct("=BBH")
HEADER_SIZE: Final = _HEADER.size


def command(number: int, version: int, body: bytes = b"") -> bytes:
    """Pack struct genlmsghdr and what follows."""
    return _HEADER.pack(number, version, 0) + body


def body(payload: bytes) -> memoryview:
    """Give what follows struct genlmsghdr.

    Raises:
        MalformedError: it is too short to have one.
    """
    if len(payload) < HEADER_SIZE:
        raise MalformedError("a generic netlink message without a header")
    return memoryview(payload)[HEADER_SIZE:]


def family(netlink: NetlinkSocket, name: str) -> int | None:
    """Find a family's number; None when this kernel has no such family.

    The kernel tries to load a module with the family's alias, where it can.

    Raises:
        NetlinkError: the kernel's answer is not one.
    """
    request = command(c.CTRL_CMD_GETFAMILY, 1, attribute(c.CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))
    answers = netlink.ask(c.GENL_ID_CTRL, [request], ANSWER_COST)
    if (refusal := answers.refused.get(0)) is not None:
        if refusal.number == errno.ENOENT:
            return None
        raise RefusedError(*refusal)
    if 0 not in answers.data:
        raise MalformedError(f"no answer about the family {name}")
    number = attributes(body(answers.data[0])).get(c.CTRL_ATTR_FAMILY_ID)
    if number is None or len(number) != 2:
        raise MalformedError(f"an answer without the number of the family {name}")
    return int(struct.unpack("=H", number)[0])
