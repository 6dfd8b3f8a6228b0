"""A file with every keyword of VRRP: it compiles, no keyword is missing, and this is what it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from config_service.keepalived.global_defs import WITHOUT_EFFECT
from config_service.keepalived.parser import Statement, parse
from config_service.keepalived.schema import HOMES
from config_service.report import Report
from tests.unit.config_service.support import GOOD, SECRETS, compiled
from tests.unit.config_service.test_every_checker import CHECKS
from tests.unit.config_service.test_every_table_keyword import OLD, TABLE
from vipbus.contracts import (
    Entity,
    Fifo,
    Garp,
    Hmac,
    HmacKey,
    InterfaceDelay,
    Mail,
    NextHop,
    Notify,
    Program,
    StaticAddress,
    SyncGroup,
    Track,
    TrackFile,
    TrackProcess,
    UnicastPeer,
    VirtualAddress,
    VirtualMac,
    VirtualRoute,
    VirtualRule,
    VrrpInstance,
    VrrpScript,
    VrrpSettings,
)

FULL = (Path(__file__).parent / "full.conf").read_text()
_SAME = {"vrrp_track_file": "track_file"}
TRUE = Program(arguments=("/bin/true",))


def _used(statements: tuple[Statement, ...], block: str = "") -> Iterator[tuple[str, str]]:
    for statement in statements:
        yield block, statement.keyword
        yield from _used(statement.block or (), _SAME.get(statement.keyword, statement.keyword))


def test_each_keyword_is_in_the_files() -> None:
    used = {
        place for text in (FULL, GOOD, CHECKS, TABLE, OLD) for place in _used(parse(text, "x.conf", Report()))
    }
    missing = {(home, keyword) for keyword, homes in HOMES.items() for home in homes} - used
    assert missing == set()


def test_it_is_whole_and_can_be_read_again() -> None:
    found = compiled(FULL, router=None)
    assert found.summary == "4 instances, 2 sync groups, 1 script, 0 virtual servers, 0 real servers"
    for entity in found.entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
    keys = [entity.key for entity in found.entities]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("lb-full.") for key in keys)


def test_what_has_no_effect_is_told() -> None:
    said = [one.text for one in compiled(FULL).warnings]
    idle = [text.partition(" ")[0] for text in said if " has no effect here: " in text]
    assert set(idle) >= WITHOUT_EFFECT.keys() - {"checker_log_all_failures"}
    said = [text for text in said if text.partition(" ")[0] not in WITHOUT_EFFECT]
    starts = [
        "no_email_faults has no effect here: mail tells of faults too",
        "the interval holds for each of these interfaces",
        "skip_check_adv_addr has no effect here",
        "timer_expired_backup has no effect here",
        "old_unicast_checksum has no effect here",
        "kernel_rx_buf_size has no effect here",
        "debug has no effect here",
        "thread_timer_expired has no effect here",
    ]
    assert [text[: len(start)] for text, start in zip(said, starts, strict=True)] == starts


def entity(name: str) -> Entity:
    (found,) = (one for one in compiled(FULL).entities if getattr(one, "name", "") == name)
    return found


def test_the_settings() -> None:
    assert compiled(FULL).entities[0] == VrrpSettings(
        router="r1",
        startup_delay=5.5,
        delay_after_boot=60.0,
        dynamic_interfaces=True,
        rt_priority=50,
        rlimit_rttime=10000,
        nice=-5,
        no_swap=True,
        cpu_affinity=(0, 1),
        script_user="root",
        script_group="root",
        script_security=True,
        notify_fifo=Fifo(
            path="/run/vipbus/events", script=Program(arguments=("/bin/cat", "-u"), user="root")
        ),
        vrrp_notify_fifo=Fifo(path="/run/vipbus/vrrp", script=Program(arguments=("/bin/cat",))),
        fifo_states_on_reload=True,
        mail=Mail(
            recipients=("admin@example.org", "ops@example.org"),
            sender="lb@example.org",
            host="192.0.2.25",
            port=2525,
            helo="lb.example.org",
            timeout=10.0,
        ),
        interface_delays=(
            InterfaceDelay(interface="eth0", up=2.0, down=1.0),
            InterfaceDelay(interface="eth1", up=0.5, down=0.5),
        ),
        log_unknown_vrids=True,
        static_addresses=(
            StaticAddress(
                address=VirtualAddress(
                    address="192.0.2.10",
                    prefix=24,
                    dev="eth1",
                    broadcast="192.0.2.255",
                    scope=253,
                    label="eth1:st",
                ),
                track_group="VI_1",
            ),
            StaticAddress(
                address=VirtualAddress(
                    address="2001:db8:9::1",
                    prefix=64,
                    dev="eth9",
                    nodad=False,
                    home=True,
                    managed_temporary=True,
                    no_prefix_route=True,
                )
            ),
            StaticAddress(
                address=VirtualAddress(
                    address="192.0.2.11",
                    prefix=30,
                    dev="eth9",
                    peer="192.0.2.12/30",
                    auto_join=True,
                    tracked=False,
                )
            ),
        ),
        static_routes=(
            VirtualRoute(
                family=4,
                destination="198.51.100.0/24",
                via="192.0.2.1",
                dev="eth1",
                table=100,
                metric=5,
                protocol=4,
                source="192.0.2.10",
                onlink=True,
                metrics=(("mtu", 1400), ("lock", 1 << 2)),
            ),
            VirtualRoute(
                family=6,
                destination="::/0",
                via="2001:db8:9::ff",
                preference="high",
                metrics=(("rtt", 20),),
            ),
            VirtualRoute(family=4, destination="203.0.113.0/24", kind="blackhole", tracked=False),
            VirtualRoute(
                family=4,
                destination="198.51.101.0/24",
                nexthops=(
                    NextHop(via="192.0.2.1", dev="eth1", weight=2),
                    NextHop(dev="eth2", onlink=True),
                ),
                track_group="VI_1",
            ),
        ),
        static_rules=(
            VirtualRule(family=4, priority=1000, table=100, source="198.51.100.0/24", track_group="VI_1"),
            VirtualRule(
                family=6,
                priority=1001,
                action="blackhole",
                invert=True,
                destination="2001:db8:8::/48",
                iif="eth1",
                mark=0x10,
                mask=0xFF,
            ),
        ),
    )


SHARED = (
    Track(kind="interface", name="eth7", weight=3),
    Track(kind="script", name="check", weight=4),
    Track(kind="file", name="steer", weight=2),
    Track(kind="process", name="proxy", weight=-9, reverse=True),
)
"""What its sync group follows is each member's."""


