"""The exit statuses of ``vipbus``: the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXIT_NO: Final = 1
EXIT_WRONG: Final = 2
EXIT_NOT_DONE: Final = 3
EXIT_INTERRUPTED: Final = 130
"""128 and SIGINT, as shells say it."""

MEANINGS: Final[Mapping[int, str]] = {
    0: "yes: it is done, or all is well",
    EXIT_NO: "no: something would change, a check failed, this machine lacks something",
    EXIT_WRONG: "the question is wrong: an option, a name that is nowhere, a file or change that is refused",
    EXIT_NOT_DONE: "not done or not known: the bus or a service does not answer, or something is not ready",
    EXIT_INTERRUPTED: "ended by ctrl-C",
}
