"""The IPVS table in vipbus.toml: what it means, and what is said of a wrong key, with its line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import msgspec
import pytest

from config_service.keepalived.virtual_groups import MOST
from config_service.native.document import read
from config_service.problems import ConfigError, Problem
from vipbus.contracts import (
    Entity,
    Fifo,
    IpvsSettings,
    IpvsTimeouts,
    Program,
    RealServer,
    SlowStart,
    SorryServer,
    SyncDaemon,
    Sysctl,
    Tunnel,
    VirtualServer,
)

TABLE = Path(__file__).parent / "examples" / "table.toml"
TEXT = TABLE.read_text()
TRUE = Program(arguments=("/bin/true",))


def entities(text: str = TEXT, router: str = "lb-a") -> tuple[Entity, ...]:
    return read(text, "v.toml", router, str)


def virtual_server(words: str, text: str = TEXT, router: str = "lb-a") -> VirtualServer:
    (found,) = (
        one for one in entities(text, router) if isinstance(one, VirtualServer) and one.words == words
    )
    return found


def pool(words: str, text: str = TEXT) -> list[RealServer]:
    token = virtual_server(words, text).id
    return [one for one in entities(text) if isinstance(one, RealServer) and one.virtual_server == token]


def refused(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        entities(text)
    (problem,) = caught.value.problems
    return problem


def warned(text: str) -> list[tuple[int, str]]:
    found: list[Problem] = []
    read(text, "v.toml", "lb-a", str, found)
    return [(one.line, one.text) for one in found]


def test_it_can_be_read_again_and_warns_of_nothing() -> None:
    for router in ("lb-a", "lb-b"):
        found = entities(router=router)
        for entity in found:
            assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
        assert len({entity.key for entity in found}) == len(found)
    assert warned(TEXT) == []


def test_the_settings_of_the_table() -> None:
    (found,) = (one for one in entities() if isinstance(one, IpvsSettings))
    assert found == IpvsSettings(
        router="lb-a",
        sync_daemon=SyncDaemon(interface="eth1", instance="VI_1", sync_id=51, ttl=2),
        timeouts=IpvsTimeouts(tcp=7200, tcp_fin=60, udp=30),
        sysctls=(
            Sysctl(name="net.ipv4.vs.conn_reuse_mode", value="1", set=True),
            Sysctl(name="net.ipv4.ip_forward", value="1"),
        ),
        flush=True,
        flush_on_stop="ours",
        notify_fifo=Fifo(path="/run/vipbus/lvs", script=Program(arguments=("/bin/cat", "-u"))),
        initial_notifies=True,
        script_user="nobody",
        script_security=True,
    )
    (other,) = (one for one in entities(router="lb-b") if isinstance(one, IpvsSettings))
    assert other == msgspec.structs.replace(found, router="lb-b", flush=False)


def test_each_place_of_a_group_is_a_virtual_server() -> None:
    front = [one for one in entities() if isinstance(one, VirtualServer) and one.group == "front"]
    assert [(one.words, one.instance) for one in front] == [
        ("192.0.2.1:80 TCP", "VI_1"),
        ("192.0.2.8:80 TCP", None),
        ("192.0.2.9:80 TCP", None),
        ("192.0.2.20:81 TCP", None),
        ("192.0.2.21:81 TCP", None),
        ("FWM 7", None),
    ]
    assert front[0] == VirtualServer(
        router="lb-a",
        address="192.0.2.1",
        port=80,
        group="front",
        scheduler="sh",
        scheduler_flags=("flag-1", "flag-2"),
        forwarding="NAT",
        masquerade=True,
        instance="VI_1",
        standby="warm",
        quorum=2,
        hysteresis=1,
        quorum_up=Program(arguments=("/bin/true", "up")),
        quorum_down=Program(arguments=("/bin/true", "down now")),
        sorry_server=SorryServer(address="10.0.0.99", port=8080, forwarding="NAT"),
        omega=True,
        drain_timeout=120.0,
    )


def test_what_a_virtual_server_says_for_all_of_its_real_servers() -> None:
    one, two = pool("192.0.2.20:81 TCP")
    token = virtual_server("192.0.2.20:81 TCP").id
    assert one == RealServer(
        router="lb-a",
        virtual_server=token,
        address="10.0.0.1",
        port=8080,
        weight=3,
        upper_threshold=100,
        lower_threshold=80,
        inhibit_on_failure=True,
        slow_start=SlowStart(duration=60.0, steps=5),
        notify_up=msgspec.structs.replace(TRUE, user="root"),
        notify_down=TRUE,
    )
    assert two == RealServer(
        router="lb-a",
        virtual_server=token,
        address="2001:db8:1::2",
        port=81,
        weight=0,
        forwarding="TUN",
        tunnel=Tunnel(type="gue", port=5555, checksum="csum"),
        slow_start=SlowStart(duration=30.0),
    )
    assert [each.port for each in pool("FWM 7")] == [8080, 0]


def test_persistence_and_tunnels() -> None:
    found = virtual_server("192.0.2.1:5060 UDP")
    assert found == VirtualServer(
        router="lb-a",
        name="sip",
        address="192.0.2.1",
        port=5060,
        protocol="UDP",
        scheduler="wlc",
        one_packet=True,
        forwarding="TUN",
        tunnel=Tunnel(type="gre"),
        persistence_timeout=1800,
        persistence_prefix=24,
        persistence_engine="sip",
        instance="VI_1",
        ha_suspend=True,
        sorry_server=SorryServer(address="10.0.0.99", port=5060, forwarding="DR", inhibit=True),
    )
    (real,) = pool("192.0.2.1:5060 UDP")
    assert (real.forwarding, real.tunnel) == (None, Tunnel())
    assert virtual_server("192.0.2.1:0 TCP").persistence_timeout == 60


def test_a_sorry_server_is_reached_as_the_pool_is() -> None:
    text = TEXT.replace('forwarding = "DR"\ninhibit = true\n', "")
    sorry = virtual_server("192.0.2.1:5060 UDP", text).sorry_server
    assert sorry == SorryServer(address="10.0.0.99", port=5060, forwarding="TUN", tunnel=Tunnel(type="gre"))


def test_a_mark() -> None:
    found = virtual_server("FWM 9 IPv6")
    assert (found.mark, found.family, found.instance, found.scheduler_flags) == (9, 6, None, ("flag-1",))
    assert [one.port for one in pool("FWM 9 IPv6")] == [8080]
    # a router names it by its mark
    assert virtual_server("FWM 9 IPv6", router="lb-b").scheduler_flags == ("flag-2",)
    tied = TEXT.replace("mark = 9\n", 'mark = 9\ninstance = "VI_1"\n')
    assert virtual_server("FWM 9 IPv6", tied).instance == "VI_1"


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        # the settings
        ("ttl = 2}", "ttl = 256}", "ttl = 256", "Expected `int` <= 255"),
        ('instance = "VI_1", ttl', 'instance = "VI_2", ttl', "VI_2", "there is no vrrp_instance 'VI_2'; did"),
        ('"eth1"', '"eth/1"', "eth/1", "'eth/1' is no network interface's name"),
        ("ttl = 2}", 'group = "10.0.0.1"}', "10.0.0.1", "'10.0.0.1' is no multicast address"),
        ("ttl = 2}", "vrid = 2}", "vrid", "unknown key 'vrid'"),
        ('tcp = "2h"', 'tcp = "2 years"', "2 years", "'2 years' is no duration"),
        ('tcp = "2h"', 'tcp = "1500ms"', "1500ms", "'1500ms' is not in whole seconds; round it"),
        ('tcp = "2h"', "tcp = 2678401", "2678401", "Expected `int` <= 2678400"),
        ('flush_on_stop = "ours"', 'flush_on_stop = "VS"', "VS", "Invalid enum value 'VS'"),
        ('script = "/bin/cat -u"', 'script = ""', 'script = ""', "the command is empty; name a program"),
        ("{value = 1, set = true}", "{set = true}", "{set = true}", "there is no value; write { value"),
        ("{value = 1, set = true}", "[1]", "conn_reuse_mode", "Expected `str`, got `array`"),
        ("{value = 1, set = true}", '"a;b"', "a;b", "Expected `str` matching regex"),
        ('"net.ipv4.vs.conn_reuse_mode"', '"kernel.panic"', "kernel.panic", "Expected `str` matching regex"),
        ("[ipvs.sysctl]", "[ipvs.sysctls]", "[ipvs.sysctls]", "is written [ipvs.sysctl], a line for each"),
        ("flush = true", "flash = true", "flash", "unknown key 'flash'; did you mean 'flush'?"),
        # groups
        ('"192.0.2.8/31"', '"192.0.2.9/31"', "192.0.2.9/31", "'192.0.2.9/31' has bits beyond its prefix"),
        ('"192.0.2.8/31"', '"10.0.0.0/8"', "10.0.0.0/8", "with it the group has 16777217 addresses, more"),
        ('"192.0.2.8/31"', '"192.0.2.9-1"', "192.0.2.9-1", "'192.0.2.9-1' ends before it begins"),
        ('"192.0.2.8/31"', "8", "addresses", "is no text; write "),
        ('20-21:81"', '20-21:0"', ":0", "'0' is no whole number from 1 to 65535"),
        ("marks = [7]", "marks = [0]", "marks", "is no firewall mark; write a number from 1 to 4294967295"),
        ("marks = [7]", "marks = 7", "marks", "is no array; write it in brackets"),
        ("marks = [7]", "marks = [{mark = 7, family = 5}]", "marks", "'5' is no family; write 4 or 6"),
        ("port = 80\n", "port = 80000\n", "80000", "'80000' is no port; write a number from 1 to 65535"),
        ("port = 80\n", "prot = 80\n", "prot = 80", "unknown key 'prot'; did you mean 'port'?"),
        ('group = "front"', 'group = "frond"', "frond", "there is no virtual_server_group 'frond'; did you"),
        ('group = "front"', 'group = "front"\nport = 80', "port = 80", "has no place here: a group's"),
        ('group = "front"', 'group = "front"\nmark = 5', 'group = "front"', "stands beside mark; remove"),
        (
            '"192.0.2.8/31"',
            '"192.0.2.1"',
            "virtual_server]]",
            "192-0-2-1_80_tcp is virtual_server[0] already",
        ),
        # virtual servers
        ('["port", "sh-fallback"]', '["mh-port"]', "mh-port", "'mh-port' is no flag of the scheduler sh"),
        ('["port", "sh-fallback"]', '["flag-4"]', "flag-4", "Invalid enum value 'flag-4'"),
        ('scheduler = "sh"', 'scheduler = "rr"', "scheduler_flags", "'port' is no flag of the scheduler rr"),
        ("hysteresis = 1", "hysteresis = 4", "hysteresis", "4 is not below the quorum of 2: it would"),
        ('"10.0.0.99:8080"', '"10.0.0.1:8080"', "sorry_server", "10.0.0.1 port 8080 is a real server of the"),
        ('"10.0.0.99:8080"', "[]", "sorry_server", "is no server; write "),
        ('"10.0.0.99:8080"', '"[2001:db8::9]:80"', "sorry_server", "2001:db8::9 is IPv6 and the virtual ser"),
        ('quorum_up = "/bin/true up"', "quorum_up = []", "quorum_up", "the command is empty; name a program"),
        ('drain_timeout = "2m"', "drain_timeout = -1", "drain_timeout", "Expected `float` >= 0.0"),
        ('slow_start = "30s"', 'slow_start = "soon"', "slow_start", "'soon' is no duration"),
        (
            "lower_threshold = 80",
            "lower_threshold = 101",
            "lower_threshold",
            "101 is above the upper one, 100",
        ),
        ("port = 5555, ", "", "tunnel = {type", "a gue tunnel has no port; add the one that the real"),
        ('tunnel = "gre"', 'tunnel = "gree"', "gree", "Invalid enum value 'gree'"),
        ('protocol = "UDP"', 'protocol = "TCP"', "one_packet", "only UDP is scheduled packet by packet, and"),
        ('"/24"', '"/33"', "/33", "33 is beyond the 32 bits"),
        ('"/24"', '"255.255.255.0"', "255.255.255.0", "'255.255.255.0' is no prefix length; write one like"),
        (
            'address = "10.0.0.99"\n',
            'address = "10.0.0.99:80"\n',
            "sorry_server]",
            "DR cannot change the port",
        ),
        (
            "mark = 9",
            'name = "9"\nmark = -9',
            "mark = -9",
            "is no firewall mark; write a number from 1 to 4294967295",
        ),
        ("mark = 9", "mark = 9\nha_suspend = true", "ha_suspend = true", "has no place here: a firewall"),
        ("family = 6", "family = 4", "[2001:db8:1::3]", "2001:db8:1::3 is IPv6 and the virtual server IPv4"),
        (
            "persistence_timeout = 60\n",
            "",
            "port = 0",
            "0 is every port, which the kernel has for persistent",
        ),
        ("port = 0\n", "port = true\n", "port = true", "'True' is no port; write a number from 1 to 65535"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, at: str, said: str) -> None:
    text = TEXT.replace(old, new, 1)
    problem = refused(text)
    assert said in problem.text
    assert at in text.splitlines()[problem.line - 1]


_DIRECT = """\
address = "10.0.0.4"
[[virtual_server]]
address = "192.0.2.9:1"
masquerade = true
forwarding = "DR"
[[virtual_server.real_server]]
address = "10.0.0.5\""""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('group = "front"', 'address = "192.0.2.1:80"', "virtual_server_group[0]: no virtual_server has it"),
        (
            'scheduler_flags = ["flag-1"]',
            'scheduler_flags = ["flag-3"]',
            "flag-3 has no effect here: mh heeds",
        ),
        (
            "weight = 3\n",
            "weight = 1\n",
            "2 is above the weight of the whole pool, 1: it can never be reached",
        ),
        (
            "quorum = 2\nhysteresis = 1",
            "quorum = 3\nhysteresis = 1",
            "quorum and hysteresis, 4, are above the",
        ),
        (
            'tunnel = "ipip"',
            'forwarding = "DR"\ntunnel = "ipip"',
            "has no effect here: the method is DR, and",
        ),
        (
            'address = "10.0.0.4"',
            _DIRECT,
            "has no effect here: nothing in this pool is forwarded by NAT",
        ),
        ('persistence_timeout = "30m"\n', "", "has no effect without persistence_timeout; add it"),
    ],
)
def test_what_is_warned_of(old: str, new: str, said: str) -> None:
    found = warned(TEXT.replace(old, new, 1))
    assert any(said in text for _, text in found)
    assert len(found) <= 2


