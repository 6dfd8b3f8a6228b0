"""Owns a router's network namespace: does nothing until it is stopped, for which it needs no privilege.

    python -m demo.router eth1=10.91.1.11 eth2=10.91.2.11          wait for SIGTERM
    python -m demo.router check eth1=10.91.1.11 eth2=10.91.2.11    say whether the namespace is a router

The configuration names interfaces, and the engine numbers them by the order of the networks' names; the
check says when it did not.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import sys
from pathlib import Path

SIOCGIFADDR = 0x8915
"""netdevice(7): an interface's first IPv4 address."""
_IFREQ = "16s16x"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def first_address(interface: str) -> str:
    """Read an interface's first IPv4 address.

    Raises:
        OSError: there is no such interface, or it has none.
    """
    request = struct.pack(_IFREQ, interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, SIOCGIFADDR, request)
    return socket.inet_ntoa(answer[20:24])


def problems(expected: list[str]) -> list[str]:
    """Say what keeps this namespace from being the router that ``interface=address`` describes."""
    found = []
    for each in expected:
        interface, _, address = each.partition("=")
        try:
            has = first_address(interface)
        except OSError as error:
            found.append(f"{interface} should have {address}: {error.strerror}")
            continue
        if has != address:
            found.append(f"{interface} has {has} and should have {address}: see compose.yaml, networks")
    if _FORWARDING.read_text().strip() != "1":
        found.append("net.ipv4.ip_forward is 0: packets are not passed on to real servers")
    return found


def main(arguments: list[str]) -> int:
    """Wait, or check; return the exit status."""
    if arguments[:1] == ["check"]:
        found = problems(arguments[1:])
        print("\n".join(found) or "a router")
        return 1 if found else 0
    for problem in problems(arguments):
        print(problem, file=sys.stderr)
    # the first process of a namespace gets only the signals it asked for
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main(sys.argv[1:]))
