"""Commands: applied to a model of HAProxy they give what is wanted, and none are left."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer.observed import Server
from haproxy_programmer.plan import LONGEST, batches, plan
from haproxy_programmer.wanted import DRAIN, FREE, MAINT, READY, UP, Wanted

KEY = ("pool-web", "s1")


class Model:
    """What haproxy does with each command (management.txt, set server), as seen with 2.6.12."""

    def __init__(self, server: Server) -> None:
        self.address, self.port = server.address, server.port
        self.admin, self.up, self.weight = server.admin, server.operational != 0, server.weight

    def do(self, command: str) -> None:
        match command.split()[3:]:
            case ["addr", address, "port", port]:
                assert self.admin & MAINT or self.address == address, "moved while it serves"
                self.address, self.port = address, int(port)
            case ["weight", weight]:
                self.weight = int(weight)
            case ["health", word]:
                self.up = word == "up"
            case ["state", "ready"]:
                # out of maintenance it counts as up, whatever was said of its health before
                self.up = self.up or bool(self.admin & MAINT)
                self.admin = READY
            case ["state", "drain"]:
                self.up = self.up or bool(self.admin & MAINT)
                self.admin = DRAIN
            case ["state", "maint"]:
                self.admin, self.up = MAINT, False
            case _:
                raise AssertionError(command)

    @property
    def server(self) -> Server:
        return Server(
            address=self.address,
            port=self.port,
            admin=self.admin,
            operational=UP if self.up else 0,
            weight=self.weight,
        )


servers = st.builds(
    Server,
    address=st.sampled_from(["10.9.0.1", "10.9.0.2", "0.0.0.0"]),
    port=st.integers(1, 3),
    admin=st.sampled_from([0, 1, 4, 5, 8]),
    operational=st.sampled_from([0, 2, 3]),
    weight=st.integers(0, 3),
)
wishes = st.one_of(
    st.just(FREE),
    st.builds(
        Wanted,
        address=st.sampled_from(["10.9.0.1", "10.9.0.2"]),
        port=st.integers(1, 3),
        weight=st.integers(0, 3),
        admin=st.sampled_from([READY, DRAIN, MAINT]),
        up=st.booleans(),
    ),
)


@given(wishes, servers)
def test_applied_it_is_what_is_wanted(wish: Wanted, server: Server) -> None:
    model = Model(server)
    for command in plan({KEY: wish}, {KEY: server}):
        model.do(command)
    assert plan({KEY: wish}, {KEY: model.server}) == ()
    if wish.address is not None and wish.admin != MAINT:
        assert (model.address, model.port, model.up) == (wish.address, wish.port, wish.up)


def test_what_is_not_there_takes_a_reload_and_no_command() -> None:
    assert plan({KEY: Wanted(address="10.9.0.1", port=1)}, {}) == ()


def test_what_takes_traffic_away_comes_before_what_brings_it() -> None:
    up = Server(address="10.9.0.1", port=1, admin=0, operational=2, weight=1)
    down = Server(address="10.9.0.1", port=2, admin=0, operational=0, weight=1)
    commands = plan(
        {
            ("p", "s1"): Wanted(address="10.9.0.1", port=2, admin=READY, up=True),
            ("p", "s2"): Wanted(address="10.9.0.1", port=1, admin=READY, up=False),
        },
        {("p", "s1"): down, ("p", "s2"): up},
    )
    assert commands == ("set server p/s2 health down", "set server p/s1 health up")


@given(st.lists(st.integers(0, 99_999), max_size=3000))
def test_batches_are_bounded_and_lose_nothing(numbers: list[int]) -> None:
    commands = [f"set server pool-web/s{number} state ready" for number in numbers]
    lines = list(batches(commands))
    assert all(len(line) <= LONGEST for line in lines)
    assert [each for line in lines for each in re.split("; ", line)[1:]] == commands