def test_the_first_instance() -> None:
    keys = (
        "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "a passphrase of at least 32 bytes!",
    )
    assert entity("VI_1") == VrrpInstance(
        router="r1",
        name="VI_1",
        interface="eth0",
        virtual_router_id=51,
        version=3,
        priority=150,
        advert_int=0.5,
        nopreempt=True,
        down_timer_adverts=5,
        accept=False,
        source="192.0.2.10",
        track_source=True,
        multicast_group="224.0.0.20",
        checksum_as_v2=True,
        hmac=Hmac(
            keys=tuple(
                HmacKey(id=number, secret=SECRETS.reference(key)) for number, key in enumerate(keys, 1)
            ),
            active_key=2,
            time_window=20.0,
            mode="permissive",
        ),
        virtual_mac=VirtualMac(name="vrrp.x", mac="02:00:00:00:00:07", xmit_base=True, each_address=True),
        vrf="blue",
        virtual_ipaddress=(
            VirtualAddress(
                address="192.0.2.100", prefix=24, dev="eth1", broadcast="192.0.2.255", own_mac=True
            ),
            VirtualAddress(address="192.0.2.101", prefix=32, dev="eth0"),
        ),
        virtual_ipaddress_excluded=(
            VirtualAddress(address="2001:db8::100", prefix=64, dev="eth0"),
            VirtualAddress(address="192.0.2.102", prefix=32, dev="eth2", own_mac=True),
        ),
        promote_secondaries=True,
        virtual_routes=(
            VirtualRoute(
                family=4,
                destination="0.0.0.0/0",
                table=101,
                nexthops=(NextHop(via="192.0.2.1", dev="eth1"), NextHop(via="192.0.2.2", dev="eth1")),
            ),
        ),
        virtual_rules=(VirtualRule(family=4, priority=1002, table=101, source="192.0.2.0/24"),),
        garp=Garp(
            master_delay=7.0,
            master_repeat=4,
            lower_prio_delay=8.0,
            lower_prio_repeat=1,
            master_refresh=20.0,
            master_refresh_repeat=3,
            arp_interval=0.75,
            na_interval=0.5,
            extra_interfaces=("eth1", "eth2"),
            extra_all=True,
        ),
        track_interface=False,
        tracks=(
            Track(kind="interface", name="eth3"),
            Track(kind="interface", name="eth4", weight=10, reverse=True),
            Track(kind="file", name="stop"),
            *SHARED,
        ),
        notify=Notify(
            master=Program(arguments=("/bin/true", "one", "two three"), user="root", group="root"),
            backup=Program(arguments=("/bin/true",), user="root"),
            fault=TRUE,
            stop=TRUE,
            deleted=TRUE,
            master_rx_lower_pri=TRUE,
            any=TRUE,
            priority_changes=True,
        ),
    )


