"""Commands: applied to a model of HAProxy they give what is wanted, and none are left."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer.observed import Server
from haproxy_programmer.plan import LONGEST, batches, plan
from haproxy_programmer.wanted import DRAIN, FREE, MAINT, READY, SILENT, UP, Wanted

KEY = ("pool-web", "s1")
INITIAL = 9
"""The weight of the server's line."""


class Model:
    """What haproxy does with each command (management.txt, set server), as seen with 2.6.12."""

    def __init__(self, server: Server) -> None:
        self.address, self.port = server.address, server.port
        self.admin, self.up, self.weight = server.admin, server.operational != 0, server.weight
        self.health: list[str] = []
        self.agent = server.agent

    def do(self, command: str) -> None:
        match command.split()[3:] or command.split()[:2]:
            case ["enable" | "disable" as word, "agent"]:
                self.agent = word == "enable"
            case ["addr", address, "port", port]:
                assert self.admin & MAINT or self.address == address, "moved while it serves"
                self.address, self.port = address, int(port)
            case ["weight", "100%"]:
                self.weight = INITIAL
            case ["weight", weight]:
                self.weight = int(weight)
            case ["health", word]:
                self.up = word == "up"
                self.health.append(word)
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
            agent=self.agent,
        )


servers = st.builds(
    Server,
    address=st.sampled_from(["10.9.0.1", "10.9.0.2", "0.0.0.0"]),
    port=st.integers(1, 3),
    admin=st.sampled_from([0, 1, 4, 5, 8]),
    operational=st.sampled_from([0, 2, 3]),
    weight=st.integers(0, 3),
    agent=st.booleans(),
)
wishes = st.one_of(
    st.sampled_from([FREE, SILENT]),
    st.builds(
        Wanted,
        address=st.sampled_from(["10.9.0.1", "10.9.0.2"]),
        port=st.integers(1, 3),
        weight=st.integers(0, 3),
        admin=st.sampled_from([READY, DRAIN, MAINT]),
        up=st.none() | st.booleans(),
    ),
    # with an agent
    st.builds(
        Wanted,
        address=st.sampled_from(["10.9.0.1", "10.9.0.2"]),
        port=st.integers(1, 3),
        weight=st.none(),
        admin=st.sampled_from([DRAIN, MAINT]),
        up=st.none(),
        agent=st.just(False),
    ),
    st.builds(
        Wanted,
        address=st.sampled_from(["10.9.0.1", "10.9.0.2"]),
        port=st.integers(1, 3),
        weight=st.none(),
        admin=st.none(),
        up=st.none(),
        agent=st.just(True),
    ),
)


@given(wishes, servers)
def test_applied_it_is_what_is_wanted(wish: Wanted, server: Server) -> None:
    model = Model(server)
    for command in plan({KEY: wish}, {KEY: server}):
        model.do(command)
    assert plan({KEY: wish}, {KEY: model.server}) == ()
    assert wish.agent in (None, model.agent)
    if wish.address is None:
        return
    assert (model.address, model.port) == (wish.address, wish.port)
    moved = (server.address, server.port) != (wish.address, wish.port)
    if wish.up is None:
        assert not model.health, "what HAProxy finds out is not said to it"
    elif wish.admin != MAINT:
        assert model.up == wish.up
    # what an agent said of its member stays, and is not the next one's
    left = READY if moved or not server.agent else server.admin & (MAINT | DRAIN)
    expected = left if wish.admin is None else wish.admin
    assert model.admin & (MAINT | DRAIN) == expected
    assert model.weight == ((INITIAL if moved else server.weight) if wish.weight is None else wish.weight)


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
