"""Devices with a virtual MAC: made, adopted after a crash, and removed (RFC 9568 section 7.3).

What the kernel has is seen in the picture of its interfaces; what is missing is made in a thread, because a
device takes milliseconds to make and tens of them to remove.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable
from functools import partial

from vipbus.contracts import VirtualAddress, VrrpInstance, name_token
from vrrp_agent import addresses, links, placement, sysctls
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.netlink import in_words
from vrrp_agent.placement import Device
from vrrp_agent.rtnetlink import Link
from vrrp_agent.sysctls import Setting, Sysctls
from vrrp_agent.worker import Worker

log = logging.getLogger(__name__)

_STANDARD = (bytes.fromhex("00005e0001"), bytes.fromhex("00005e0002"))
"""How the MAC addresses of virtual routers begin."""


class _Known:
    """What an instance wants."""

    def __init__(self, config: VrrpInstance) -> None:
        self.config = config
        self.devices = placement.devices(config)
        wanted = [each for device in self.devices for each in sysctls.for_parent(device.parent)]
        if config.promote_secondaries:
            on = {each.dev for each in placement.placed(config) if isinstance(each, VirtualAddress)}
            wanted += [sysctls.promoting(dev) for dev in sorted(on)]
        self.settings: tuple[Setting, ...] = tuple(wanted)
        self.indexes: tuple[int, ...] = ()
        """Of the interfaces that they were set on."""


class VirtualMacs:
    """The devices of every instance; `ensure` is asked again whenever the interfaces change."""

    def __init__(self, interfaces: Interfaces, worker: Worker) -> None:
        self._interfaces = interfaces
        self._worker = worker
        self._sysctls = Sysctls()
        self._users: dict[str, set[str]] = {}
        """Instances, as tokens, by the device that they use."""
        self._known: dict[str, _Known] = {}
        """What each instance wants; asked at every change of an interface, worked out once."""
        self._made: set[str] = set()
        """Devices that were made in this life."""
        self._awaited: set[str] = set()
        """Instances, as tokens, with a device on its way when they last asked."""
        self._busy: set[str] = set()
        """Devices that the worker is at."""
        self._refused: dict[Device, tuple[Link, str]] = {}
        """Why a device could not be made, in words; tried again when the interface below has changed."""

    def device(self, config: VrrpInstance) -> str:
        """Name the device that addresses on the instance's interface go to."""
        return placement.device(config)

    def ensure(self, config: VrrpInstance) -> str:
        """See to it that an instance's devices are there.

        Returns why they are not, in words; the picture of the interfaces changes when they are.
        """
        problems: list[str] = []
        self._awaited.discard(name_token(config.name))
        for device in self._devices(config):
            problem = self._problem(device)
            if problem is None:
                self._awaited.add(name_token(config.name))
                problem = f"{device.name} is being made on {device.parent}"
            if problem:
                problems.append(problem)
        return "; ".join(problems)

    def making(self, config: VrrpInstance) -> bool:
        """Say whether `ensure` found a device of the instance on its way: that is no fault yet."""
        # as it was then, for both to be about the same moment: the thread may be done since
        return name_token(config.name) in self._awaited

    def below(self, configs: Iterable[VrrpInstance]) -> frozenset[tuple[str, str, int]]:
        """Give each device that has a virtual MAC, with the name and index of what it stands on.

        Also those that are not there yet: they are to be silent from the first moment.
        """
        return frozenset(
            (device.name, device.parent, index)
            for config in configs
            for device in self._recall(config).devices
            if device.mac and (index := self._interfaces.index_of(device.parent))
        )

    def _recall(self, config: VrrpInstance) -> _Known:
        token = name_token(config.name)
        known = self._known.get(token)
        if known is None or known.config is not config:
            known = self._known[token] = _Known(config)
            for device in known.devices:
                self._users.setdefault(device.name, set()).add(token)
        return known

    def _devices(self, config: VrrpInstance) -> tuple[Device, ...]:
        known = self._recall(config)
        # an interface that was made anew has its switches as the kernel makes them
        indexes = tuple(self._interfaces.index_of(each.interface) for each in known.settings)
        if indexes != known.indexes:
            known.indexes = indexes
            self._worker.submit(partial(self._set, name_token(config.name), known.settings))
        return known.devices

    def _problem(self, device: Device) -> str | None:
        """Say what is wrong with a device; None: it is on its way, and that may be all."""
        parent, link = self._interfaces.link(device.parent), self._interfaces.link(device.name)
        if parent is None:
            return f"interface {device.parent} does not exist"
        if device.name not in self._busy:
            refused = self._refused.get(device)
            if refused is not None and refused[0] == parent:
                return refused[1]
            if link is not None and not _is(link, device, parent) and not _was_ours(link):
                return (
                    f"{device.name} exists and is no {device.kind} on {device.parent} with MAC {device.mac}: "
                    "remove it, or give use_vmac another name"
                )
            if link is not None and _is(link, device, parent) and link.enabled and self._has_own(device):
                return ""
            self._busy.add(device.name)
            replace = link is not None and not _is(link, device, parent)
            self._worker.submit(partial(self._make, device, parent, replace))
        return None

    def _has_own(self, device: Device) -> bool:
        return device.address is None or self._interfaces.holds(device.address)

    def _make(self, device: Device, parent: Link, replace: bool) -> None:  # through partial
        try:
            problem = _made(device, parent.index, replace=replace)
            if problem:
                log.error("%s", problem)
                self._refused[device] = (parent, problem)
            else:
                self._made.add(device.name)
                self._refused.pop(device, None)
        finally:
            self._busy.discard(device.name)  # else nobody would ever try again

    def _set(self, token: str, wanted: tuple[Setting, ...]) -> None:
        problem = self._sysctls.want(token, wanted)
        if problem:
            log.error("%s", problem)

    def remove(self, config: VrrpInstance) -> None:
        """Remove an instance's devices that no other uses, leftovers of a life before included."""
        token = name_token(config.name)
        self._known.pop(token, None)
        self._awaited.discard(token)
        for device in placement.devices(config):
            users = self._users.setdefault(device.name, set())
            users.discard(token)
            if not users:
                self._refused.pop(device, None)
                self._worker.submit(partial(self._unmake, device))
        self._worker.submit(partial(self._sysctls.release, token))

    def _unmake(self, device: Device) -> None:
        if self._users.get(device.name):
            return  # somebody wants it again
        if device.name not in self._made and not self._is_ours(device):
            return  # it is somebody else's, of the same name
        self._made.discard(device.name)
        answer = links.remove(device.name)
        if answer.code not in (0, errno.ENODEV):
            log.error("%s cannot be removed: %s", device.name, in_words(answer))

    def _is_ours(self, device: Device) -> bool:
        link, parent = self._interfaces.link(device.name), self._interfaces.link(device.parent)
        if link is None:
            return False
        return _was_ours(link) or (parent is not None and _is(link, device, parent))


