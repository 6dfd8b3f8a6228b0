"""What ipvsadm(8) says of the kernel, in our values: a witness that shares no code with what it bears out."""

from __future__ import annotations

import ipaddress
import re
import socket
import subprocess

from ipvs_programmer import constants as c
from ipvs_programmer.counters import Rates, Statistics
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.table import (
    Checksum,
    Counts,
    Destination,
    DestinationKey,
    Forwarding,
    Key,
    MarkKey,
    Pool,
    Service,
    ServiceKey,
    Tunnel,
    TunnelKind,
)

_PROTOCOLS = {"-t": 6, "-u": 17, "--sctp-service": 132}
_NAMES = {"TCP": 6, "UDP": 17, "SCTP": 132}
_METHODS = {"-m": Forwarding.NAT, "-g": Forwarding.DR, "-i": Forwarding.TUN}
_FLAGS = {
    "sh-fallback": c.IP_VS_SVC_F_SCHED1,
    "mh-fallback": c.IP_VS_SVC_F_SCHED1,
    "flag-1": c.IP_VS_SVC_F_SCHED1,
    "sh-port": c.IP_VS_SVC_F_SCHED2,
    "mh-port": c.IP_VS_SVC_F_SCHED2,
    "flag-2": c.IP_VS_SVC_F_SCHED2,
    "flag-3": c.IP_VS_SVC_F_SCHED3,
}
_CHECKSUMS = {"--tun-csum": Checksum.CSUM, "--tun-remcsum": Checksum.REMCSUM}

Row = tuple[Key, DestinationKey | None, list[int]]
"""A line of a list: a service, or one of its destinations, and the numbers beside it."""


