"""``global_defs``, static blocks, and what several instances of one router may be."""

from __future__ import annotations

import pytest

from tests.unit.config_service.support import (
    compiled,
    errors,
    global_defs,
    instance,
    server,
    the_instance,
    the_settings,
    warnings,
)
from vipbus.contracts import (
    Fifo,
    Garp,
    InterfaceDelay,
    Mail,
    Program,
    StaticAddress,
    SyncGroup,
    VirtualServer,
    VrrpInstance,
    VrrpSettings,
)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("vrrp_startup_delay 0.001", "startup_delay", 0.001),
        ("vrrp_delay_after_boot 4294", "delay_after_boot", 4294.0),
        ("dynamic_interfaces", "dynamic_interfaces", True),
        ("dynamic_interfaces allow_if_changes", "dynamic_interfaces", True),
        ("vrrp_priority -20", "nice", -20),
        ("vrrp_priority 19", "nice", 19),
        ("vrrp_rt_priority 99", "rt_priority", 99),
        ("vrrp_rt_priority 0", "rt_priority", 0),
        ("vrrp_rlimit_rttime 10000", "rlimit_rttime", 10000),
        ("vrrp_no_swap", "no_swap", True),
        ("vrrp_no_swap off", "no_swap", False),
        ("vrrp_cpu_affinity 3 0 3", "cpu_affinity", (0, 3)),
        ("script_user nobody", "script_user", "nobody"),
        ("script_user nobody nogroup", "script_group", "nogroup"),
        ("enable_script_security", "script_security", True),
        ("enable_script_security off", "script_security", False),
        ("notify_fifo /run/f", "notify_fifo", Fifo(path="/run/f")),
        ("vrrp_notify_fifo /run/f", "vrrp_notify_fifo", Fifo(path="/run/f")),
        ("fifo_write_vrrp_states_on_reload", "fifo_states_on_reload", True),
        ("log_unknown_vrids", "log_unknown_vrids", True),
    ],
)
def test_settings(line: str, field: str, value: object) -> None:
    text = global_defs(line)
    assert getattr(the_settings(text), field) == value
    assert warnings(text) == []


def test_the_default_settings_stand_beside_any_instance() -> None:
    assert compiled(instance()).entities[0] == VrrpSettings(router="r1")
    assert not any(isinstance(one, VrrpSettings) for one in compiled(server()).entities)
    text = server() + "static_ipaddress { 10.8.0.1 }\n"
    assert len(the_settings(text).static_addresses) == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("vrrp_startup_delay 0", "vrrp_startup_delay: '0' is no number of seconds from 0.001"),
        ("dynamic_interfaces yes", "dynamic_interfaces: 'yes' is none of allow_if_changes"),
        ("vrrp_priority -21", "vrrp_priority: '-21' is no whole number from -20 to 19"),
        ("vrrp_rt_priority 100", "vrrp_rt_priority: '100' is no whole number from 0 to 99"),
        ("vrrp_cpu_affinity 1024", "vrrp_cpu_affinity: '1024' is no whole number from 0 to 1023"),
        ("vrrp_cpu_affinity", 'vrrp_cpu_affinity is written "vrrp_cpu_affinity CPU [CPU ...]"'),
        ("script_user 0", "script_user: '0' is no name of a user or group"),
        ("notify_fifo events", "notify_fifo: 'events' is no absolute path"),
        ("vrrp_mcast_group4 ff02::12", "vrrp_mcast_group4: ff02::12 is no IPv4 group"),
        ("vrrp_mcast_group6 224.0.0.18", "vrrp_mcast_group6: 224.0.0.18 is no IPv6 group"),
        ("vmac_prefix abcdefghijklmn", "vmac_prefix: 'abcdefghijklmn' is too long for an interface's name"),
        ("smtp_server not/a/host", "smtp_server: 'not/a/host' is no host's name or address"),
        ("smtp_server 192.0.2.1 smtp", "smtp_server: 'smtp' is no whole number from 1 to 65535"),
        ("smtp_connect_timeout 0", "smtp_connect_timeout: '0' is no whole number from 1 to 4294"),
        ("notification_email { a,b }", "'a,b' is no mail address"),
        ("notification_email_from '<a>'", "notification_email_from: '<a>' is no mail address"),
        ("vrrp_garp_interval 0", "vrrp_garp_interval: '0' is no number of seconds from 0.000001"),
    ],
)
def test_global_errors(line: str, error: str) -> None:
    (said,) = errors(global_defs(line))
    assert said.startswith(f"2: {error}")