def test_a_check_needs_a_port() -> None:
    check = '[[virtual_server.real_server.check]]\nkind = "tcp"\n'
    text = TEXT.replace('address = "10.0.0.4"\n', f'address = "10.0.0.4"\n{check}', 1)
    problem = refused(text)
    assert "it has no port to go to, for its real server has none; add port" in problem.text
    (real,) = pool("192.0.2.1:0 TCP", text.replace('kind = "tcp"\n', 'kind = "tcp"\nport = 81\n'))
    assert [one.port for one in real.checks] == [81]


def test_a_group_and_its_pool_have_a_bound_together() -> None:
    reals = "".join(f'[[virtual_server.real_server]]\naddress = "10.1.0.{n}"\n' for n in range(1, 60))
    text = (
        f'[[virtual_server_group]]\nname = "g"\naddresses = ["10.9.0.0/{33 - MOST.bit_length()}:80"]\n'
        f'[[virtual_server]]\ngroup = "g"\n{reals}'
    )
    assert f"{MOST} addresses with 59 real servers each are more than 200000 entries" in refused(text).text


def test_nothing_said_is_nothing_written() -> None:
    text = (
        '[[virtual_server]]\naddress = "10.9.0.1:80"\n[[virtual_server.real_server]]\naddress = "10.9.1.1"\n'
    )
    assert not any(isinstance(one, IpvsSettings) for one in entities(text))
    both = entities(text + '[ipvs]\nsync_daemon = "eth1"\n')
    (found,) = (one for one in both if isinstance(one, IpvsSettings))
    assert found.sync_daemon == SyncDaemon(interface="eth1", both=True)


_KEYS = sorted(set(re.findall(r'^("[\w.]+"|[\w.]+) =', TEXT, re.MULTILINE)))
_VALUES = [
    "0",
    "-1",
    "true",
    "[]",
    "{}",
    '""',
    '"1s"',
    "[[]]",
    "1e9",
    '"::"',
    "nan",
    "inf",
    "[1, 2]",
    '["a", "\\u0000"]',
    "{a = 1}",
    "{value = {}}",
    "1979-05-27",
    "99999999999999999999",
    '"10.9.0.1-10.9.0.9"',
]


@pytest.mark.parametrize("value", _VALUES)
def test_any_value_of_any_key_is_accepted_or_refused_in_words(value: str) -> None:
    for key in _KEYS:
        text = re.sub(rf"(?m)^{re.escape(key)} = .*$", lambda _, key=key: f"{key} = {value}", TEXT)
        with contextlib.suppress(ConfigError):  # and nothing else
            for entity in entities(text):
                assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