def ipvsadm(*arguments: str) -> str:
    """Run it in this thread's network namespace."""
    done = subprocess.run(["ipvsadm", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def saved_table() -> dict[Key, Pool]:
    """Give the table as ``ipvsadm -Sn`` saves it, with the thresholds, which only a list has."""
    thresholds = {
        (key, of): numbers for key, of, numbers in rows(ipvsadm("-L", "-n", "--thresholds")) if of is not None
    }
    table: dict[Key, Pool] = {}
    pools: dict[Key, dict[DestinationKey, Destination]] = {}
    for line in ipvsadm("-Sn").splitlines():
        command, *words = line.split()
        key = _key(words)
        if command == "-A":
            pools[key] = {}
            table[key] = Pool(_service(key, words), pools[key])
        else:
            address = _destination_key(_after(words, "-r"))
            upper, lower, *_ = thresholds[key, address]
            pools[key][address] = Destination(
                key=address,
                forwarding=next(_METHODS[word] for word in words if word in _METHODS),
                weight=int(_after(words, "-w")),
                upper_threshold=upper,
                lower_threshold=lower,
                tunnel=_tunnel(words),
            )
    return table


def rows(listed: str) -> list[Row]:
    """Take a list with numbers apart, such as ``ipvsadm -L -n --stats --exact``."""
    found: list[Row] = []
    key: Key | None = None
    for line in listed.splitlines():
        words = line.split()
        if words[0] == "->" and key is not None:
            found.append((key, _destination_key(words[1]), [int(word) for word in words[2:]]))
        elif words[0] in _NAMES:
            address, port = _endpoint(words[1])
            key = ServiceKey(_NAMES[words[0]], address, port)
            found.append((key, None, [int(word) for word in words[2:] if word.isdigit()]))
        elif words[0] == "FWM":
            v6 = "IPv6" in words
            key = MarkKey(socket.AF_INET6.value if v6 else socket.AF_INET.value, int(words[1]))
            found.append((key, None, [int(word) for word in words[3 if v6 else 2 :] if word.isdigit()]))
    return found


def totals() -> dict[tuple[Key, DestinationKey | None], Statistics]:
    """Give the counters of services (None) and destinations, without their rates."""
    listed = rows(ipvsadm("-L", "-n", "--stats", "--exact"))
    return {(key, of): Statistics(**_named(numbers)) for key, of, numbers in listed}


def rates() -> dict[tuple[Key, DestinationKey | None], Rates]:
    """Give the rates of services (None) and destinations."""
    listed = rows(ipvsadm("-L", "-n", "--rate", "--exact"))
    return {(key, of): Rates(**_named(numbers)) for key, of, numbers in listed}


def counts() -> dict[tuple[Key, DestinationKey], Counts]:
    """Give the connections of destinations."""
    return {
        (key, of): Counts(active=numbers[2], inactive=numbers[3], persistent=numbers[1])
        for key, of, numbers in rows(ipvsadm("-L", "-n", "--persistent-conn", "--exact"))
        if of is not None
    }


def daemons() -> tuple[Daemon, ...]:
    """Give the sync daemons."""
    return tuple(
        Daemon(
            state=DaemonState[found[1].upper()],
            interface=found[2],
            sync_id=int(found[3]),
            sync_maxlen=int(found[4]),
            group=found[5],
            port=int(found[6]),
            ttl=int(found[7]),
        )
        for found in re.finditer(
            r"(\w+) sync daemon \(mcast=(\S+), syncid=(\d+), maxlen=(\d+), "
            r"group=(\S+), port=(\d+), ttl=(\d+)\)",
            ipvsadm("-L", "--daemon"),
        )
    )


def timeouts() -> Timeouts:
    """Give the timeouts."""
    tcp, tcp_fin, udp = ipvsadm("-L", "--timeout").partition(":")[2].split()
    return Timeouts(tcp=int(tcp), tcp_fin=int(tcp_fin), udp=int(udp))


def info() -> KernelInfo:
    """Give the first line of every list."""
    found = re.match(r"IP Virtual Server version (\S+) \(size=(\d+)\)", ipvsadm("-L", "-n"))
    assert found is not None
    return KernelInfo(version=found[1], connection_table_size=int(found[2]))


def _named(numbers: list[int]) -> dict[str, int]:
    names = ("connections", "packets_in", "packets_out", "bytes_in", "bytes_out")
    return dict(zip(names, numbers, strict=True))


def _after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def _destination_key(text: str) -> DestinationKey:
    return DestinationKey(*_endpoint(text))


def _key(words: list[str]) -> Key:
    if words[0] == "-f":
        return MarkKey(socket.AF_INET6.value if "-6" in words else socket.AF_INET.value, int(words[1]))
    return ServiceKey(_PROTOCOLS[words[0]], *_endpoint(words[1]))


def _service(key: Key, words: list[str]) -> Service:
    flags, timeout = 0, 0
    v4 = key.family == socket.AF_INET
    netmask = 0xFFFFFFFF if v4 else 128
    if "-p" in words:
        flags, timeout = c.IP_VS_SVC_F_PERSISTENT, int(_after(words, "-p"))
    if "-M" in words:
        mask = _after(words, "-M")
        netmask = int(ipaddress.IPv4Address(mask)) if v4 else int(mask)
    if "-o" in words:
        flags |= c.IP_VS_SVC_F_ONEPACKET
    if "-b" in words:
        for name in _after(words, "-b").split(","):
            flags |= _FLAGS[name]
    engine = _after(words, "--pe") if "--pe" in words else ""
    return Service(
        key=key,
        scheduler=_after(words, "-s"),
        flags=flags,
        timeout=timeout,
        netmask=netmask,
        engine=engine,
    )


def _tunnel(words: list[str]) -> Tunnel | None:
    if "--tun-type" not in words or _after(words, "--tun-type") == "ipip":
        return None
    checksum = next((_CHECKSUMS[word] for word in words if word in _CHECKSUMS), Checksum.NOCSUM)
    port = int(_after(words, "--tun-port")) if "--tun-port" in words else 0
    return Tunnel(TunnelKind[_after(words, "--tun-type").upper()], port, checksum)
