"""Somebody who is told of pools, and writes it down."""

from __future__ import annotations

from collections.abc import Iterable

from ipvs_programmer.notify.pool import Telling
from vipbus.contracts import Fifo, IpvsSettings


class Listener:
    """What `Notifier` is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        """What was told, and the program that heard of it behind it."""
        self.fifo: Fifo | None = None
        self.programs: set[tuple[str, ...]] = set()
        self.ended = False

    def configure(self, settings: IpvsSettings, programs: set[tuple[str, ...]]) -> None:
        self.fifo, self.programs = settings.notify_fifo, programs

    def tell(self, tellings: Iterable[Telling]) -> None:
        for each in tellings:
            ran = f" -> {' '.join(each.program.arguments)}" if each.program is not None else ""
            self.lines.append(each.text + ran)

    def take(self) -> list[str]:
        """Give what was told since the last time."""
        lines, self.lines = self.lines, []
        return lines

    async def finish(self, within: float) -> None:
        assert within > 0
        self.ended = True

    def close(self) -> None:
        self.ended = True
