"""The guest's first process: mounts, modules, the command, its status, power off.

It runs as PID 1, so it also reaps whatever the command leaves behind. Run as a file, with the standard
library only: nothing of the project is imported before the command is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import subprocess
import sys
import termios
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import plan as plans  # type: ignore[import-not-found]  # a neighbour: this is a script, not a module

PRIVATE = ("/run", "/tmp", "/dev/shm")
"""A file system of its own each: two guests over the same files must not meet."""

_FINIT_MODULE = 313  # asm/unistd_64.h
_REBOOT_POWER_OFF = 0x4321FEDC  # linux/reboot.h
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, options: str = "") -> None:
    """Mount a file system (mount(2))."""
    Path(target).mkdir(parents=True, exist_ok=True)
    if _libc.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {kind} on {target}")


def mount_all(visible: list[str]) -> None:
    """Mount what a system needs; what is private hides the host's, except the directories in use."""
    mount("proc", "/proc", "proc")
    mount("sys", "/sys", "sysfs")
    for target in PRIVATE:
        mount("tmpfs", target, "tmpfs", "mode=1777" if target == "/tmp" else "mode=0755")
    for directory in visible:
        if any(directory.startswith(private + "/") for private in PRIVATE):
            mount("none", directory, "hostfs", directory)
    for link, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        place = Path("/dev") / link
        if not place.is_symlink():
            place.symlink_to(f"/proc/self/fd{target}")


def load_modules(modules: list[str]) -> None:
    """Load kernel modules in the given order (finit_module(2))."""
    for module in modules:
        with Path(module).open("rb") as file:
            if _libc.syscall(_FINIT_MODULE, file.fileno(), b"", 0) != 0:
                raise OSError(ctypes.get_errno(), f"load {module}")


def run(plan: plans.Plan) -> int:
    """Run the command with the console as its terminal, so that an interrupt typed there reaches it."""

    def take_console() -> None:
        os.setsid()
        console = os.open("/dev/tty0", os.O_RDWR)
        fcntl.ioctl(console, termios.TIOCSCTTY, 1)
        os.close(console)

    with plan.stdout.open("ab") as out, plan.stderr.open("ab") as err:
        try:
            child = subprocess.Popen(
                plan.command,
                cwd=plan.cwd,
                env=plan.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=take_console,  # noqa: PLW1509  # one thread, nothing to deadlock with
            )
        except OSError as error:
            err.write(f"{plan.command[0]}: {error.strerror}\n".encode())
            return 127
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main(path: str) -> None:
    """Do all of it and switch the guest off, whatever happens."""
    try:
        mount_all(plans.load(path).visible)
        plan = plans.load(path)
        socket.sethostname("vipbus-lab")
        load_modules(plan.modules)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env=plan.environment)
        status = run(plan)
        partial = plan.status.with_suffix(".part")
        partial.write_text(str(status))
        partial.rename(plan.status)
    except Exception:
        traceback.print_exc()  # to the console; the runner shows it when there is no status
    finally:
        os.sync()
        _libc.reboot(_REBOOT_POWER_OFF)


if __name__ == "__main__":
    main(sys.argv[1])
