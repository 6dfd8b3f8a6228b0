"""Tracked files, read whenever they are written, made, replaced or removed."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable

from vipbus.contracts import TrackFile
from vipbus.runtime import number_file
from vipbus.runtime.alarms import Alarms
from vipbus.runtime.poller import Poller
from vrrp_agent.tracking import files
from vrrp_agent.tracking.inotify import (
    IN_CREATE,
    IN_DELETE_SELF,
    IN_IGNORED,
    IN_MOVE_SELF,
    IN_Q_OVERFLOW,
    Inotify,
)
from vrrp_agent.tracking.sources import SourceSeen

_LOOK = 1.0
"""Seconds between looks where inotify does not tell: behind symbolic links, in directories that are not."""


class FileWatch:
    """Watches directories, since a file that is replaced is another one; for one thread."""

    def __init__(
        self,
        poller: Poller,
        alarms: Alarms,
        *,
        seen: Callable[[SourceSeen], None],
        problem: Callable[[str, str], None],
    ) -> None:
        self._poller = poller
        self._alarms = alarms
        self._seen = seen
        self._problem = problem
        self._files: dict[str, TrackFile] = {}
        self._values: dict[str, int] = {}
        self._words: dict[str, SourceSeen] = {}
        self._inotify: Inotify | None = None
        self._watches: dict[str, int] = {}
        """Of directories."""
        self._at_start = True

    def configure(self, tracked: Iterable[TrackFile]) -> None:
        """Watch exactly these; those that stay keep their value."""
        new = {file.name: file for file in tracked}
        for name, file in self._files.items():
            if name not in new or new[name].path != file.path:
                self._problem(f"track_file {name}", "")
                self._values.pop(name, None)
                self._words.pop(name, None)
        begun = [file for name, file in new.items() if name not in self._words]
        self._files = new
        self._watch_directories()
        for file in begun:
            # only a start of the agent takes away what the file holds
            if not file.init_overwrite or self._at_start or not os.path.exists(file.path):  # noqa: PTH110
                self._problem(f"track_file {file.name} init", files.initialise(file))
            self._read(file)
        self._at_start = False

    def close(self) -> None:
        """Watch nothing any more."""
        self._files = {}
        self._watch_directories()

    def _watch_directories(self) -> None:
        wanted = {_directory(file.path) for file in self._files.values()}
        if wanted and self._inotify is None:
            try:
                self._inotify = Inotify()
            except OSError as error:  # too many in this kernel: looking from time to time is left
                self._problem("track_file", f"files are only looked at each second: {error}")
            else:
                self._poller.add(self._inotify.fileno(), self._happened)
        if self._inotify is not None:
            for directory in self._watches.keys() - wanted:
                self._inotify.remove(self._watches.pop(directory))
            for directory in wanted - self._watches.keys():
                self._try_watch(directory)
            if not wanted:
                self._poller.remove(self._inotify.fileno())
                self._inotify.close()
                self._inotify = None
        self._plan_look()

    def _try_watch(self, directory: str) -> None:
        if self._inotify is None:
            return
        try:
            self._watches[directory] = self._inotify.add(directory)
        except OSError:
            return  # it is looked for each second

    # ---- what happens

    def _happened(self) -> None:
        assert self._inotify is not None  # noqa: S101  # its descriptor was readable
        directories = {watch: directory for directory, watch in self._watches.items()}
        changed: dict[str, None] = {}
        for event in self._inotify.read():
            directory = directories.get(event.watch)
            if event.mask & IN_Q_OVERFLOW:
                changed |= dict.fromkeys(self._files)
            elif directory is None:
                continue
            elif event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED):
                if self._watches.get(directory) == event.watch:
                    del self._watches[directory]
                    if event.mask & IN_MOVE_SELF:
                        self._inotify.remove(event.watch)
                changed |= dict.fromkeys(self._in(directory, ""))
            elif not event.mask & IN_CREATE or _complete(os.path.join(directory, event.name)):  # noqa: PTH118
                changed |= dict.fromkeys(self._in(directory, event.name))
        for name in changed:
            self._read(self._files[name])
        self._plan_look()

    def _in(self, directory: str, name: str) -> list[str]:
        """Give the files in a directory, or the one that has a name there."""
        return [
            key
            for key, file in self._files.items()
            if _directory(file.path) == directory and name in ("", os.path.basename(file.path))  # noqa: PTH119
        ]

    def _plan_look(self) -> None:
        if any(self._is_looked_at(file) for file in self._files.values()):
            self._alarms.set("track files", time.monotonic() + _LOOK, self._look)
        else:
            self._alarms.clear("track files")

    def _is_looked_at(self, file: TrackFile) -> bool:
        return _directory(file.path) not in self._watches or os.path.islink(file.path)  # noqa: PTH114

    def _look(self) -> None:
        for file in list(self._files.values()):
            if self._is_looked_at(file):
                if _directory(file.path) not in self._watches:
                    self._try_watch(_directory(file.path))
                self._read(file)
        self._plan_look()

    def _read(self, file: TrackFile) -> None:
        name = file.name
        reading = number_file.read(file.path)
        last = self._values.get(name)
        if reading.value is not None:
            self._values[name] = reading.value
            cause = "there is no such file" if reading.absent else f"it holds {reading.value}"
            word = SourceSeen(kind="file", name=name, up=True, value=reading.value, cause=cause)
            self._problem(f"track_file {name}", "")
        else:
            kept = "it counts as nothing" if last is None else f"it still counts as {last}"
            word = SourceSeen(
                kind="file",
                name=name,
                up=None if last is None else True,
                value=last or 0,
                cause=reading.problem,
            )
            self._problem(f"track_file {name}", f"track_file {name}: {reading.problem}; {kept}")
        if self._words.get(name) != word:
            self._words[name] = word
            self._seen(word)


def _directory(path: str) -> str:
    return os.path.dirname(path) or "."  # noqa: PTH120


def _complete(path: str) -> bool:
    """Say whether a file that was just made is all there: a link; else whoever made it closes it first."""
    try:
        status = os.lstat(path)
    except OSError:
        return True
    return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1
