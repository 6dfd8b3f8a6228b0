"""What must survive kill -9: each instance's epoch, role and last advertisement, in a mapped file.

A store into the mapping is in the kernel's page cache at once, whoever dies; it costs no system call, so it
may stand beside every advertisement. Each word is 8 bytes and aligned, which the processor stores whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
from pathlib import Path

import msgspec

from vipbus.contracts import RoleName, VrrpInstance

FILE_NAME = "vrrp-agent.heartbeat"

_MAGIC = b"vrrpbeat"
_VERSION = 1
_HEADER = 64
"""Bytes: magic 8, version 8, boot id 16, the highest epoch of a slot that was freed 8, the rest zero."""
_SLOT = 48
"""Bytes: identity 16, epoch and role 8, last advertisement 8, role since 8, virtual router 8."""
_SLOTS = 1024
_SIZE = _HEADER + _SLOT * _SLOTS
_ROLES: tuple[RoleName, ...] = ("fault", "backup", "active", "stopped")
_FREE = bytes(16)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class InUseError(Exception):
    """Another process holds the file: a second agent on the same state directory."""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an instance's last life."""

    epoch: int = 0
    role: RoleName = "stopped"
    advertised: float = 0.0
    """CLOCK_MONOTONIC seconds of its last advertisement; 0 when there was none since the machine booted."""
    since: float = 0.0
    """Seconds since 1970 of its last role change."""
    virtual_router: int = 0
    """Which virtual router it took part in, as `virtual_router` writes it."""


def identity(instance: VrrpInstance) -> bytes:
    """Name an instance across restarts."""
    return hashlib.blake2b(f"{instance.router}\0{instance.name}".encode(), digest_size=16).digest()


def virtual_router(instance: VrrpInstance) -> int:
    """Name the virtual router on the wire: what was active in one is not active in another."""
    text = f"{instance.interface}\0{instance.virtual_router_id}\0{instance.version}\0{instance.family}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Slot:
    """One instance's words in the file; without a file they are kept in memory and lost."""

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._integers = words[16:24].cast("Q")
        self._floats = words[24:40].cast("d")
        self._router = words[40:48].cast("Q")

    @property
    def owner(self) -> bytes:
        """Whose slot it is; zero bytes when it is free."""
        return bytes(self._words[:16])

    def read(self) -> Beat:
        """Give what the last life left."""
        state = self._integers[0]
        return Beat(
            epoch=state >> 8,
            role=_ROLES[min(state & 0xFF, len(_ROLES) - 1)],
            advertised=self._floats[0],
            since=self._floats[1],
            virtual_router=self._router[0],
        )

    def take(self, owner: bytes) -> None:
        """Give the slot to an instance that had none."""
        self.clear()
        self._words[:16] = owner

    def bind(self, router: int) -> None:
        """Note the virtual router that the instance takes part in from now on."""
        if self._router[0] != router:
            self.silence()
            self._router[0] = router

    def clear(self) -> None:
        """Free the slot."""
        self._words[:] = bytes(_SLOT)

    def role(self, role: RoleName, epoch: int, since: float) -> None:
        """Note a role change; the word with epoch and role is written last."""
        self._floats[1] = since
        self._integers[0] = epoch << 8 | _ROLES.index(role)

    def advertised(self, now: float) -> None:
        """Note an advertisement as active."""
        self._floats[0] = now

    def silence(self) -> None:
        """Forget the last advertisement: what it told is no longer so."""
        self._floats[0] = 0.0


class Heartbeat:
    """The file of all slots, locked against a second agent."""

    def __init__(self, directory: Path) -> None:
        """Open or make the file.

        Raises:
            OSError: the directory is missing, read-only or full.
            InUseError: another agent has it.
        """
        descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._descriptor = descriptor
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError(f"another vrrp-agent runs on {directory}") from None
            if os.fstat(descriptor).st_size != _SIZE:
                os.ftruncate(descriptor, 0)
                # allocated, not only sized: a store into a hole of a full disk ends the process
                os.posix_fallocate(descriptor, 0, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        except BaseException:
            os.close(descriptor)
            raise
        self._view = memoryview(self._map)
        self._freed_epoch = self._view[32:40].cast("Q")
        self._slots = [Slot(self._view[at : at + _SLOT]) for at in range(_HEADER, _SIZE, _SLOT)]
        self._prepare(bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", "")))
        self._owned = {slot.owner: slot for slot in self._slots if slot.owner != _FREE}
        self._free = [slot for slot in self._slots if slot.owner == _FREE]

    def _prepare(self, boot: bytes) -> None:
        """Make an unreadable file empty; after a boot the epochs go on, the clock's readings mean nothing."""
        version = self._view[8:16].cast("Q")
        if bytes(self._view[:8]) != _MAGIC or version[0] != _VERSION:
            self._view[:] = bytes(_SIZE)
            version[0] = _VERSION
            self._view[:8] = _MAGIC
        if bytes(self._view[16:32]) != boot:
            for slot in self._slots:
                slot.silence()
            self._view[16:32] = boot

    def slot(self, instance: VrrpInstance) -> Slot:
        """Give an instance its slot: the one from its last life, or a free one."""
        owner = identity(instance)
        slot = self._owned.get(owner)
        if slot is None:
            # more instances than slots: the last ones live without a memory
            slot = self._free.pop(0) if self._free else Slot(memoryview(bytearray(_SLOT)))
            slot.take(owner)
            # an instance that was removed and comes back must not count its epochs again
            slot.role("stopped", self._freed_epoch[0], 0.0)
            self._owned[owner] = slot
        return slot

    def release(self, instance: VrrpInstance) -> None:
        """Free the slot of an instance that is gone for good."""
        slot = self._owned.pop(identity(instance), None)
        if slot is not None:
            self._freed_epoch[0] = max(self._freed_epoch[0], slot.read().epoch)
            slot.clear()
            self._free.append(slot)
