"""What takes milliseconds is done in order in a thread of its own, so that the loop does not wait for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Worker:
    """One thread, started with the first job."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        """``wake`` is called from the thread after each job: what it did may be looked at."""
        self._wake = wake
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Do something after what was submitted before."""
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
            self._thread.start()

    def finish(self, timeout: float) -> bool:
        """Wait ``timeout`` seconds for all jobs and end the thread; return whether they were done."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._jobs.put(None)
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                job()
            except Exception:
                log.exception("a background job failed")
            self._wake()