def test_fifos_and_their_readers() -> None:
    found = the_settings(global_defs("notify_fifo /run/f", 'notify_fifo_script "/bin/cat -u" nobody'))
    assert found.notify_fifo == Fifo(
        path="/run/f", script=Program(arguments=("/bin/cat", "-u"), user="nobody")
    )
    assert warnings(global_defs("notify_fifo_script /bin/cat")) == [
        "2: notify_fifo_script has no effect here: there is no notify_fifo; add it"
    ]
    assert warnings(global_defs("notify_fifo /run/f nobody")) == [
        "2: notify_fifo: the owner has no effect here: the pipe belongs to the user of vipbus"
    ]
    assert errors(global_defs("notify_fifo /run/f", "vrrp_notify_fifo /run/f")) == [
        "3: vrrp_notify_fifo is the pipe of notify_fifo on line 2; rename it"
    ]


def test_mail() -> None:
    text = global_defs("notification_email { a@example.org", "b@example.org a@example.org }", "smtp_alert")
    assert the_settings(text).mail == Mail(
        recipients=("a@example.org", "b@example.org"), sender="keepalived@host"
    )
    assert the_instance(text).notify.mail
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("lines", "own", "mail"),
    [
        ((), "nopreempt", False),
        (("smtp_alert",), "nopreempt", True),
        (("smtp_alert",), "smtp_alert off", False),
        (("smtp_alert", "smtp_alert_vrrp off"), "nopreempt", False),
        (("smtp_alert off", "smtp_alert_vrrp"), "nopreempt", True),
        ((), "smtp_alert", True),
    ],
)
def test_who_sends_mail(lines: tuple[str, ...], own: str, mail: bool) -> None:
    block = "\n".join(("global_defs {", *lines, "notification_email { a@example.org }", "}", ""))
    assert the_instance(block + instance(own)).notify.mail == mail


def test_mail_for_nobody_is_told() -> None:
    (said,) = warnings(global_defs("smtp_alert"))
    assert said.startswith("2: smtp_alert is on, but mail goes to nobody: add notification_email")


@pytest.mark.parametrize(
    ("body", "delays"),
    [
        ("eth0 1", (InterfaceDelay(interface="eth0", down=1.0, up=1.0),)),
        (
            "eth0 0.5 2\neth1 0",
            (InterfaceDelay(interface="eth0", down=0.5, up=2.0), InterfaceDelay(interface="eth1")),
        ),
    ],
)
def test_interface_delays(body: str, delays: tuple[InterfaceDelay, ...]) -> None:
    assert the_settings(f"interface_up_down_delays {{ {body} }}\n" + instance()).interface_delays == delays


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("eth0", "eth0 needs its down delay after it"),
        ("eth0 256", "'256' is no number of seconds from 0 to 255"),
        ("eth0 1 2 3", "'3' after the delays is not known"),
    ],
)
def test_interface_delays_that_are_none(body: str, error: str) -> None:
    (said,) = errors(f"interface_up_down_delays {{ {body} }}\n" + instance())
    assert said.startswith(f"1: {error}")


@pytest.mark.parametrize(
    ("group", "garp"),
    [
        ("garp_interval 0.5\ninterface eth0", Garp(arp_interval=0.5)),
        ("gna_interval 0.5\ninterface eth0", Garp(na_interval=0.5)),
        ("garp_interval 0.5\ninterface eth7", Garp()),
    ],
)
def test_garp_groups(group: str, garp: Garp) -> None:
    assert the_instance(instance() + f"garp_group {{\n{group}\n}}\n").garp == garp


@pytest.mark.parametrize(
    ("group", "error"),
    [
        ("garp_interval 1", "garp_group has no interface; add interface NAME"),
        ("interface eth0", "garp_group has no interval; add garp_interval or gna_interval"),
    ],
)
def test_garp_groups_that_are_none(group: str, error: str) -> None:
    assert errors(f"garp_group {{ {group} }}\n" + instance()) == [f"1: {error}"]


