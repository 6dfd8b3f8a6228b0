"""Empties the table of what nobody here configured, where that is asked for (`IpvsSettings.flush`).

Once a boot: a programmer that is started again must not take a table away that carries traffic. What this
router's programmer owns is adopted and never flushed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from ipvs_programmer.kernel import Kernel
from ipvs_programmer.ours import Ours
from ipvs_programmer.plan import DeleteService
from ipvs_programmer.table import Key

log = logging.getLogger(__name__)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def this_boot() -> str:
    """Name this boot of the host (random(4)); empty when it cannot be told from another."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def foreign(kernel: Kernel, ours: Ours, own: Collection[Key], boot: str) -> None:
    """Remove every service but our own, unless that was done at this boot.

    Raises:
        KernelError: the table is out of reach.
    """
    if not boot:
        log.warning("the table is not flushed: %s does not tell one boot from another", _BOOT_ID)
        return
    if ours.made.flushed == boot:
        return
    found = [key for key in kernel.read() if key not in own]
    for failure in kernel.apply([DeleteService(key) for key in found]) if found else ():
        log.warning("flush: %s", failure)
    for key in found:
        log.warning("flush: %s is removed, which nobody here configured", key)
    ours.save(msgspec.structs.replace(ours.made, flushed=boot))
