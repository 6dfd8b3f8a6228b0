"""What stands beside the table: sync daemons, timeouts, the kernel's own facts; in pairs."""

from __future__ import annotations

import socket

from ipvs_programmer import constants as c
from ipvs_programmer.codec.fields import U8, U16, U32, address, needed, number, number_or, text
from ipvs_programmer.namespace import Daemon, DaemonState, KernelInfo, Timeouts
from ipvs_programmer.octets import MalformedError, attribute, attributes

# ---- sync daemons


def pack_daemon(daemon: Daemon) -> bytes:
    """Pack a daemon as the attribute IPVS_CMD_ATTR_DAEMON; what is the kernel's choice is left out.

    The port stands in the host's byte order here, unlike those of services and destinations.
    """
    body = (
        attribute(c.IPVS_DAEMON_ATTR_STATE, U32.pack(daemon.state))
        + attribute(c.IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface.encode() + b"\0")
        + attribute(c.IPVS_DAEMON_ATTR_SYNC_ID, U32.pack(daemon.sync_id))
    )
    if daemon.sync_maxlen:
        body += attribute(c.IPVS_DAEMON_ATTR_SYNC_MAXLEN, U16.pack(daemon.sync_maxlen))
    if ":" in daemon.group:
        body += attribute(c.IPVS_DAEMON_ATTR_MCAST_GROUP6, socket.inet_pton(socket.AF_INET6, daemon.group))
    elif daemon.group:
        body += attribute(c.IPVS_DAEMON_ATTR_MCAST_GROUP, socket.inet_pton(socket.AF_INET, daemon.group))
    if daemon.port:
        body += attribute(c.IPVS_DAEMON_ATTR_MCAST_PORT, U16.pack(daemon.port))
    if daemon.ttl:
        body += attribute(c.IPVS_DAEMON_ATTR_MCAST_TTL, U8.pack(daemon.ttl))
    return attribute(c.IPVS_CMD_ATTR_DAEMON, body)


def unpack_daemon(body: memoryview) -> Daemon:
    """Read a daemon out of a message's attributes; kernels before 4.3 say no more than state and interface.

    Raises:
        MalformedError: it is none.
    """
    found = attributes(needed(attributes(body), c.IPVS_CMD_ATTR_DAEMON))
    group = ""
    if c.IPVS_DAEMON_ATTR_MCAST_GROUP in found:
        group = address(found[c.IPVS_DAEMON_ATTR_MCAST_GROUP], socket.AF_INET)
    elif c.IPVS_DAEMON_ATTR_MCAST_GROUP6 in found:
        group = address(found[c.IPVS_DAEMON_ATTR_MCAST_GROUP6], socket.AF_INET6)
    return Daemon(
        state=_state(number(found, c.IPVS_DAEMON_ATTR_STATE, U32)),
        interface=text(needed(found, c.IPVS_DAEMON_ATTR_MCAST_IFN)),
        sync_id=number(found, c.IPVS_DAEMON_ATTR_SYNC_ID, U32),
        sync_maxlen=number_or(found, c.IPVS_DAEMON_ATTR_SYNC_MAXLEN, U16, 0),
        group=group,
        port=number_or(found, c.IPVS_DAEMON_ATTR_MCAST_PORT, U16, 0),
        ttl=number_or(found, c.IPVS_DAEMON_ATTR_MCAST_TTL, U8, 0),
    )


def pack_daemon_state(state: DaemonState) -> bytes:
    """Pack which daemon is meant as the attribute IPVS_CMD_ATTR_DAEMON."""
    return attribute(c.IPVS_CMD_ATTR_DAEMON, attribute(c.IPVS_DAEMON_ATTR_STATE, U32.pack(state)))


def unpack_daemon_state(body: memoryview) -> DaemonState:
    """Read which daemon is meant; as `unpack_daemon`."""
    found = attributes(needed(attributes(body), c.IPVS_CMD_ATTR_DAEMON))
    return _state(number(found, c.IPVS_DAEMON_ATTR_STATE, U32))


def _state(value: int) -> DaemonState:
    try:
        return DaemonState(value)
    except ValueError:
        raise MalformedError(f"a sync daemon in the state {value}") from None


# ---- timeouts


def pack_timeouts(timeouts: Timeouts) -> bytes:
    """Pack timeouts as a message's attributes; one that is 0 stays as it is."""
    return (
        attribute(c.IPVS_CMD_ATTR_TIMEOUT_TCP, U32.pack(timeouts.tcp))
        + attribute(c.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, U32.pack(timeouts.tcp_fin))
        + attribute(c.IPVS_CMD_ATTR_TIMEOUT_UDP, U32.pack(timeouts.udp))
    )


def unpack_timeouts(body: memoryview) -> Timeouts:
    """Read timeouts; a kernel without TCP or UDP in its IPVS leaves theirs out.

    Raises:
        MalformedError: they are not readable.
    """
    found = attributes(body)
    return Timeouts(
        tcp=number_or(found, c.IPVS_CMD_ATTR_TIMEOUT_TCP, U32, 0),
        tcp_fin=number_or(found, c.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, U32, 0),
        udp=number_or(found, c.IPVS_CMD_ATTR_TIMEOUT_UDP, U32, 0),
    )


# ---- facts


def pack_info(info: KernelInfo) -> bytes:
    """Pack what the kernel says of itself, as it does."""
    major, minor, patch = (int(each) for each in info.version.split("."))
    return attribute(c.IPVS_INFO_ATTR_VERSION, U32.pack(major << 16 | minor << 8 | patch)) + attribute(
        c.IPVS_INFO_ATTR_CONN_TAB_SIZE, U32.pack(info.connection_table_size)
    )


def unpack_info(body: memoryview) -> KernelInfo:
    """Read what the kernel says of itself.

    Raises:
        MalformedError: it is not readable.
    """
    found = attributes(body)
    version = number(found, c.IPVS_INFO_ATTR_VERSION, U32)
    return KernelInfo(
        version=f"{version >> 16 & 0xFF}.{version >> 8 & 0xFF}.{version & 0xFF}",
        connection_table_size=number(found, c.IPVS_INFO_ATTR_CONN_TAB_SIZE, U32),
    )
