"""Rules of nf_tables (nft(8)): no packet reaches an address that is not accepted, none betrays a virtual MAC.

Accept_Mode (RFC 9568 section 6.1): a router that does not own an address forwards what is sent to its MAC,
but takes nothing that is sent to the address itself, except neighbour discovery. The table stands from the
configuration on: an address that is not here is not input anyway, so nothing waits for it at a takeover.

Its chain comes after those of IPVS in the hook (98 and 99, just before source NAT): what a virtual server
balances is gone by then, and only the rest is dropped. So a virtual server works on an address with
no_accept; a real server that is this very host does not.

A backup is silent with its virtual MAC, or switches would send there what is for the active router. What a
macvlan says of its multicast groups leaves from the interface below instead.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
import time

from vipbus.runtime import packet_filter
from vipbus.runtime.packet_filter import PacketFilterError
from vipbus.runtime.poller import Poller
from vrrp_agent import netlink
from vrrp_agent.filters import TABLE, Below, Closed, accept_mode, silence
from vrrp_agent.worker import Worker

log = logging.getLogger(__name__)

_RETRY = 30.0
_NETLINK_NETFILTER, _GROUP_NFTABLES = 12, 7
_NEWTABLE, _GETTABLE, _DELTABLE = 0xA00, 0xA01, 0xA02
_FAMILIES = {"inet": 1, "ip": 2, "ip6": 10}
_NFTA_TABLE_NAME = 1
_NFGENMSG = 4
"""Bytes of the fixed part of a message."""
_WITHOUT = {
    "inet": "no_accept does not hold",
    "ip": "a backup's virtual MAC may be heard",
    "ip6": "a backup's virtual MAC may be heard",
}


class Firewall:
    """Keeps our tables as they should be, through nft in another thread; `problem` says why they are not."""

    def __init__(self, worker: Worker, poller: Poller) -> None:
        self.problem = ""
        self._worker = worker
        self._poller = poller
        self._wanted: tuple[Closed, Below] | None = None
        self._failed_at: float | None = None
        self._monitor: socket.socket | None = None

    def want(self, closed: Closed, below: Below = frozenset()) -> None:
        """Have these rules from now on."""
        again = self._failed_at is not None and time.monotonic() - self._failed_at > _RETRY
        if (closed, below) == self._wanted and not again:
            return
        self._wanted = (closed, below)
        if self._monitor is None and (closed or below):
            self._open_monitor()
        self._failed_at = None
        self._apply()

    def _apply(self) -> None:
        if self._wanted is not None:
            closed, below = self._wanted
            self._worker.submit(lambda: self._put(closed, below))

    def _put(self, closed: Closed, below: Below) -> None:
        problem = ""
        for family in ("inet", "ip", "ip6"):
            wanted = closed if family == "inet" else below
            if not wanted and not _exists(family):
                continue  # to make it and delete it would look like a loss
            try:
                if not wanted:
                    script = f"delete table {family} {TABLE}\n"
                else:
                    script = accept_mode(closed) if family == "inet" else silence(family, below)
                found = _nft(script)
            except ValueError as error:
                found = str(error)
            if found:
                what = (
                    "no_accept does not hold"
                    if family == "inet"
                    else "a virtual MAC may be heard of a backup"
                )
                problem = problem or f"{what}: {found}"
        if problem != self.problem and problem:
            log.error("%s", problem)
        self.problem = problem
        self._failed_at = time.monotonic() if problem else None

    # ---- others

    def _open_monitor(self) -> None:
        """Hear when somebody flushes the whole ruleset, as a reload of the host's own firewall does."""
        try:
            monitor = _netfilter_socket()
            monitor.bind((0, 1 << (_GROUP_NFTABLES - 1)))
        except OSError as error:
            log.debug("nf_tables is not watched: %s", error)
            return
        monitor.setblocking(False)
        self._monitor = monitor
        self._poller.add(monitor.fileno(), self._changed)

    def _changed(self) -> None:
        assert self._monitor is not None  # noqa: S101  # it is what became readable
        lost = False
        while True:
            try:
                data = self._monitor.recv(1 << 16)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    break
                lost = True  # messages were dropped, and it may have been among them
                continue
            lost = lost or removed(data)
        if lost and self._wanted is not None and any(self._wanted):
            self._apply()

    def close(self) -> None:
        """Take the tables away; the worker must still be finished."""
        self.want(frozenset(), frozenset())
        if self._monitor is not None:
            self._poller.remove(self._monitor.fileno())
            self._monitor.close()
            self._monitor = None


def removed(data: bytes) -> bool:
    """Say whether a datagram tells that one of our tables is gone."""
    return any(
        message.kind == _DELTABLE
        and netlink.text(dict(netlink.attributes(message.body, _NFGENMSG)).get(_NFTA_TABLE_NAME)) == TABLE
        for message in netlink.messages(data)
    )


def _netfilter_socket() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)


def _exists(family: str) -> bool:
    """Say whether our table is there, perhaps from a life before; without a process, and without nft."""
    body = bytes([_FAMILIES[family], 0, 0, 0])
    body += struct.pack("=HH", 4 + len(TABLE) + 1, _NFTA_TABLE_NAME) + TABLE.encode() + b"\0"
    body += bytes(-len(body) % 4)
    header = netlink.HEADER.pack(netlink.HEADER.size + len(body), _GETTABLE, netlink.NLM_F_REQUEST, 0, 0)
    try:
        with _netfilter_socket() as asking:
            asking.setblocking(False)
            asking.send(header + body)
            return any(each.kind == _NEWTABLE for each in netlink.messages(asking.recv(1 << 16)))
    except OSError:
        return False


def _nft(script: str) -> str:
    """Give nft a script; return why it did not take it, in words."""
    try:
        packet_filter.run(("nft", "-f", "-"), script, package="nftables")
    except PacketFilterError as error:
        return str(error)
    return ""