def _is(link: Link, device: Device, parent: Link) -> bool:
    return (link.kind, link.parent) == (device.kind, parent.index) and (
        not device.mac or link.hardware == _octets(device.mac)
    )


def _was_ours(link: Link) -> bool:
    """A macvlan with some virtual router's MAC is a leftover: of another identifier, or another interface."""
    return link.kind == "macvlan" and link.hardware.startswith(_STANDARD)


def _octets(mac: str) -> bytes:
    try:
        return bytes.fromhex(mac.replace(":", ""))
    except ValueError:
        return b""


def _made(device: Device, parent: int, *, replace: bool) -> str:
    """Make a device, or what is missing of it; return what went wrong, in words."""
    if replace:
        links.remove(device.name)
    answer = links.make(device, parent)
    if answer.code not in (0, errno.EEXIST):
        hint = ""
        if answer.code == errno.EOPNOTSUPP:
            hint = f": this kernel has no {device.kind}"
        return f"{device.name} cannot be made on {device.parent}{hint} ({in_words(answer)})"
    settings = (*sysctls.for_child(device, filters=sysctls.all_filtered()), *sysctls.forwarding(device))
    problems = [problem for each in settings if (problem := sysctls.write(each))]
    # only now: what it is not to say, it would say when it is enabled
    answer = links.enable(device.name)
    if answer.code:
        problems.append(f"{device.name} cannot be enabled: {in_words(answer)}")
    elif device.address is not None:
        answer = links.address(device.address)
        if answer.code not in (0, errno.EEXIST):
            problems.append(f"{addresses.describe(device.address)} cannot be added: {in_words(answer)}")
    return "; ".join(problems)