GLOBAL_GARP = Garp(
    master_delay=2.0,
    master_repeat=3,
    lower_prio_delay=4.0,
    lower_prio_repeat=6,
    master_refresh=60.0,
    master_refresh_repeat=2,
    arp_interval=0.75,
    na_interval=0.000001,
)


def test_the_unicast_instance() -> None:
    assert entity("VI_2") == VrrpInstance(
        router="r1",
        name="VI_2",
        interface="eth1",
        virtual_router_id=52,
        version=2,
        preempt_delay=4.5,
        down_timer_adverts=4,
        lower_prio_no_advert=True,
        higher_prio_send_advert=True,
        owner_ignore_adverts=True,
        source="192.0.2.10",
        unicast_peers=(
            UnicastPeer(address="192.0.2.20"),
            UnicastPeer(address="192.0.2.21", min_ttl=250, max_ttl=254),
        ),
        unicast_ttl=254,
        check_unicast_source=True,
        unicast_fault_no_peer=True,
        auth_pass=SECRETS.reference("secret"),
        virtual_ipaddress=(VirtualAddress(address="192.0.2.110", prefix=32, dev="eth1"),),
        garp=GLOBAL_GARP,
        tracks=(
            Track(kind="script", name="check", weight=-20, reverse=True),
            Track(kind="process", name="proxy", weight=30),
        ),
        notify=Notify(priority_changes=True, mail=True),
    )


def test_the_instance_without_addresses() -> None:
    assert entity("VI_3") == VrrpInstance(
        router="r1",
        name="VI_3",
        interface="eth2",
        virtual_router_id=53,
        version=3,
        down_timer_adverts=4,
        lower_prio_no_advert=True,
        higher_prio_send_advert=True,
        owner_ignore_adverts=True,
        source="192.0.2.33",
        multicast_group="224.0.0.19",
        virtual_mac=VirtualMac(kind="ipvlan", name="ipv.3", address="192.0.2.33/24"),
        garp=GLOBAL_GARP,
        notify=Notify(priority_changes=True, mail=True),
    )


def test_the_instance_of_ipv6() -> None:
    found = entity("VI_6")
    assert isinstance(found, VrrpInstance)
    assert (found.family, found.version, found.multicast_group) == (6, 3, "ff02::19")
    assert [one.prefix for one in found.virtual_ipaddress] == [128, 64]
    assert found.tracks == SHARED
    assert (found.garp.arp_interval, found.garp.na_interval) == (0.25, 0.5)


def test_what_is_around_the_instances() -> None:
    assert entity("VG") == SyncGroup(
        router="r1",
        name="VG",
        members=("VI_1", "VI_6"),
        notify=Notify(
            master=Program(arguments=("/bin/true", "group")),
            backup=TRUE,
            fault=TRUE,
            stop=TRUE,
            any=TRUE,
            mail=True,
        ),
    )
    assert entity("check") == VrrpScript(
        router="r1",
        name="check",
        command=Program(arguments=("/bin/true", "one argument", "two"), user="root", group="root"),
        interval=2.5,
        timeout=2.0,
        rise=2,
        fall=3,
        init_fail=True,
    )
    assert entity("steer") == TrackFile(
        router="r1", name="steer", path="/run/steer", init=5, init_overwrite=True
    )
    assert entity("stop") == TrackFile(router="r1", name="stop", path="/run/stop")
    assert entity("proxy") == TrackProcess(
        router="r1",
        name="proxy",
        process="/usr/sbin/haproxy",
        arguments=("-W",),
        argument_match="initial",
        full_command=True,
        quorum=2,
        quorum_max=8,
        fork_delay=1.0,
        terminate_delay=0.25,
    )
