"""What is found while a file is read: its errors and warnings, with what it takes to show where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from config_service.problems import ConfigError, Problem

_MOST: Final = 1000
"""Errors after which nothing more is read; nobody puts as many right at once."""


class Report:
    """Collects errors and warnings while a file is read."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.texts: dict[str, str] = {}
        """The files that were read, so that an error can show its line."""
        self.files: list[Path] = []
        """Those that were included."""
        self.uses: dict[tuple[str, int], list[tuple[str, int]]] = {}
        """Where the lines of a definition were put in, by the place at which they are written."""

    def error(self, file: str, line: int, text: str, *, whole: bool = False) -> None:
        """Note an error; ``whole`` where no line of the file is to blame for it.

        Raises:
            ConfigError: there are so many that this is no configuration.
        """
        self.errors.append(Problem(file, line, text, whole=whole))
        if len(self.errors) == _MOST:
            self.raise_errors()

    def warning(self, file: str, line: int, text: str) -> None:
        """Note a warning: the file is accepted, and means what the text says."""
        if len(self.warnings) < _MOST:
            self.warnings.append(Problem(file, line, text))

    def raise_errors(self) -> None:
        """End the reading here if anything was wrong so far.

        Raises:
            ConfigError: there are errors.
        """
        if self.errors:
            from config_service.excerpts import located  # noqa: PLC0415  # only for a file with an error

            raise ConfigError(located(self.errors, self.texts, self.uses))
