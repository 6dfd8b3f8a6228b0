"""Where an instance's objects really go: with a virtual MAC, onto devices of its own (keepalived.conf(5))."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import msgspec

from vipbus.contracts import VirtualAddress, VrrpInstance
from vipbus.contracts.vrrp_objects import Family
from vrrp_agent.interfaces import Object

_LONGEST_NAME = 15
"""IFNAMSIZ without the zero at its end."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device to be made on another, for the addresses of one instance."""

    name: str
    parent: str
    kind: Literal["macvlan", "ipvlan"]
    mac: str
    """Empty on an ipvlan, which has its parent's."""
    address: VirtualAddress | None = None
    """Its own one."""
    six: bool = False
    """True: IPv6 addresses go there."""


def standard_mac(identifier: int, family: Family) -> str:
    """Give a virtual router's MAC address (RFC 9568 section 7.3)."""
    return f"00:00:5e:00:{1 if family == 4 else 2:02x}:{identifier:02x}"


def device(config: VrrpInstance) -> str:
    """Name the device that addresses on the instance's interface go to."""
    return config.interface if config.virtual_mac is None else config.virtual_mac.name


def placed(config: VrrpInstance) -> tuple[Object, ...]:
    """Give everything that moves with an instance's role, each with the device that it really goes to."""
    addresses = (msgspec.structs.replace(each, dev=_home(config, each)) for each in _addresses(config))
    return (*addresses, *config.virtual_routes, *config.virtual_rules)


def devices(config: VrrpInstance) -> tuple[Device, ...]:
    """Give the devices that must be made for an instance, its own one first."""
    found: dict[str, Device] = {}
    if config.virtual_mac is not None:
        found[config.virtual_mac.name] = _main(config)
    for each in _addresses(config):
        name = _home(config, each)
        if name != each.dev and name not in found:
            mac = standard_mac(config.virtual_router_id, each.family)
            found[name] = Device(name=name, parent=each.dev, kind="macvlan", mac=mac, six=each.family == 6)
    return tuple(found.values())


def _main(config: VrrpInstance) -> Device:
    virtual = config.virtual_mac
    assert virtual is not None  # noqa: S101  # asked by the only caller
    on_it = [each for each in _addresses(config) if _home(config, each) == virtual.name]
    own = None
    if virtual.address is not None:
        address, _, length = virtual.address.partition("/")
        own = VirtualAddress(
            address=address, prefix=int(length or (128 if ":" in address else 32)), dev=virtual.name
        )
        on_it.append(own)
    mac = virtual.mac or standard_mac(config.virtual_router_id, config.family)
    return Device(
        name=virtual.name,
        parent=config.interface,
        kind=virtual.kind,
        mac="" if virtual.kind == "ipvlan" else mac.lower(),
        address=own,
        # an IPv6 instance advertises from it
        six=config.family == 6 or any(each.family == 6 for each in on_it),
    )


def _addresses(config: VrrpInstance) -> Iterator[VirtualAddress]:
    yield from config.virtual_ipaddress
    yield from config.virtual_ipaddress_excluded


def _home(config: VrrpInstance, address: VirtualAddress) -> str:
    virtual = config.virtual_mac
    wants_own = address.own_mac or (virtual is not None and virtual.each_address)
    # of the other family it would have the wrong MAC address on the instance's own device
    fits = virtual is not None and address.dev == config.interface and address.family == config.family
    if virtual is not None and address.dev == config.interface and (fits or not wants_own):
        return virtual.name
    return _other_name(config, address) if wants_own else address.dev


def _other_name(config: VrrpInstance, address: VirtualAddress) -> str:
    begin = f"vr{config.virtual_router_id}-{address.family}."
    if len(begin) + len(address.dev) <= _LONGEST_NAME:
        return begin + address.dev
    digest = hashlib.blake2b(address.dev.encode(), digest_size=8).hexdigest()
    return (begin + digest)[:_LONGEST_NAME]
