"""What is wrong with a haproxy.cfg, and what becomes of it otherwise than it was: each with its place."""

from __future__ import annotations

from typing import Final

from config_service.excerpts import MAY_BE_SECRET, excerpt
from config_service.problems import ConfigError, Problem

_MOST: Final = 1000


class Notes:
    """Collects them for one file."""

    def __init__(self, file: str, text: str) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self._file = file
        self._lines = text.split("\n")

    def error(self, number: int, column: int, text: str) -> None:
        """Note an error.

        Raises:
            ConfigError: there are so many that this is no configuration.
        """
        line = self._lines[number - 1] if 0 < number <= len(self._lines) else ""
        shown = () if MAY_BE_SECRET.search(line) else excerpt(line, column - 1, 1)
        self.errors.append(Problem(self._file, number, text, column, excerpt=shown))
        if len(self.errors) >= _MOST:
            self.stop()

    def warn(self, number: int, text: str) -> None:
        """Note a warning."""
        self.warnings.append(Problem(self._file, number, text))

    def stop(self) -> None:
        """End the reading if anything was wrong.

        Raises:
            ConfigError: there are errors.
        """
        if self.errors:
            raise ConfigError(self.errors)
