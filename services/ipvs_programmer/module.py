"""Ask once for the kernel's IPVS module, where this process may and a module could be there."""

from __future__ import annotations

import asyncio
import logging
import shutil

log = logging.getLogger(__name__)


async def load_ip_vs() -> None:
    """Run ``modprobe ip_vs``; whether it helped shows at the next look at the kernel."""
    modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if modprobe is None:
        return
    try:
        process = await asyncio.create_subprocess_exec(
            modprobe,
            "-q",
            "ip_vs",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        log.warning("modprobe ip_vs: %s", error.strerror)
        return
    status = await process.wait()
    log.info("modprobe ip_vs: %s", "done" if status == 0 else f"exit status {status}")
