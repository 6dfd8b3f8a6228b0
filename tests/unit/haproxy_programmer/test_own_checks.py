"""Pools that HAProxy checks by itself: whose word counts, what is told, what a new worker begins with."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer.members import Member, State
from haproxy_programmer.observed import Server, UnreadableError
from haproxy_programmer.own_checks import Checked, checked, reasons
from haproxy_programmer.plan import plan
from haproxy_programmer.site import Site
from haproxy_programmer.slots import Slot, Slots
from haproxy_programmer.state_file import state_file
from haproxy_programmer.wanted import DRAIN, MAINT, READY, wanted
from tests.support.proxy import pool
from vipbus.contracts import AgentCheck, HaproxyTcpCheck, ProxyPool

KEY = ("pool-web", "s1")
AGENT = pool(agent_check=AgentCheck(port=1))
CHECK = pool(haproxy_check=HaproxyTcpCheck())


def server(
    admin: int = READY, operational: int = 2, weight: int = 1, *, port: int = 80, agent: bool = True
) -> Server:
    return Server(
        address="10.9.0.1", port=port, admin=admin, operational=operational, weight=weight, agent=agent
    )


def site(made: ProxyPool, state: State = "up") -> Site:
    member = Member(address="10.9.0.1", port=80, weight=1, state=state)
    slots = Slots(size=2, held={"s1": Slot(address="10.9.0.1", port=80)})
    return Site(pools=(made,), members={made.id: (member,)}, slots={made.id: slots})


NAME = "pool-web/s1"


@pytest.mark.parametrize(
    ("state", "observed", "commands"),
    [
        ("up", server(), ()),
        ("up", server(DRAIN), ()),
        ("up", server(MAINT, 0), ()),
        ("up", server(weight=100), ()),
        ("up", server(operational=0), ()),
        ("drain", server(), (f"disable agent {NAME}", f"set server {NAME} state drain")),
        ("disabled", server(DRAIN), (f"disable agent {NAME}", f"set server {NAME} state maint")),
        ("disabled", server(MAINT, 0, agent=False), ()),
        # an operator's word was taken back
        ("up", server(DRAIN, agent=False), (f"set server {NAME} state ready", f"enable agent {NAME}")),
        (
            "up",
            server(port=81),
            (
                f"set server {NAME} state maint",
                f"set server {NAME} addr 10.9.0.1 port 80",
                f"set server {NAME} weight 100%",
                f"set server {NAME} state ready",
            ),
        ),
    ],
)
def test_an_agents_word_is_left_alone_and_an_operators_is_not(
    state: State, observed: Server, commands: tuple[str, ...]
) -> None:
    assert plan(wanted(site(AGENT, state)), {KEY: observed}) == commands


def test_a_free_slots_agent_is_not_asked() -> None:
    # it points to 0.0.0.0, which is this host: an agent here would call it up
    free = Server(address="0.0.0.0", port=1, admin=MAINT, operational=0, weight=1, agent=True)
    assert plan(wanted(site(AGENT)), {("pool-web", "s2"): free}) == ("disable agent pool-web/s2",)
    lines = [line.split() for line in state_file(site(AGENT), {}).splitlines()[2:]]
    assert [(words[3], words[4], words[6], words[14]) for words in lines] == [
        ("s1", "10.9.0.1", "0", "0"),
        ("s2", "0.0.0.0", "1", "18"),
    ]
    assert len(state_file(site(CHECK), {}).splitlines()) == 3


def test_health_is_not_said_to_who_finds_it_out() -> None:
    for operational in (0, 2):
        assert plan(wanted(site(CHECK)), {KEY: server(operational=operational)}) == ()


@pytest.mark.parametrize(
    ("made", "observed", "expected"),
    [
        (CHECK, server(operational=0), (0, READY, 1)),
        (CHECK, server(operational=3), (2, READY, 1)),
        (CHECK, None, (2, READY, 1)),
        (CHECK, server(operational=0, port=81), (2, READY, 1)),
        (AGENT, server(DRAIN | 16, weight=7), (2, DRAIN, 7)),
        (AGENT, server(DRAIN, weight=7, port=81), (2, READY, 1)),
        (pool(), server(operational=0), (2, READY, 1)),
    ],
)
def test_a_new_worker_begins_with_what_the_old_one_found(
    made: ProxyPool, observed: Server | None, expected: tuple[int, int, int]
) -> None:
    seen = {KEY: observed} if observed is not None else {}
    words = state_file(site(made), seen).splitlines()[2].split()
    assert tuple(map(int, words[5:8])) == expected


def test_what_changed_is_told_unless_an_operator_did_it() -> None:
    def seen(state: State, observed: Server, made: ProxyPool = CHECK) -> Checked:
        ((_, key, found),) = checked(site(made, state), {KEY: observed})
        assert key == KEY
        return found

    up, down = seen("up", server()), seen("up", server(operational=0))
    assert (up.member, up.state, down.state) == ("10.9.0.1:80", "up", "down")
    assert down.changed(up)
    assert not down.changed(down)
    assert not down.changed(None)
    operated = seen("drain", server(DRAIN))
    assert not operated.changed(up)
    assert not up.changed(operated)
    assert not down.changed(msgspec.structs.replace(up, member="10.9.0.2:80"))
    assert not seen("up", server(weight=5)).changed(up), "a weight of ours"
    assert seen("up", server(weight=5), AGENT).changed(seen("up", server(), AGENT))
    assert not list(checked(site(pool()), {KEY: server()}))


STATISTICS = (
    "# pxname,svname,scur,check_desc,last_chk,agent_desc,last_agt,\n"
    "pool-web,s1,0,Layer4 connection problem,Connection refused,,,\n"
    'pool-web,s2,0,Layer7 check passed,"OK, fine",Layer7 check conditionally passed,\x1b[31mfull,\n'
    "pool-web,BACKEND,0,,,,,\n"
    "pool-web,s3,0,,,,,\n"
)


def test_reasons_are_haproxys_words() -> None:
    assert reasons(STATISTICS) == {
        ("pool-web", "s1"): "Layer4 connection problem: Connection refused",
        ("pool-web", "s2"): (
            "Layer7 check passed: OK, fine; agent: Layer7 check conditionally passed:  [31mfull"
        ),
        ("pool-web", "s3"): "it has not said why",
    }


@given(st.text(max_size=200))
def test_whatever_is_answered_it_is_read_or_refused(text: str) -> None:
    for each in (text, f"# pxname,svname,check_desc\n{text}"):
        try:
            found = reasons(each)
        except UnreadableError:
            continue
        assert all(said.isprintable() and len(said) <= 300 for said in found.values())
