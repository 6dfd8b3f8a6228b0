"""What a router's listeners hear, revision by revision, verdict by verdict, over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ipvs_programmer.desired import Picture, arrange
from ipvs_programmer.hold import Hold, Weighed
from ipvs_programmer.notify import pool as pools
from ipvs_programmer.notify.news import Standing
from ipvs_programmer.notify.teller import Teller
from tests.unit.ipvs_programmer.listener import Listener
from tests.unit.ipvs_programmer.site import Site
from tests.unit.ipvs_programmer.test_desired import layout, verdicts
from tests.unit.ipvs_programmer.world import EPOCH, instance, real_server, virtual_server
from vipbus.contracts import (
    Entity,
    Fifo,
    IpvsSettings,
    OperatorState,
    Program,
    RealServer,
    SorryServer,
    TcpCheck,
    Verdict,
    VirtualServer,
)

FIFO = IpvsSettings(router="router-a", notify_fifo=Fifo(path="/run/lvs"))
VS = "[10.9.0.1]:tcp:80"


def program(*arguments: str) -> Program:
    return Program(arguments=arguments)


def pool(*numbers: int, virtual: VirtualServer | None = None, **more: Any) -> tuple[Entity, ...]:
    virtual = virtual or virtual_server()
    reals = [real_server(f"10.9.0.{number}", of=virtual) for number in numbers]
    return (instance(), virtual, *(msgspec.structs.replace(real, **more) for real in reals))


def rs(number: int, state: str) -> str:
    return f"RS [10.9.0.{number}]:tcp:80 {VS} {state}"


class Heard(Site):
    """A site whose pools are told of."""

    def __init__(self, state_dir: Path, boot: str = "one") -> None:
        self.boot = boot
        self.made: list[Listener] = []
        super().__init__(state_dir)
        self.inputs.heard = True

    def _start(self) -> None:
        super()._start()
        self.teller = Teller(
            self.state_dir / "told.json",
            self.pools.state,
            self._listener,
            ready=lambda: self.inputs.heard,
            boot=self.boot,
        )

    def _listener(self) -> Listener:
        self.made.append(Listener())
        return self.made[-1]

    def _reconcile(self, servers: Any, keys: Any, *, renewed: bool = False) -> None:
        servers = list(servers)
        super()._reconcile(servers, keys, renewed=renewed)
        self.teller.follow(self.layout, servers)

    def operate(self, **states: str) -> None:
        """Let an operator say something, by the last number of the address; what is left out is enabled."""
        self.inputs.operators = {}
        for number, state in states.items():
            said = OperatorState(
                virtual_server=virtual_server().id,
                real_server=f"10-9-0-{number[1:]}_80",
                state=state,  # type: ignore[arg-type]  # the tests name only states
                by="ann",
                since=EPOCH,
            )
            self.inputs.operators[said.key] = said
        self.say([])

    def heard(self) -> list[str]:
        """What was told since the last time; nothing where nobody was ever there to hear."""
        return [line for listener in self.made for line in listener.take()]


@pytest.fixture
def site(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


def test_verdicts_are_told_real_servers_first(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22))
    assert site.heard() == [f"VS {VS} UP"]
    site.say(verdicts(_21="down").values())
    assert site.heard() == [rs(21, "DOWN")]
    site.say(verdicts(_22="down").values())
    assert site.heard() == [rs(22, "DOWN"), f"VS {VS} DOWN"]
    site.say(verdicts(_21="up", _22="unknown").values())
    assert site.heard() == [rs(21, "UP"), rs(22, "UP"), f"VS {VS} UP"]
    site.say(verdicts(_21="up", _22="up").values())
    assert site.heard() == []


def test_each_program_hears_its_own(site: Heard) -> None:
    virtual = virtual_server(quorum=2, quorum_up=program("/q", "up"), quorum_down=program("/q", "down"))
    site.configure(*pool(21, 22, virtual=virtual, notify_up=program("/r", "up"), notify_down=program("/r")))
    assert site.made[0].fifo is None
    assert site.made[0].programs == {("/q", "up"), ("/q", "down"), ("/r", "up"), ("/r",)}
    assert site.heard() == [f"VS {VS} UP -> /q up"]
    site.say(verdicts(_21="down").values())
    assert site.heard() == [f"{rs(21, 'DOWN')} -> /r", f"VS {VS} DOWN -> /q down"]
    site.say(verdicts(_21="up").values())
    assert site.heard() == [f"{rs(21, 'UP')} -> /r up", f"VS {VS} UP -> /q up"]


def test_nobody_is_made_where_nobody_listens(site: Heard) -> None:
    site.configure(*pool(21))
    site.say(verdicts(_21="down").values())
    assert site.made == []
    assert not (site.state_dir / "told.json").exists()
    site.configure(FIFO, *pool(21))
    assert site.heard() == [rs(21, "DOWN")]


def test_only_pools_with_programs_are_told_of_without_a_pipe(site: Heard) -> None:
    other = virtual_server(port=81)
    site.configure(*pool(21), other, real_server("10.9.0.21", of=other, checked=False))
    assert site.made == []
    other = virtual_server(port=81, quorum_up=program("/q"))
    site.configure(*pool(21), other, real_server("10.9.0.21", of=other, checked=False))
    assert site.heard() == ["VS [10.9.0.1]:tcp:81 UP -> /q"]


def test_a_restart_tells_nothing_twice(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22))
    site.say(verdicts(_21="down").values())
    site.heard()
    site.restart()
    assert site.heard() == []
    assert len(site.made) == 2
    # what changed meanwhile is told
    site.inputs.verdicts |= verdicts(_21="up", _22="down")
    site.restart()
    assert site.heard() == [rs(21, "UP"), rs(22, "DOWN")]


def test_a_boot_starts_anew(site: Heard) -> None:
    site.configure(FIFO, *pool(21))
    site.heard()
    site.boot = "two"
    site.restart()
    assert site.heard() == [f"VS {VS} UP"]


def test_a_file_that_is_none_is_no_end(site: Heard) -> None:
    for text in ('{"boot": "one", "pools": {"x": {"quorum": 3}}}', "[" * 10_000, "\xff"):
        (site.state_dir / "told.json").write_text(text, encoding="latin-1")
        site.restart()
        site.configure(FIFO, *pool(21))
        assert site.heard() == [f"VS {VS} UP"]


def test_the_start_with_initial_notifies(site: Heard) -> None:
    site.inputs.verdicts |= verdicts(_22="down")
    site.configure(msgspec.structs.replace(FIFO, initial_notifies=True), *pool(21, 22))
    assert site.heard() == [rs(21, "UP"), rs(22, "DOWN"), f"VS {VS} UP"]
    site.restart()
    assert site.heard() == []


def test_alpha_is_told_when_it_was_found_up(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22, alpha=True))
    assert site.heard() == []
    site.say(verdicts(_21="up", _22="down").values())
    assert site.heard() == [rs(21, "UP"), rs(22, "DOWN"), f"VS {VS} UP"]


def test_an_operator_counts(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22, alpha=True))
    site.say(verdicts(_21="up", _22="up").values())
    site.heard()
    site.operate(_21="disable")
    assert site.heard() == [rs(21, "DOWN")]
    # one that drains serves what it has
    site.operate(_21="drain")
    assert site.heard() == [rs(21, "UP")]
    site.operate()
    assert site.heard() == []


def test_what_a_file_says_is_not_told(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22))
    site.say(verdicts(_21="down").values())
    site.heard()
    # the files are of a time before that
    site.inputs.heard, site.inputs.verdicts = False, {}
    site.restart()
    assert site.heard() == []
    assert not site.teller.behind
    site.inputs.heard = True
    assert site.teller.behind
    site.say(verdicts(_21="down", _22="down").values())
    assert site.heard() == [rs(22, "DOWN"), f"VS {VS} DOWN"]
    assert not site.teller.behind


def test_a_sorry_server_hides_no_real_server(site: Heard) -> None:
    sorry = SorryServer(address="10.9.0.9", port=80, forwarding="NAT")
    site.configure(FIFO, *pool(21, 22, virtual=virtual_server(quorum=2, sorry_server=sorry)))
    site.heard()
    site.say(verdicts(_21="down").values())
    assert site.heard() == [rs(21, "DOWN"), f"VS {VS} DOWN"]
    site.say(verdicts(_21="up").values())
    assert site.heard() == [rs(21, "UP"), f"VS {VS} UP"]


def test_what_is_held_is_up() -> None:
    down = pools.state_of(
        layout(*pool(21)).servers[virtual_server().id],
        Picture(verdicts=verdicts(_21="down")),
        quorum=True,
    )
    assert down.real_servers == {"10-9-0-21_80": "down"}
    hold = Hold({"10-9-0-21_80": Weighed(1, 1)}, frozenset({"10-9-0-21_80"}), 1)
    held = pools.state_of(
        layout(*pool(21)).servers[virtual_server().id],
        Picture(verdicts=verdicts(_21="down"), holds={virtual_server().id: hold}),
        quorum=True,
    )
    assert held.real_servers == {"10-9-0-21_80": "up"}


@pytest.mark.parametrize(
    ("verdict", "more", "standing"),
    [
        ("up", {}, "up"),
        ("down", {}, "down"),
        ("down", {"inhibit_on_failure": True}, "down"),
        ("unknown", {}, "assumed"),
        ("unknown", {"alpha": True}, "unjudged"),
        ("unknown", {"alpha": True, "inhibit_on_failure": True}, "unjudged"),
        ("down", {"alpha": True}, "down"),
        ("down", {"checks": ()}, "up"),
        ("unknown", {"checks": (), "alpha": True}, "up"),
    ],
)
def test_what_a_real_server_is(verdict: str, more: dict[str, Any], standing: Standing) -> None:
    server = layout(*pool(21, **more)).servers[virtual_server().id]
    picture = Picture(verdicts=verdicts(_21=verdict))
    state = pools.state_of(server, picture, quorum=arrange(server, picture).quorum)
    assert state.real_servers == {"10-9-0-21_80": standing}


# ---- revisions


def test_what_leaves_the_configuration_goes_down(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22, 23, notify_down=program("/r")))
    site.say(verdicts(_23="down").values())
    site.heard()
    site.configure(FIFO, *pool(22, notify_down=program("/r")))
    assert site.heard() == [f"{rs(21, 'DOWN')} -> /r"]
    other = virtual_server(port=81)
    site.configure(FIFO, instance(), other, real_server("10.9.0.21", of=other))
    assert site.heard() == [f"{rs(22, 'DOWN')} -> /r", f"VS {VS} DOWN", "VS [10.9.0.1]:tcp:81 UP"]
    site.restart()
    assert site.heard() == []


def test_the_pipe_alone_leaves_and_nobody_goes_down(site: Heard) -> None:
    site.configure(FIFO, *pool(21))
    site.heard()
    site.configure(*pool(21))
    assert site.heard() == []
    assert site.made[0].fifo is None
    # whoever listens from now on hears how it is
    site.configure(FIFO, *pool(21))
    assert site.heard() == [f"VS {VS} UP"]


def test_another_quorum_is_told(site: Heard) -> None:
    site.configure(FIFO, *pool(21, 22))
    site.heard()
    site.configure(FIFO, *pool(21, 22, virtual=virtual_server(quorum=3)))
    assert site.heard() == [f"VS {VS} DOWN"]


# ---- groups and marks


def group(*ports: int) -> tuple[Entity, ...]:
    servers = [virtual_server(port=port, group="G", quorum_down=program("/q")) for port in ports]
    reals = [
        msgspec.structs.replace(real_server("10.9.0.21", of=virtual), notify_down=program("/r"))
        for virtual in servers
    ]
    return (instance(), *servers, *reals)


def group_verdict(port: int, name: str) -> Verdict:
    (found,) = verdicts(_21=name).values()
    return msgspec.structs.replace(found, virtual_server=virtual_server(port=port).id)


def test_a_group_is_told_of_once(site: Heard) -> None:
    site.configure(FIFO, *group(80, 81, 82))
    assert site.heard() == ["VS [G]:0 UP"]
    site.say(group_verdict(port, "up") for port in (80, 81, 82))
    site.say([group_verdict(80, "down"), group_verdict(82, "down")])
    assert site.heard() == []
    site.say([group_verdict(81, "down")])
    assert site.heard() == ["RS [10.9.0.21]:tcp:80 [G]:0 DOWN -> /r", "VS [G]:0 DOWN -> /q"]
    # an address that comes or goes is no news of the group
    site.configure(FIFO, *group(79, 81, 82))
    assert site.heard() == []
    site.say([group_verdict(82, "up")])
    assert site.heard() == ["RS [10.9.0.21]:tcp:80 [G]:0 UP", "VS [G]:0 UP"]
    site.configure(FIFO, *group(82))
    assert site.heard() == []


# ---- the end


def stop(site: Heard, *, removed: bool) -> None:
    asyncio.run(site.teller.stop(removed=removed))


def test_omega_tells_the_end(site: Heard) -> None:
    virtual = virtual_server(omega=True, quorum_down=program("/q"))
    site.configure(FIFO, *pool(21, 22, virtual=virtual, notify_down=program("/r")))
    site.say(verdicts(_22="down").values())
    site.heard()
    stop(site, removed=True)
    assert site.heard() == [f"{rs(21, 'DOWN')} -> /r", f"VS {VS} DOWN -> /q"]
    assert site.made[0].ended
    # and the next start tells that it is up again
    site.restart()
    assert site.heard() == [rs(21, "UP"), f"VS {VS} UP"]


@pytest.mark.parametrize(("omega", "removed"), [(True, False), (False, True)])
def test_an_end_that_is_not_told(site: Heard, omega: bool, removed: bool) -> None:
    site.configure(FIFO, *pool(21, virtual=virtual_server(omega=omega)))
    site.heard()
    stop(site, removed=removed)
    assert site.heard() == []
    site.restart()
    assert site.heard() == []


# ---- words


@pytest.mark.parametrize(
    ("virtual", "real", "vs", "rs"),
    [
        (virtual_server(), {}, "[10.9.0.1]:tcp:80", "[10.9.0.21]:tcp:80"),
        (virtual_server(protocol="UDP"), {}, "[10.9.0.1]:udp:80", "[10.9.0.21]:udp:80"),
        (virtual_server("fd00::1", protocol="SCTP"), {"address": "fd00::21"},
         "[fd00::1]:sctp:80", "[fd00::21]:sctp:80"),
        (virtual_server("", 0, mark=7), {"port": 0}, "FWM 7", "[10.9.0.21]:none:0"),
        (virtual_server("", 0, mark=7, family=6), {"port": 0}, "FWM 7", "[10.9.0.21]:none:0"),
        (virtual_server(group="web"), {}, "[web]:0", "[10.9.0.21]:tcp:80"),
        (virtual_server("", 0, mark=7, group="web"), {}, "[web]:0", "[10.9.0.21]:tcp:80"),
    ],
)  # fmt: skip
def test_keepalived_names(virtual: VirtualServer, real: dict[str, Any], vs: str, rs: str) -> None:
    server = RealServer(
        router="router-a",
        virtual_server=virtual.id,
        checks=(TcpCheck(address="10.9.0.21", port=80),),
        **({"address": "10.9.0.21", "port": 80} | real),
    )
    assert (pools.named(virtual), pools.real_named(virtual, server)) == (vs, rs)


def test_a_line_is_a_line(site: Heard) -> None:
    site.configure(FIFO, *pool(21, virtual=virtual_server(group="a\nVS b UP")))
    assert site.heard() == ["VS [a VS b UP]:0 UP"]
