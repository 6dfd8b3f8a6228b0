"""Record what ipvsadm(8) and the kernel say to each other, message by message.

``python -m tests.lab.guest -- unshare -n .venv/bin/python -m tests.lab.record_ipvsadm FILE`` writes FILE,
which tests read where no kernel with IPVS is. An nlmon device shows every netlink message of the namespace.
"""

from __future__ import annotations

import platform
import shlex
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.unit.ipvs_programmer.ipvsadm_cases import CASES

_HEAD = """\
# What ipvsadm(8) asks and what the kernel answers, recorded with
#     python -m tests.lab.guest -- unshare -n .venv/bin/python -m tests.lab.record_ipvsadm FILE
# which runs each command line and listens on an nlmon device, in a network namespace where no packet passes.
# {version}; Linux {release}.
#
# "$" is a command line. ">" is a message that ipvsadm sent: the flags of its netlink header and, from the
# generic netlink header on, its octets. "<" is one that the kernel sent back. Left out: the question for the
# family's number and IPVS_CMD_GET_INFO with which every command starts (but for the first command's),
# acknowledgements, and the netlink headers, whose sequence and port numbers say nothing.
"""
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h: packets and those dropped
_ETH_P_ALL = 3
_NETLINK_GENERIC = 16
_NLM_F_REQUEST = 1
_GENL_ID_CTRL, _GET_INFO = 0x10, 15


def heard(tap: socket.socket) -> Iterator[bytes]:
    """Give the generic netlink messages that passed."""
    while True:
        try:
            octets, (_interface, protocol, *_rest) = tap.recvfrom(65536)
        except BlockingIOError:
            return
        offset = 0
        while protocol == _NETLINK_GENERIC and offset < len(octets):
            (length,) = struct.unpack_from("=I", octets, offset)
            yield octets[offset : offset + length]
            offset += (length + 3) & ~3


def lines(tap: socket.socket, *, with_info: bool) -> Iterator[str]:
    """Give the recorded lines of a command."""
    skipped = False
    for message in heard(tap):
        _length, kind, flags = struct.unpack_from("=IHH", message)
        if kind <= _GENL_ID_CTRL:
            continue
        payload, asks = message[16:], flags & _NLM_F_REQUEST
        if asks:
            skipped = payload[0] == _GET_INFO and not with_info
        if not skipped:
            yield f"> {flags:#06x} {payload.hex()}" if asks else f"< {payload.hex()}"


def main() -> None:
    """Record."""
    for command in (
        "ip link set lo up",
        "ip link add lab0 type dummy",
        "ip address add 10.9.9.1/24 dev lab0",
        # without a route the kernel takes no destination for a unicast address
        "ip address add fd00::9/64 dev lab0 nodad",
        "ip link set lab0 up multicast on",
        "ip link add nlmon0 type nlmon",
        "ip link set nlmon0 up",
    ):
        subprocess.run(command.split(), check=True)
    version = subprocess.run(["ipvsadm", "--version"], capture_output=True, text=True, check=True).stdout
    out = [_HEAD.format(version=version.strip(), release=platform.release())]
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    tap.bind(("nlmon0", _ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 * 1024 * 1024)
    tap.setblocking(False)
    for number, (command, *_) in enumerate(CASES):
        list(heard(tap))
        done = subprocess.run(
            ["ipvsadm", *shlex.split(command)], capture_output=True, text=True, check=False, timeout=20
        )
        if done.returncode != 0:
            sys.exit(f"ipvsadm {command}: {done.stderr}")
        out += [f"$ ipvsadm {command}", *lines(tap, with_info=number == 0)]
    _packets, dropped = struct.unpack("=II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    if dropped:
        sys.exit(f"{dropped} messages were not heard")
    Path(sys.argv[1]).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
