"""What is to be told of a pool: what it was when last told, what it is now, what lies between. Pure.

As keepalived 2.2.7 tells it, a real server before the quorum that hangs on it:

- A real server that stands in the table from the start is not told of, unless that is asked for
  (rs_init_notifies). One that is down, or that had to be found up first (alpha), is.
- A quorum that is there from the start is told of as gained; one that is not as lost, where a sorry server
  serves.
- What leaves the configuration goes down, if it was up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Standing = Literal["up", "down", "assumed", "unjudged"]
"""assumed: it stands, and nobody has judged it. unjudged: nobody has, and it waits for that (alpha)."""


class PoolState(msgspec.Struct, frozen=True):
    """A pool as it is, or as it was when last told of."""

    quorum: bool
    real_servers: Mapping[str, Standing]
    """By token, in the order of the configuration."""


class News(msgspec.Struct, frozen=True):
    """Something to tell."""

    up: bool
    real_server: str = ""
    """Token; empty: the quorum."""


GONE = PoolState(quorum=False, real_servers={})
"""A pool that has left the configuration, or whose table was removed."""


def follow(
    told: PoolState | None, now: PoolState, *, initial: bool = False, sorry: bool = False
) -> tuple[PoolState, tuple[News, ...]]:
    """Say what is to be told, and what has been told then.

    Args:
        told: As it was when last told of; None: nothing was ever told of it.
        now: As it is.
        initial: Real servers that are up from the start are told of too.
        sorry: It has a sorry server.
    """
    before = told.real_servers if told is not None else {}
    standing: dict[str, Standing] = {}
    news: list[News] = []
    for token, found in now.real_servers.items():
        was = before.get(token)
        state = _judged(found, was)
        standing[token] = state
        if was is None:
            tell = state == "down" or (state != "unjudged" and initial)
        else:
            tell = state != "unjudged" and _is_up(state) != (None if was == "unjudged" else _is_up(was))
        if tell:
            news.append(News(_is_up(state), token))
    news += [
        News(up=False, real_server=token)
        for token, was in before.items()
        if token not in now.real_servers and _is_up(was)
    ]
    if told is None:
        if now.quorum or sorry:
            news.append(News(now.quorum))
    elif now.quorum != told.quorum:
        news.append(News(now.quorum))
    return PoolState(now.quorum, standing), tuple(news)


def _judged(found: Standing, was: Standing | None) -> Standing:
    """Say what a real server is: one that was told of and that nobody judges any more has left the table."""
    return "down" if found == "unjudged" and was not in {None, "unjudged"} else found


def _is_up(state: Standing) -> bool:
    return state in {"up", "assumed"}


def together(states: Iterable[PoolState]) -> PoolState:
    """Make one pool of the addresses of a group: it is up where it is up at any of them.

    Their verdicts come one after another. An address that nobody has judged says nothing beside one that was.
    """
    pools = list(states)
    standings: dict[str, set[Standing]] = {}
    for pool in pools:
        for token, standing in pool.real_servers.items():
            standings.setdefault(token, set()).add(standing)
    order: tuple[Standing, ...] = ("up", "down", "assumed", "unjudged")
    judged = [pool for pool in pools if {"up", "down"} & set(pool.real_servers.values())]
    return PoolState(
        any(pool.quorum for pool in judged or pools),
        {token: next(each for each in order if each in found) for token, found in standings.items()},
    )
