"""Pull a cable at a moment: route netlink on an open socket, where starting `ip` would take milliseconds."""

from __future__ import annotations

import os
import socket
import struct

from tests.lab.namespace import Namespace

_RTM_NEWLINK = 16
_NLM_F_REQUEST_ACK = 0x5
_IFF_UP = 0x1
_HEADER = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BxHiII")
_ERROR = struct.Struct("=i")


class Cable:
    """The switch's end of one cable."""

    def __init__(self, switch: Namespace, port: str) -> None:
        with switch.entered():
            self._netlink = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
            self._index = socket.if_nametoindex(port)

    def pull(self) -> None:
        """Take the port down, and return when the kernel has done it."""
        self._set(0)

    def plug(self) -> None:
        """Take it up again."""
        self._set(_IFF_UP)

    def _set(self, flags: int) -> None:
        body = _IFINFOMSG.pack(socket.AF_UNSPEC, 0, self._index, flags, _IFF_UP)
        header = _HEADER.pack(_HEADER.size + len(body), _RTM_NEWLINK, _NLM_F_REQUEST_ACK, 1, 0)
        self._netlink.send(header + body)
        (error,) = _ERROR.unpack_from(self._netlink.recv(4096), _HEADER.size)
        if error:
            raise OSError(-error, os.strerror(-error))

    def close(self) -> None:
        """Let go of it."""
        self._netlink.close()
