"""vipbus.toml: what it says becomes entities, and what is wrong is told with line and path."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.native.document import read
from config_service.problems import ConfigError
from vipbus.contracts import ConfigDocument, Garp, SyncGroup, Track, VrrpEntity, VrrpInstance, VrrpSettings

GOOD = """\
[vrrp]
startup_delay = "5s"

[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
version = 3
advert_int = "100ms"
auth_pass = "hunter2"
virtual_ipaddress = ["10.0.0.100/24", {address = "10.0.0.101", prefix = 24, label = "eth0:1"}]
tracks = [{kind = "service", name = "haproxy-programmer", weight = -20}]
garp = {master_delay = "2s"}

[[vrrp_instance]]
name = "VI_6"
interface = "eth1"
virtual_router_id = 51
virtual_ipaddress = ["fe80::100", "fd00::1/64"]

[[vrrp_sync_group]]
name = "VG"
members = ["VI_1", "VI_6"]

[router.lb-a.vrrp_instance.VI_1]
priority = 150
[router.lb-b.vrrp]
startup_delay = 1.5
"""


def entities(text: str, router: str = "lb-a") -> dict[str, VrrpEntity]:
    return {each.key: each for each in read(text, "v.toml", router, lambda secret: f"ref{len(secret)}")}


def instance(text: str, name: str = "vi_1", router: str = "lb-a") -> VrrpInstance:
    found = entities(text, router)[f"{router}.vrrp-instance.{name}"]
    assert isinstance(found, VrrpInstance)
    return found


def test_a_document_becomes_entities() -> None:
    one = instance(GOOD)
    assert (one.advert_int, one.priority) == (0.1, 150)
    assert [(each.address, each.prefix, each.dev) for each in one.virtual_ipaddress] == [
        ("10.0.0.100", 24, "eth0"),
        ("10.0.0.101", 24, "eth0"),
    ]
    assert one.tracks == (Track(kind="service", name="haproxy-programmer", weight=-20),)
    assert one.garp == Garp(master_delay=2.0)
    six = instance(GOOD, "vi_6")
    assert (six.family, six.version, six.virtual_ipaddress[0].prefix) == (6, 3, 128)
    assert entities(GOOD)["lb-a.vrrp-sync-group.vg"] == SyncGroup(
        router="lb-a", name="VG", members=("VI_1", "VI_6")
    )


def test_a_router_has_what_is_its_own() -> None:
    assert instance(GOOD, router="lb-b").priority == 100
    for router, delay in (("lb-a", 5.0), ("lb-b", 1.5)):
        assert entities(GOOD, router)[f"{router}.vrrp-settings"] == VrrpSettings(
            router=router, startup_delay=delay
        )


def test_every_entity_is_readable_by_whoever_gets_it() -> None:
    for entity in entities(GOOD).values():
        assert msgspec.json.decode(msgspec.json.encode(entity), type=ConfigDocument) == entity


WRONG = [
    ("priority = 150", 'priority = "high"', 26, "Expected `int`, got `str`"),
    ("version = 3", "versoin = 3", 7, "unknown key 'versoin'; did you mean 'version'?"),
    ('"100ms"', '"10 parsecs"', 8, "is no duration"),
    ("weight = -20", "wieght = -20", 11, "unknown key 'wieght'; did you mean 'weight'?"),
    ('"10.0.0.100/24"', '"10.0.0.100/x"', 10, "is no address"),
    ('"10.0.0.100/24"', '"10.0.0.900/24"', 10, "is no IP address"),
    ('"10.0.0.100/24"', "7", 10, "Expected `object`, got `int`"),
    ("[vrrp]", "[vrrpd]", 1, "unknown table 'vrrpd'"),
    ("VI_1]", "VI_2]", 25, "there is no vrrp_instance named 'VI_2'"),
    ('"VI_6"\n', '"vi_1"\n', 15, "two of the name vi_1"),
    ("[[vrrp_sync_group]]", "[vrrp_sync_group]", 20, "is no array of tables"),
    ("[vrrp]", "[vrrp", 1, "this is no TOML"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "text"), WRONG)
def test_what_is_wrong_is_told_with_its_place(right: str, wrong: str, line: int, text: str) -> None:
    assert right in GOOD
    with pytest.raises(ConfigError) as refused:
        entities(GOOD.replace(right, wrong, 1))
    problem = refused.value.problems[0]
    assert text in problem.text
    assert abs(problem.line - line) <= 1, problem


def test_nobody_writes_the_router_into_a_table() -> None:
    with pytest.raises(ConfigError, match="unknown key 'router'"):
        entities(GOOD.replace('name = "VI_1"', 'name = "VI_1"\nrouter = "x"'))


def test_a_secret_is_in_no_message() -> None:
    with pytest.raises(ConfigError) as refused:
        entities(GOOD.replace('auth_pass = "hunter2"', 'auth_pass = ["hunter2"]'))
    assert "hunter2" not in str(refused.value.lines())


@given(st.integers(0, len(GOOD)), st.text(max_size=8))
def test_damage_is_refused_in_words(at: int, noise: str) -> None:
    for text in (GOOD[:at], GOOD[:at] + noise + GOOD[at + len(noise) :]):
        with contextlib.suppress(ConfigError):  # and nothing else
            entities(text)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        (
            "virtual_router_id = 51\nversion",
            "virtual_router_id = 0\nversion",
            7,
            "virtual_router_id 0 is not in 1-255",
        ),
        ("priority = 150", "priority = 256", 26, "priority 256 is not in 1-255"),
        ('"100ms"', '"105ms"', 9, "advert_int 0.105 is not in steps of 0.01 s"),
        ('"fd00::1/64"', '"fe80::100"', 19, "fe80::100 is already an address of VI_6; remove one"),
        (
            '"fe80::100", "fd00::1/64"',
            '"10.0.0.101/24"',
            19,
            "10.0.0.101 is already an address of VI_1; remove one",
        ),
        ('"100ms"', '"41s"', 9, "advert_int 41 is not in 0.01-40.95 s"),
        ("version = 3\nadvert", "version = 2\nadvert", 9, "advert_int 0.1 is not 1-255 whole seconds"),
        ('interface = "eth1"', 'interface = "eth0"\nversion = 2\nfamily = 6', 18, "version 2 has no IPv6"),
        ('"fd00::1/64"', '"10.0.0.1/24"', 19, "10.0.0.1 is not of IPv6, as the instance is"),
    ],
)
def test_what_no_router_can_run_is_refused_where_it_is_written(
    old: str, new: str, line: int, problem: str
) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as refused:
        entities(GOOD.replace(old, new))
    (told,) = refused.value.problems
    assert told.line == line
    assert problem in told.text


def test_two_instances_at_one_place_are_refused() -> None:
    twin = GOOD.replace('"eth1"', '"eth0"').replace('["fe80::100", "fd00::1/64"]', '["10.0.0.200/24"]')
    with pytest.raises(ConfigError, match="VI_1 is virtual router 51 on eth0 already"):
        entities(twin)
