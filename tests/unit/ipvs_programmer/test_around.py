"""What is kept beside the table, from the bus to a fake kernel and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ipvs_programmer.namespace import Daemon, DaemonState, Timeouts
from ipvs_programmer.ours import Made, Ours
from tests.unit.ipvs_programmer.tables import destination, key, service
from tests.unit.ipvs_programmer.world import Story, World, instance, real_server, virtual_server
from vipbus.contracts import (
    Event,
    IpvsSettings,
    IpvsTimeouts,
    SettingChanged,
    SyncDaemon,
    SyncDaemonChanged,
    Sysctl,
    VirtualServer,
)

MASTER, BACKUP = DaemonState.MASTER, DaemonState.BACKUP
FOREIGN = key("10.9.9.9", 99)
E = TypeVar("E", bound=Event)
Tell = Callable[[Story], None]


async def begin(w: World, *, role: str = "backup", server: VirtualServer | None = None, **ipvs: Any) -> None:
    """Configure a router with these settings of its table, and start its programmer."""
    w.kernel.interfaces.add("eth1")
    configure(w, server=server, **ipvs)
    w.role(role, 1)
    await w.settled()
    w.run(drift_interval=0.05)


def configure(w: World, *, server: VirtualServer | None = None, **ipvs: Any) -> None:
    server = server or virtual_server()
    w.configure(
        instance(), server, real_server("10.9.0.21", of=server), IpvsSettings(router="router-a", **ipvs)
    )


def hear(w: World, kind: type[E]) -> list[E]:
    heard: list[E] = []
    w.bus.listen(kind, heard.append)
    return heard


def running(w: World) -> list[DaemonState]:
    return sorted(w.kernel.running)


SYNC = SyncDaemon(interface="eth1", instance="VI_1", sync_id=51)


def test_daemons_follow_the_role(tell: Tell) -> None:
    async def story(w: World) -> None:
        heard = hear(w, SyncDaemonChanged)
        await begin(w, sync_daemon=SYNC)
        await w.until(lambda: running(w) == [BACKUP], "a backup receives")
        w.role("active", 2)
        await w.settled()
        w.addresses.set("10.9.0.1")
        await w.until(lambda: running(w) == [MASTER], "the active router sends")
        w.role("backup", 3)
        await w.until(lambda: running(w) == [BACKUP], "and receives again")
        await w.until(lambda: len(heard) == 3, "each change was told")
        assert [(each.running, each.cause) for each in heard] == [
            (("backup",), "revision 1"),
            (("master",), "VI_1 is active here"),
            (("backup",), "VI_1 is not active here"),
        ]

        del w.kernel.running[BACKUP]
        await w.until(lambda: running(w) == [BACKUP], "it was stopped by somebody and is started again")
        configure(w)
        await w.until(lambda: running(w) == [], "it left the configuration")

    tell(story)


def test_a_daemon_of_an_earlier_life_goes_and_a_foreign_one_stays(tell: Tell) -> None:
    async def story(w: World) -> None:
        await begin(w, sync_daemon=SYNC)
        await w.until(lambda: running(w) == [BACKUP], "a backup receives")
        await w.kill()
        assert running(w) == [BACKUP], "killed: it runs on"
        w.kernel.running[MASTER] = Daemon(state=MASTER, interface="eth1").completed()
        configure(w)
        await w.settled()
        # with the revision that it had the other daemon would be one too many, until the bus has answered
        (w.state_dir / "ipvs-programmer.config.json").unlink()
        w.run(drift_interval=0.05)
        await w.until(lambda: running(w) == [MASTER], "what was ours went")
        await w.stop()
        assert running(w) == [MASTER]

    tell(story)


def test_a_stop_takes_the_daemon_unless_all_is_kept(tell: Tell) -> None:
    async def story(w: World) -> None:
        await begin(w, sync_daemon=SYNC)
        await w.until(lambda: running(w) == [BACKUP], "a backup receives")
        await w.stop()
        assert running(w) == []
        w.run(on_stop="keep")
        await w.until(lambda: running(w) == [BACKUP], "a backup receives")
        await w.stop()
        assert running(w) == [BACKUP]

    tell(story)


def test_an_interface_that_is_missing_is_named_until_it_comes(tell: Tell) -> None:
    async def story(w: World) -> None:
        await begin(w, sync_daemon=SyncDaemon(interface="eth7"))
        await w.until(lambda: "there is no interface eth7: create it" in w.problems(), "it is named")
        w.kernel.interfaces.add("eth7")
        await w.until(lambda: running(w) == [MASTER, BACKUP], "both run")
        await w.until(lambda: w.problems() == "", "all is well")

    tell(story)


def test_timeouts_are_set_looked_after_and_left(tell: Tell) -> None:
    async def story(w: World) -> None:
        heard = hear(w, SettingChanged)
        await begin(w, timeouts=IpvsTimeouts(tcp=600))
        await w.until(lambda: w.kernel.timeouts_now == Timeouts(tcp=600, tcp_fin=120, udp=300), "it is set")
        w.kernel.timeouts_now = Timeouts(tcp=5, tcp_fin=6, udp=7)
        await w.until(lambda: w.kernel.timeouts_now == Timeouts(tcp=600, tcp_fin=6, udp=7), "it is put back")
        await w.until(lambda: len(heard) == 2, "both were told")
        assert [(each.name, each.before, each.value) for each in heard] == [
            ("timeout tcp", "900", "600"),
            ("timeout tcp", "5", "600"),
        ]
        configure(w, timeouts=IpvsTimeouts(tcp=31 * 24 * 3600))
        await w.until(lambda: "refused" in w.problems(), "a kernel may take no such long one")
        configure(w)
        await w.until(lambda: w.problems() == "", "nothing is asked for")
        assert w.kernel.timeouts_now.tcp == 600

    tell(story)


def test_kernel_settings(tell: Tell) -> None:
    async def story(w: World) -> None:
        w.sysctls.values["net.ipv4.ip_forward"] = "0"
        await begin(w, sysctls=(Sysctl(name="net.ipv4.vs.sync_threshold", value="1 10"),))
        await w.until(lambda: "sync_threshold is 3 50 and should be 1 10" in w.problems(), "it is looked at")
        assert "forwards by NAT and net.ipv4.ip_forward is 0" in w.problems()
        assert w.sysctls.writes == [], "nothing is set that was not asked for"
        forward = Sysctl(name="net.ipv4.ip_forward", value="1", set=True)
        configure(w, sysctls=(forward,))
        await w.until(lambda: w.problems() == "", "it is set")
        assert w.sysctls.writes == [("net.ipv4.ip_forward", "1")]
        w.sysctls.read_only = True
        w.sysctls.values["net.ipv4.ip_forward"] = "0"
        await w.until(lambda: "read-only" in w.problems(), "it cannot be set again")

    tell(story)


def test_advice_does_not_make_a_router_unready(tell: Tell) -> None:
    async def story(w: World) -> None:
        await begin(w, server=virtual_server(persistence_timeout=50))
        assert w.life is not None
        readiness = w.life.readiness
        await w.until(lambda: readiness.condition().advice, "it is advised")
        await w.until(lambda: readiness.condition().ready, "it is ready")
        assert "expire_quiescent_template=1" in readiness.condition().advice[0]
        w.sysctls.values["net.ipv4.vs.expire_quiescent_template"] = "1"
        await w.until(lambda: not readiness.condition().advice, "it was followed")

    tell(story)


def test_masquerade(tell: Tell) -> None:
    async def story(w: World) -> None:
        heard = hear(w, SettingChanged)
        masking = virtual_server(masquerade=True)
        await begin(w, server=masking)
        await w.until(lambda: len(w.rules.rules) == 1, "the rules stand")
        assert w.sysctls.values["net.ipv4.vs.conntrack"] == "1"
        w.rules.lose()
        await w.until(lambda: w.rules.there, "they are put back")
        await w.until(lambda: [each.name for each in heard][1:] == ["masquerade by nft"], "it was told")

        w.rules.refusal = "nft is not installed; install nftables"
        await w.until(lambda: "masquerade does not hold: nft is not installed" in w.problems(), "it is said")
        w.rules.refusal = ""
        await w.until(lambda: w.problems() == "", "all is well")

        await w.kill()
        configure(w)
        await w.settled()
        w.run(drift_interval=0.05)
        await w.until(lambda: not w.rules.there, "the rules of an earlier life went with the configuration")

    tell(story)


@pytest.mark.parametrize(("on_stop", "there"), [("remove", False), ("keep", True)])
def test_the_rules_at_a_stop(tell: Tell, on_stop: str, there: bool) -> None:
    async def story(w: World) -> None:
        configure(w, server=virtual_server(masquerade=True))
        w.role("backup", 1)
        await w.settled()
        w.run(on_stop=on_stop)
        await w.until(lambda: w.rules.there, "the rules stand")
        await w.stop()
        assert w.rules.there == there

    tell(story)


def stranger(w: World) -> None:
    w.kernel.services[FOREIGN] = service(FOREIGN)
    w.kernel.destinations[FOREIGN] = {}


def test_a_flush_takes_what_is_foreign_once_a_boot(tell: Tell) -> None:
    async def story(w: World) -> None:
        stranger(w)
        w.kernel.services[key()] = service(key())  # of a life before: it carries traffic
        w.kernel.destinations[key()] = {destination().key: destination()}
        await begin(w, role="active", flush=True)
        await w.until(lambda: FOREIGN not in w.kernel.services, "the stranger is gone")
        assert not any(each.startswith(f"delete service {key()}") for each in w.operations())
        stranger(w)
        configure(w, flush=True, timeouts=IpvsTimeouts(tcp=100))
        await w.until(lambda: w.kernel.timeouts_now.tcp == 100, "a revision is no start")
        assert FOREIGN in w.kernel.services
        await w.kill()
        w.kernel.timeouts_now = Timeouts(tcp=900, tcp_fin=120, udp=300)
        w.run(drift_interval=0.05)
        await w.until(lambda: w.kernel.timeouts_now.tcp == 100, "it is started again")
        assert FOREIGN in w.kernel.services, "what came since stays"

    tell(story)


@pytest.mark.parametrize(
    ("flush_on_stop", "on_stop", "left"),
    [
        (None, "remove", {FOREIGN}),
        (None, "keep", {FOREIGN, key()}),
        ("ours", "keep", {FOREIGN}),
        ("all", "keep", set()),
        ("all", "remove", set()),
    ],
)
def test_the_table_at_a_stop(tell: Tell, flush_on_stop: Any, on_stop: str, left: set[object]) -> None:
    async def story(w: World) -> None:
        stranger(w)
        configure(w, server=virtual_server(instance=None), flush_on_stop=flush_on_stop)
        await w.settled()
        w.run(on_stop=on_stop)
        await w.until(lambda: key() in w.kernel.services, "the table is filled")
        await w.stop()
        assert set(w.kernel.services) == left

    tell(story)


def test_a_virtual_servers_own_word_on_standby(tell: Tell) -> None:
    async def story(w: World) -> None:
        warm, cold = virtual_server(standby="warm"), virtual_server(port=81, standby="clear")
        usual = virtual_server(port=82)
        w.configure(instance(), warm, cold, usual)
        w.role("backup", 1)
        await w.settled()
        w.run()
        await w.until(lambda: set(w.kernel.services) == {key()}, "clear is the rule")
        await w.kill()
        w.run(standby="warm")
        await w.until(lambda: set(w.kernel.services) == {key(), key(port=82)}, "warm is the rule")

    tell(story)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"rules": "pf"}', b'{"daemons": ["both"]}'])
def test_a_spoilt_file_names_nothing_of_ours(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "around.json"
    path.write_bytes(body)
    ours = Ours(path)
    assert ours.made == Made()
    made = Made(daemons=frozenset(("master",)), rules="iptables", flushed="x")
    ours.save(made)
    assert Ours(path).made == made
