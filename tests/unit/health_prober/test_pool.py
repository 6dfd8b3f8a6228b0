"""How many sockets are kept between attempts: what begins together, and never more than descriptors allow."""

from __future__ import annotations

import select
import socket
from contextlib import closing

import pytest

from health_prober.pool import Pool


@pytest.mark.parametrize(("limit", "kept"), [(640, 10), (1 << 20, 256), (10, 0)])
def test_of_those_that_are_given_back_so_many_stay_open(limit: int, kept: int) -> None:
    with select.epoll() as epoll, closing(Pool(epoll, select.EPOLLIN, limit)) as pool:
        made = [pool.take(socket.AF_INET) for _ in range(kept + 3)]
        for number, each in enumerate(made):
            pool.give(socket.AF_INET, each, float(number))
        assert [each.fileno() >= 0 for each in made] == [False] * 3 + [True] * kept
        pool.rest(float(len(made)))
        again = [pool.take(socket.AF_INET) for _ in range(kept)]
        assert {each.fileno() for each in again} == {each.fileno() for each in made[3:]}
        for each in again:
            each.close()
