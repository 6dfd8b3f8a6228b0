"""The terminal: its own screen while this runs, keys without enter, and as it was afterwards."""

from __future__ import annotations

import codecs
import os
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final

from ctl.layout import paint
from ctl.top.keys import keys
from ctl.top.screen import Line

# xterm's control sequences, which every terminal of these days knows
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""The alternate screen, no cursor, and a line that is too long is cut by the terminal."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_END = "\x1b[0m"
_STYLES: Final = {
    "plain": "",
    "bar": "\x1b[1m",
    "title": "\x1b[4m",
    "focus": "\x1b[1;4m",
    "chosen": "\x1b[7m",
    "bad": "\x1b[1;31m",
}


class Terminal:
    """The terminal that stdin and stdout are; use it by ``with``."""

    def __init__(self, *, colour: bool) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._colour = colour
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._shown: list[str] = []

    def __enter__(self) -> Terminal:
        self._before = termios.tcgetattr(self._input)
        self.enter()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.leave()

    def enter(self) -> None:
        """Take the screen."""
        tty.setcbreak(self._input)
        self._shown = []
        self._write(_ENTER)

    def leave(self) -> None:
        """Give it back; a terminal that is gone needs nothing."""
        try:
            self._write(_LEAVE)
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        except (OSError, termios.error):
            return

    @property
    def input(self) -> int:
        """The descriptor that keys come from."""
        return self._input

    @property
    def size(self) -> tuple[int, int]:
        """Lines and columns."""
        try:
            size = os.get_terminal_size(self._output)
        except OSError:
            return 24, 80
        return max(size.lines, 1), max(size.columns, 1)

    def read(self) -> Iterator[str]:
        """Name the keys that were pressed.

        Raises:
            EOFError: the terminal is gone.
        """
        try:
            piece = os.read(self._input, 4096)
        except OSError:
            piece = b""
        if not piece:
            raise EOFError
        yield from keys(self._decoder.decode(piece))

    def anew(self) -> None:
        """Forget what was drawn: the window has another size."""
        self._shown = []
        self._write("\x1b[2J")

    def show(self, lines: Sequence[Line]) -> None:
        """Draw the lines that are other ones than before."""
        made = [self._styled(line) for line in lines]
        pieces = [
            f"\x1b[{number};1H{text}\x1b[K"
            for number, text in enumerate(made, 1)
            if number > len(self._shown) or self._shown[number - 1] != text
        ]
        self._shown = made
        if pieces:
            self._write("".join(pieces))

    def _styled(self, line: Line) -> str:
        style = _STYLES[line.style]
        if line.style == "bad" and not self._colour:
            style = _STYLES["bar"]
        if style:
            return f"{style}{line.text}{_END}"
        return paint(line.text) if self._colour else line.text

    def _write(self, text: str) -> None:
        left = memoryview(text.encode(errors="replace"))
        while left:
            left = left[os.write(self._output, left) :]
