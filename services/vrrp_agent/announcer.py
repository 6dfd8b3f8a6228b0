"""Neighbours are told where addresses are: gratuitous ARP and neighbour advertisements, paced where asked.

What has to wait stands in a queue for each interface and kind, which its instances share; nothing sleeps.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from vipbus.contracts import Garp, VirtualAddress
from vrrp_agent import arp, neighbour_advertisement
from vrrp_agent.interfaces import Interfaces
from vrrp_agent.rtnetlink import Link

log = logging.getLogger(__name__)

_SO_SNDBUFFORCE = 32
_SEND_BUFFER = 4 << 20
"""Bytes: one device whose queue stands still must not hold the frames for another."""
_RETRY = 0.001
"""Seconds until a full queue is tried again."""
_CATCH_UP = 0.001
"""Seconds: epoll wakes by the millisecond, and what was due within it goes at once."""
_PACED = Garp()


class _Frame(msgspec.Struct, frozen=True):
    origin: tuple[str, str]
    """Device and address that it is sent for."""
    device: str
    kind: int
    """The Ethernet type."""
    data: bytes
    interval: float


class _Channel:
    """An interface's frames of one kind that wait."""

    def __init__(self) -> None:
        self.waiting: deque[_Frame] = deque()
        self.free_at = 0.0

    def drop(self, which: Callable[[_Frame], bool]) -> None:
        """Forget frames that wait."""
        self.waiting = deque(frame for frame in self.waiting if not which(frame))


class Announcer:
    """Sends the announcements; `deadline` says when there is `work`."""

    def __init__(self, interfaces: Interfaces, clock: Callable[[], float] = time.monotonic) -> None:
        self._interfaces = interfaces
        self._clock = clock
        # protocol 0 receives nothing: what only sends fills no buffer
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
        except OSError as error:
            log.debug("the send buffer stays small: %s", error)
        self._channels: dict[tuple[int, int], _Channel] = {}
        """By the index of the interface below, and Ethernet type."""

    @property
    def deadline(self) -> float | None:
        """When a frame that waits may go; None when none does."""
        return min((each.free_at for each in self._channels.values() if each.waiting), default=None)

    def announce(
        self,
        addresses: Iterable[VirtualAddress],
        repeat: int,
        *,
        garp: Garp = _PACED,
        extra: tuple[str, ...] = (),
    ) -> str:
        """Announce addresses on their devices, and on ``extra`` ones: each once, then all again.

        A burst takes the place of what still waits of the one before. Devices on which nobody asks for
        addresses are passed over. Returns what went wrong, in words.
        """
        told = tuple(addresses)
        self.forget(told)
        frames: list[_Frame] = []
        problems: dict[str, str] = {}
        for address in told:
            for device in (address.dev, *(each for each in extra if each != address.dev)):
                link = self._interfaces.link(device)
                if link is None:
                    problems[device] = "the device does not exist"
                elif link.neighbours and len(link.hardware) == 6:
                    frames.append(self._frame(address, link, garp))
        now = self._clock()
        for _ in range(repeat):
            for frame in frames:
                problem = self._offer(frame, now)
                if problem:
                    problems[frame.device] = problem
        return "; ".join(f"neighbours on {device} are not told: {why}" for device, why in problems.items())

    def _frame(self, address: VirtualAddress, link: Link, garp: Garp) -> _Frame:
        if address.family == 4:
            kind, interval = arp.ETH_P_ARP, garp.arp_interval
            data = arp.gratuitous(link.hardware, address.address)
        else:
            kind, interval = neighbour_advertisement.ETH_P_IPV6, garp.na_interval
            router = self._interfaces.forwards(link.name)
            data = neighbour_advertisement.unsolicited(link.hardware, address.address, router=router)
        return _Frame((address.dev, address.address), link.name, kind, data, interval)

    def _offer(self, frame: _Frame, now: float) -> str:
        """Send a frame if it need not wait; else it waits behind the others."""
        channel = self._channel(frame)
        if channel.waiting or (frame.interval and channel.free_at > now):
            channel.waiting.append(frame)
            return ""
        return self._send(frame, channel, now)

    def _channel(self, frame: _Frame) -> _Channel:
        link = self._interfaces.link(frame.device)
        below = 0
        if link is not None:
            below = link.parent if link.kind in ("macvlan", "ipvlan") else link.index
        return self._channels.setdefault((below, frame.kind), _Channel())

    def _send(self, frame: _Frame, channel: _Channel, now: float) -> str:
        try:
            self._socket.sendto(frame.data, (frame.device, frame.kind))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOBUFS):
                channel.waiting.appendleft(frame)
                channel.free_at = now + _RETRY
                return ""
            return os.strerror(error.errno or errno.EIO)
        due = channel.free_at if channel.free_at >= now - _CATCH_UP else now
        channel.free_at = due + frame.interval
        return ""

    def work(self, now: float) -> None:
        """Send what may go by now."""
        for key, channel in list(self._channels.items()):
            while channel.waiting and channel.free_at <= now:
                frame = channel.waiting.popleft()
                problem = "the device does not exist"
                if self._interfaces.link(frame.device) is not None:
                    problem = self._send(frame, channel, now)
                if problem:
                    log.warning("neighbours on %s are not told: %s", frame.device, problem)
                    channel.drop(partial(_is_for, frame.device))
            if not channel.waiting and channel.free_at <= now:
                del self._channels[key]

    def forget(self, addresses: Iterable[VirtualAddress]) -> None:
        """Say nothing more of addresses that are leaving."""
        if any(channel.waiting for channel in self._channels.values()):
            gone = {(each.dev, each.address) for each in addresses}
            for channel in self._channels.values():
                channel.drop(lambda frame: frame.origin in gone)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _is_for(device: str, frame: _Frame) -> bool:
    return frame.device == device
