"""Start one program: in a process group of its own, as its user, with a clean environment."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import grp
import os
import pwd
import signal

from vipbus.runtime.runner.messages import Run
from vipbus.runtime.runner.security import weakness

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_USER = "keepalived_script"
"""Who programs run as where it exists and nobody else is named (keepalived.conf(5), script_user)."""
NOT_RUN = 127
"""Exit status of a child that could not become the program; the pipe says why."""
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


class RefusedError(Exception):
    """A program is not run, in words."""


class Child:
    """A program that was started: its process, which leads a group of its own, and what it failed with."""

    def __init__(self, pid: int, problems: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)  # it is not reaped yet, so the number is its own
        """Readable when the process has ended (pidfd_open(2))."""
        self._problems = problems

    def problem(self) -> str:
        """Give why it never ran, in words; empty when it did. After its end."""
        try:
            return os.read(self._problems, 4096).decode(errors="replace")
        except BlockingIOError:
            return ""

    def signal_group(self, number: int) -> None:
        """Signal its group, which cannot be another's: its leader's number stays taken until `reap`."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            return  # a set-user-ID program is another user's, and this process may lack CAP_KILL

    def reap(self) -> int:
        """Take its exit status, negative for a signal (`subprocess.Popen.returncode`); after its end."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.descriptor)
        os.close(self._problems)
        return os.waitstatus_to_exitcode(status)


def start(run: Run) -> Child:
    """Start a program.

    Raises:
        OSError: there cannot be another process.
    """
    # both close on exec (PEP 446): the end of the file says that the program runs
    problems, told = os.pipe()
    os.set_blocking(problems, False)
    runner = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(problems)
        os.close(told)
        raise
    if pid == 0:
        _become(run, told, runner)
    os.close(told)
    # on both sides: whoever comes first, the group is there before anyone signals it
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    try:
        return Child(pid, problems)
    except OSError:  # no descriptor is left
        os.close(problems)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _become(run: Run, told: int, runner: int) -> None:
    """Be the child: become the program, or say why not and end."""
    try:
        os.setpgid(0, 0)
        _default_signals()
        user = _user(run.user)
        group = _group(run.group, user)
        name = run.arguments[0]
        path = name if "/" in name else _find(name)
        _check(path, user, secure=run.secure)
        _become_user(user, group)
        os.umask(0o022)
        os.chdir("/")
        if run.quiet:
            os.dup2(1, 2)  # the runner's own standard output is nowhere
        if not run.outlives:
            # after the change of user, which clears it (prctl(2), PR_SET_PDEATHSIG)
            _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != runner:
                os._exit(NOT_RUN)
        os.execve(path, run.arguments, {**_environment(user), **dict(run.environment)})  # noqa: S606  # no shell
    except RefusedError as error:
        os.write(told, str(error).encode()[:4096])
    except OSError as error:
        os.write(told, f"{run.arguments[0]} cannot be run: {_words(error)}".encode()[:4096])
    except ValueError as error:  # an octet 0
        os.write(told, f"{run.arguments[0]!r} cannot be run: {error}".encode()[:4096])
    except BaseException as error:  # nothing may go on as a second runner
        os.write(told, f"{error!r}".encode()[:4096])
    os._exit(NOT_RUN)


def _default_signals() -> None:
    # what the runner ignores, what Python does, and what whoever started the agent did: a shell's job in the
    # background ignores SIGQUIT, one under nohup SIGHUP
    for number in signal.valid_signals():
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _words(error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return "it is no program, and has no #! line"
    if error.errno == errno.ENOENT:
        return "no such file, or none where its #! line points"
    return os.strerror(error.errno or 0)


def _find(name: str) -> str:
    for directory in PATH.split(":"):
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    raise RefusedError(f"no program {name} in {PATH}: give its whole path")


def _user(name: str | None) -> pwd.struct_passwd:
    if name is None:
        try:
            return pwd.getpwnam(DEFAULT_USER)
        except KeyError:
            return _self()
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        raise RefusedError(f"no user {name} on this host") from None


def _self() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:  # a container may have no name for it
        return pwd.struct_passwd(("", "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))


def _group(name: str | None, user: pwd.struct_passwd) -> int:
    if name is None:
        return user.pw_gid
    try:
        return (grp.getgrgid(int(name)) if name.isdecimal() else grp.getgrnam(name)).gr_gid
    except (KeyError, OverflowError):
        raise RefusedError(f"no group {name} on this host") from None


def _check(path: str, user: pwd.struct_passwd, *, secure: bool) -> None:
    if secure and user.pw_uid == 0 and (problem := weakness(os.path.abspath(path))):  # noqa: PTH100  # links stay
        raise RefusedError(
            f"{path} is not run as root: {problem} (enable_script_security); "
            "give it to root alone, or run it as another user"
        )


def _become_user(user: pwd.struct_passwd, group: int) -> None:
    if (user.pw_uid, group) == (os.geteuid(), os.getegid()):
        return  # without a change no capability is needed
    try:
        os.initgroups(user.pw_name, group)
        os.setgid(group)
        os.setuid(user.pw_uid)
    except PermissionError:
        raise RefusedError(
            f"not allowed to run as user {user.pw_name}: that needs CAP_SETUID and CAP_SETGID"
        ) from None


def _environment(user: pwd.struct_passwd) -> dict[str, str]:
    return {
        "PATH": PATH,
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "LANG": "C.UTF-8",
    }


def own(path: str, user: str | None, group: str | None) -> str:
    """Give a file to a user; return what is wrong in words, empty when nothing is."""
    try:
        owner = _user(user)
        gid = _group(group, owner)
        status = os.lstat(path)
        if (status.st_uid, status.st_gid) != (owner.pw_uid, gid):
            os.chown(path, owner.pw_uid, gid, follow_symlinks=False)
    except RefusedError as error:
        return f"{path} stays root's: {error}"
    except OSError as error:
        return f"{path} cannot be given to user {user}: {os.strerror(error.errno or 0)}"
    return ""
