"""Requests: a command of linux/ip_vs.h and what it is about, as generic netlink payloads."""

from __future__ import annotations

from ipvs_programmer import constants as c
from ipvs_programmer import genetlink
from ipvs_programmer.codec.destination import (
    pack_destination,
    pack_destination_key,
    unpack_destination,
    unpack_destination_key,
)
from ipvs_programmer.codec.namespace import pack_daemon, pack_daemon_state, pack_timeouts
from ipvs_programmer.codec.service import pack_key, pack_service, unpack_key, unpack_service
from ipvs_programmer.namespace import Daemon, DaemonState, Timeouts
from ipvs_programmer.octets import MalformedError
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import Key

# ---- operations on the table


def pack_operation(operation: Operation) -> bytes:
    """Pack an operation."""
    match operation:
        case AddDestination(key, destination):
            return _request(c.IPVS_CMD_NEW_DEST, pack_key(key) + pack_destination(destination))
        case EditDestination(key, destination):
            return _request(c.IPVS_CMD_SET_DEST, pack_key(key) + pack_destination(destination))
        case DeleteDestination(key, of):
            return _request(c.IPVS_CMD_DEL_DEST, pack_key(key) + pack_destination_key(of))
        case AddService(service):
            return _request(c.IPVS_CMD_NEW_SERVICE, pack_service(service))
        case EditService(service):
            return _request(c.IPVS_CMD_SET_SERVICE, pack_service(service))
        case DeleteService(key):
            return _request(c.IPVS_CMD_DEL_SERVICE, pack_key(key))


def unpack_operation(payload: bytes) -> Operation:
    """Read an operation, whoever packed it.

    Raises:
        MalformedError: it is none.
    """
    body = genetlink.body(payload)
    match payload[0]:
        case c.IPVS_CMD_NEW_SERVICE:
            return AddService(unpack_service(body))
        case c.IPVS_CMD_SET_SERVICE:
            return EditService(unpack_service(body))
        case c.IPVS_CMD_DEL_SERVICE:
            return DeleteService(unpack_key(body))
        case c.IPVS_CMD_NEW_DEST:
            key = unpack_key(body)
            return AddDestination(key, unpack_destination(body, key.family))
        case c.IPVS_CMD_SET_DEST:
            key = unpack_key(body)
            return EditDestination(key, unpack_destination(body, key.family))
        case c.IPVS_CMD_DEL_DEST:
            key = unpack_key(body)
            return DeleteDestination(key, unpack_destination_key(body, key.family))
        case number:
            raise MalformedError(f"the command {number} is no operation on the table")


def zero_request(key: Key | None = None) -> bytes:
    """Ask to set counters to zero: those of a service and its destinations, or all."""
    return _request(c.IPVS_CMD_ZERO, pack_key(key) if key is not None else b"")


def flush_request() -> bytes:
    """Ask to remove every service."""
    return _request(c.IPVS_CMD_FLUSH)


# ---- questions about the table


def services_request() -> bytes:
    """Ask for every service; send it as a dump."""
    return _request(c.IPVS_CMD_GET_SERVICE)


def service_request(key: Key) -> bytes:
    """Ask for one service."""
    return _request(c.IPVS_CMD_GET_SERVICE, pack_key(key))


def destinations_request(key: Key) -> bytes:
    """Ask for a service's destinations; send it as a dump."""
    return _request(c.IPVS_CMD_GET_DEST, pack_key(key))


# ---- what stands beside the table


def daemons_request() -> bytes:
    """Ask for the sync daemons that run; send it as a dump."""
    return _request(c.IPVS_CMD_GET_DAEMON)


def start_daemon_request(daemon: Daemon) -> bytes:
    """Ask to start a sync daemon."""
    return _request(c.IPVS_CMD_NEW_DAEMON, pack_daemon(daemon))


def stop_daemon_request(state: DaemonState) -> bytes:
    """Ask to stop a sync daemon."""
    return _request(c.IPVS_CMD_DEL_DAEMON, pack_daemon_state(state))


def timeouts_request() -> bytes:
    """Ask for the timeouts."""
    return _request(c.IPVS_CMD_GET_CONFIG)


def set_timeouts_request(timeouts: Timeouts) -> bytes:
    """Ask to set the timeouts."""
    return _request(c.IPVS_CMD_SET_CONFIG, pack_timeouts(timeouts))


def info_request() -> bytes:
    """Ask what the kernel says of itself."""
    return _request(c.IPVS_CMD_GET_INFO)


def _request(number: int, body: bytes = b"") -> bytes:
    return genetlink.command(number, c.IPVS_GENL_VERSION, body)