# ---- static objects and who follows them


def followed(groups: str, name: str = "T") -> str:
    return (
        f"{groups}\nstatic_ipaddress {{ 10.8.0.1/24 track_group {name} }}\n"
        + instance(name="A")
        + instance("virtual_router_id 52", "virtual_ipaddress { 10.9.0.2 }", name="B")
    )


@pytest.mark.parametrize(
    ("groups", "follower"),
    [
        ("track_group T { group { A } }", "A"),
        ("vrrp_sync_group G { group { A B } }\ntrack_group T { group { B A } }", "G"),
    ],
)
def test_who_follows_a_static_address(groups: str, follower: str) -> None:
    (found,) = the_settings(followed(groups)).static_addresses
    assert isinstance(found, StaticAddress)
    assert found.track_group == follower


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        ("", "2: there is no track_group 'T'; add it, or remove it here"),
        ("track_group T { group { C } }", "1: there is no vrrp_instance 'C'"),
        ("track_group T { }", "1: track_group 'T' names no instance"),
        (
            "track_group T { group { A } }\ntrack_group T { group { B } }",
            "2: track_group 'T' is already on line 1",
        ),
    ],
)
def test_who_cannot_follow(groups: str, error: str) -> None:
    assert errors(followed(groups))[0].startswith(error)


# ---- several instances


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (("nopreempt",), ("nopreempt",), True),
        (("nopreempt",), ("interface eth1",), False),
        (("nopreempt",), ("virtual_ipaddress { 2001:db8::1 }",), False),
        (("nopreempt",), ("mcast_dst_ip 224.0.0.19",), False),
        (("mcast_dst_ip 224.0.0.18",), ("nopreempt",), True),
        (("nopreempt",), ("unicast_peer { 10.9.0.7 }",), False),
        (("unicast_peer { 10.9.0.6 }",), ("unicast_peer { 10.9.0.7 }",), False),
        (("unicast_peer { 10.9.0.6", "10.9.0.7 }"), ("unicast_peer { 10.9.0.7 }",), True),
    ],
)
def test_one_id_on_one_interface(first: tuple[str, ...], second: tuple[str, ...], clash: bool) -> None:
    more = () if any("virtual_ipaddress" in line for line in second) else ("virtual_ipaddress { 10.9.0.2 }",)
    text = instance(*first, name="A") + instance(*second, *more, name="B")
    if clash:
        (said,) = errors(text)
        assert "virtual_router_id 51 on eth0 is already that of A on line" in said
    else:
        assert len([one for one in compiled(text).entities if isinstance(one, VrrpInstance)]) == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            instance() + "static_ipaddress { 10.9.0.1/24 }\n",
            "6: 10.9.0.1 is already an address of VI_1 on line 4; remove one",
        ),
    ],
)
def test_an_address_that_is_claimed_twice(text: str, error: str) -> None:
    assert errors(text) == [error]


def test_a_link_local_address_may_be_on_every_interface() -> None:
    text = instance("virtual_ipaddress { fe80::1 }") + instance(
        "interface eth1", "virtual_ipaddress { fe80::1 }", name="B"
    )
    assert len([one for one in compiled(text).entities if isinstance(one, VrrpInstance)]) == 2


def test_an_excluded_address_owns_its_virtual_server_too() -> None:
    text = instance("virtual_ipaddress_excluded { 10.9.0.5 }") + server(head="10.9.0.5 80")
    (found,) = (one for one in compiled(text).entities if isinstance(one, VirtualServer))
    assert found.instance == "VI_1"


def test_every_entity_has_a_key_of_its_own() -> None:
    text = (
        instance("track_script { x }", "track_file { x }", "track_process { x }", name="x")
        + "vrrp_sync_group x { group { x } }\nvrrp_script x { script /bin/true }\n"
        + "track_file x { file /run/x }\nvrrp_track_process x { process x }\n"
        + server()
    )
    entities = compiled(text).entities
    assert len({one.key for one in entities}) == len(entities) == 8
    assert any(isinstance(one, SyncGroup) for one in entities)
