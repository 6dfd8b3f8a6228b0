"""What the runner tells the guest's first process; standard library only, it is read in the guest."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run."""

    command: list[str]
    cwd: str
    environment: dict[str, str]
    modules: list[str]
    visible: list[str]
    """Directories of the host that must stay visible even below a directory that is private to the guest."""
    directory: str
    """Of this run; `stdout`, `stderr` and `status` stand in it."""

    @property
    def stdout(self) -> Path:
        """What the command wrote."""
        return Path(self.directory) / "stdout"

    @property
    def stderr(self) -> Path:
        """What the command complained about."""
        return Path(self.directory) / "stderr"

    @property
    def status(self) -> Path:
        """Its exit status in decimal, once it ended."""
        return Path(self.directory) / "status"

    def save(self, path: Path) -> None:
        """Write the plan for the guest."""
        path.write_text(json.dumps(dataclasses.asdict(self)))


def load(path: str) -> Plan:
    """Read the plan in the guest."""
    return Plan(**json.loads(Path(path).read_text()))
