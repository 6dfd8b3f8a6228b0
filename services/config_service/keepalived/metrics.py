"""The metrics of a route (ip-route(8), linux/rtnetlink.h RTAX_*)."""

from __future__ import annotations

from typing import Final

from config_service.keepalived import values
from config_service.keepalived.words import Words
from config_service.problems import RefusedError, quoted

_NUMBERS: Final = {
    "mtu": 2,
    "window": 3,
    "rtt": 4,
    "rttvar": 5,
    "ssthresh": 6,
    "cwnd": 7,
    "advmss": 8,
    "reordering": 9,
    "hoplimit": 10,
    "initcwnd": 11,
    "features": 12,
    "rto_min": 13,
    "initrwnd": 14,
    "quickack": 15,
    "fastopen_no_cookie": 17,
}
_TIMES: Final = ("rtt", "rttvar", "rto_min")
_HIGHEST: Final = {"hoplimit": 255, "quickack": 1, "fastopen_no_cookie": 1}

METRICS: Final = tuple(_NUMBERS)


def metric(name: str, words: Words, metrics: dict[str, int]) -> int:
    """Read a metric's value, times in milliseconds; return its bit of the mask of locked ones.

    Raises:
        RefusedError: the value is none.
    """
    locked = words.take_if("lock")
    word = words.argument(name, "a value")
    if name == "features":
        if word != "ecn":
            raise RefusedError(
                f"{quoted(word)} is none of the features that a route can have; ecn is the only one"
            )
        metrics[name] = 1
    elif name in _TIMES:
        metrics[name] = _milliseconds(word)
    else:
        metrics[name] = values.number(word, 0, _HIGHEST.get(name, 2**32 - 1))
    return 1 << _NUMBERS[name] if locked else 0


def _milliseconds(word: str) -> int:
    for unit, factor in (("ms", 1), ("s", 1000)):
        if word.endswith(unit) and word[: -len(unit)].isdigit():
            return values.integer(word[: -len(unit)], 0, 2**32 // 8000) * factor
    return values.integer(word, 0, 2**32 // 8000 * 1000)
