"""Devices made, enabled and removed through route netlink (ip-link(8)); every call takes milliseconds."""

from __future__ import annotations

import socket
from typing import Any

from vipbus.contracts import VirtualAddress
from vrrp_agent import addresses, writing
from vrrp_agent.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, Answer, request, route_socket
from vrrp_agent.placement import Device
from vrrp_agent.rtnetlink import RTM_DELLINK, RTM_NEWLINK

_IFF_UP = 0x1
_PRIVATE = 1
"""MACVLAN_MODE_PRIVATE: virtual MACs of one interface do not talk among themselves."""
_L2 = 0
"""IPVLAN_MODE_L2."""


def make(device: Device, parent: int) -> Answer:
    """Make a device on the link of index ``parent``; it is not enabled yet."""
    message = _message()
    data = ("IFLA_MACVLAN_MODE", "private") if device.kind == "macvlan" else ("IFLA_IPVLAN_MODE", _L2)
    attrs: list[tuple[str, object]] = [("IFLA_IFNAME", device.name), ("IFLA_LINK", parent)]
    if device.mac:
        attrs.append(("IFLA_ADDRESS", device.mac))
    info = {"attrs": [("IFLA_INFO_KIND", device.kind), ("IFLA_INFO_DATA", {"attrs": [data]})]}
    message["attrs"] = [*attrs, ("IFLA_LINKINFO", info)]
    return _do(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)


def enable(name: str) -> Answer:
    """Set a device up."""
    message = _message()
    message["flags"] = message["change"] = _IFF_UP
    message["attrs"] = [("IFLA_IFNAME", name)]
    return _do(message, RTM_NEWLINK, 0)


def remove(name: str) -> Answer:
    """Remove a device, and all that is on it."""
    message = _message()
    message["attrs"] = [("IFLA_IFNAME", name)]
    return _do(message, RTM_DELLINK, 0)


def address(own: VirtualAddress) -> Answer:
    """Put an address on its device."""
    writing.load()
    message = addresses.encode(own, socket.if_nametoindex(own.dev))
    return _do(message, addresses.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)


def _message() -> Any:
    writing.load()
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: PLC0415  # slow to import: never in the loop

    message = ifinfmsg()
    message["family"] = socket.AF_UNSPEC
    return message


def _do(message: Any, kind: int, flags: int) -> Answer:
    message["header"]["type"], message["header"]["flags"] = kind, NLM_F_REQUEST | flags
    message.encode()
    with route_socket() as through:
        through.setblocking(False)
        (answer,) = request(through, [bytes(message.data)])
    return answer
