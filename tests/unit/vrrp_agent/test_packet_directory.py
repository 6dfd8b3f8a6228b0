"""Which instance a packet is for, and what an instance expects of its configuration and its secrets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.vrrp_agent.packets import HMAC, SECRETS, config, expected, message, packet
from vipbus.contracts.vrrp import Hmac, HmacKey, UnicastPeer
from vrrp_agent.datagram import Datagram
from vrrp_agent.directory import Directory
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected


def peers(*addresses: str) -> dict[str, Any]:
    return {"unicast_peers": tuple(UnicastPeer(address=each) for each in addresses)}


SHARED = {
    "default": expected(name="default"),
    "other-group": expected(name="other-group", multicast_group="239.1.2.3"),
    "left": expected(name="left", check_unicast_source=True, **peers("10.9.0.1", "10.9.0.2")),
    "right": expected(name="right", check_unicast_source=True, **peers("10.9.0.3")),
    "open": expected(name="open", **peers("10.9.0.4")),
    "alone": expected(name="alone", virtual_router_id=7),
}
"""All on one interface; all but the last with the same identifier."""


@pytest.mark.parametrize(
    ("here", "source", "destination", "answer"),
    [
        ("default other-group", "10.9.0.1", "224.0.0.18", "default"),
        ("default other-group", "10.9.0.1", "239.1.2.3", "other-group"),
        ("default other-group", "10.9.0.1", "239.9.9.9", Drop.DESTINATION),
        ("default other-group", "10.9.0.1", "10.9.0.9", Drop.UNICAST),
        ("left right", "10.9.0.2", "10.9.0.9", "left"),
        ("left right", "10.9.0.3", "10.9.0.9", "right"),
        ("left right", "10.9.0.5", "10.9.0.9", Drop.PEER),
        ("left right", "10.9.0.1", "224.0.0.18", Drop.MULTICAST),
        ("left open", "10.9.0.5", "10.9.0.9", "open"),
        ("default left right", "10.9.0.1", "224.0.0.18", "default"),
        ("default left right", "10.9.0.1", "10.9.0.9", "left"),
        ("alone default", "10.9.0.1", "224.0.0.18", "default"),
        # the only one with the identifier answers for whatever is wrong with the packet
        ("alone left", "10.9.0.9", "239.1.2.3", "left"),
        ("alone", "10.9.0.1", "224.0.0.18", Drop.VRID),
        ("", "10.9.0.1", "224.0.0.18", Drop.VRID),
    ],
)
def test_who_is_meant(here: str, source: str, destination: str, answer: str | Drop) -> None:
    directory = Directory()
    for token in here.split():
        directory.put(token, SHARED[token])
    found = directory.find(packet(SHARED["default"], source=source, destination=destination))
    assert (found if isinstance(found, Drop) else found[0]) == answer


@pytest.mark.parametrize("length", [0, 1])
def test_what_has_no_identifier_is_too_short(length: int) -> None:
    assert Directory().find(Datagram(bytes(4), bytes(4), 255, bytes(length))) is Drop.LENGTH


def test_instances_come_change_and_go() -> None:
    directory, heard = Directory(), packet(SHARED["default"])
    directory.put("vi_1", SHARED["default"])
    directory.put("vi_1", SHARED["alone"])
    assert directory.find(heard) is Drop.VRID
    directory.put("vi_1", SHARED["other-group"])
    directory.put("vi_2", SHARED["left"])
    assert directory.groups == {"239.1.2.3"}
    assert len(directory) == 2
    directory.remove("vi_1")
    directory.remove("vi_1")
    assert directory.groups == frozenset()
    assert directory.get("vi_1") is None
    directory.remove("vi_2")
    assert len(directory) == 0
    assert directory.find(heard) is Drop.VRID


# ---- Expected.of


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"group": "224.0.0.18", "ttl": 255, "pseudo_header": True, "password": b"", "keyring": None}),
        ({"family": 6}, {"group": "ff02::12", "version": 3}),
        ({"multicast_group": "239.1.2.3"}, {"group": "239.1.2.3", "packed_group": b"\xef\x01\x02\x03"}),
        ({"unicast_ttl": 7}, {"ttl": 255}),
        ({"unicast_ttl": 7, **peers("10.9.0.2")}, {"ttl": 7, "group": "", "only_peers": False}),
        ({"check_unicast_source": True, **peers("10.9.0.2")}, {"only_peers": True}),
        ({"unicast_fault_no_peer": True}, {"group": "", "peers": {}}),
        ({"auth_pass": "password"}, {"password": b"hunter2\0"}),
        ({"auth_pass": "password", "version": 3}, {"password": b""}),
        ({"checksum_as_v2": True, "version": 3}, {"pseudo_header": False}),
    ],
)
def test_what_an_instance_expects(settings: dict[str, Any], wanted: dict[str, Any]) -> None:
    made = expected(**settings)
    assert {name: getattr(made, name) for name in wanted} == wanted


def test_addresses_keep_their_order_and_their_family() -> None:
    mixed = config(family=6).virtual_ipaddress + config().virtual_ipaddress
    assert expected(family=6, virtual_ipaddress=mixed).addresses == ("fe80::100", "fd00::100")
    assert message(expected(family=6))[8:10] == b"\xfe\x80"


KEY = HmacKey(id=1, secret="one")


@pytest.mark.parametrize(
    ("settings", "secrets", "words"),
    [
        ({"auth_pass": "password"}, {}, ("secrets.json", "'password'", "auth_pass")),
        ({"auth_pass": "password"}, {"password": ""}, ("secrets.json", "'password'", "auth_pass")),
        ({"hmac": HMAC}, {"one": SECRETS["one"]}, ("secrets.json", "'two'", "auth_hmac key 2")),
        ({"hmac": Hmac(keys=(KEY,), active_key=1)}, {"one": "short"}, ("'one'", "32 to 64 bytes")),
        ({"hmac": Hmac(keys=(KEY,), active_key=1)}, {"one": "x" * 65}, ("'one'", "32 to 64 bytes")),
        ({"hmac": Hmac(keys=(KEY,), active_key=1)}, {"one": "hex:zz"}, ("'one'", "hex:DIGITS")),
        ({"hmac": Hmac(keys=(KEY,), active_key=2)}, SECRETS, ("no key 2", "active_key")),
        ({"hmac": Hmac(keys=(KEY, KEY), active_key=1)}, SECRETS, ("key 1", "twice")),
        ({"hmac": Hmac(keys=(HmacKey(id=256, secret="one"),), active_key=256)}, SECRETS, ("256", "1-255")),
        ({"hmac": Hmac(keys=(), active_key=1)}, SECRETS, ("no key 1",)),
        ({"multicast_group": "10.9.0.1"}, {}, ("10.9.0.1", "multicast_group")),
        ({"multicast_group": "ff02::12"}, {}, ("ff02::12", "multicast_group")),
        ({"multicast_group": "nonsense"}, {}, ("nonsense", "multicast_group")),
        ({"multicast_group": "nul\0"}, {}, ("multicast_group",)),
        (peers("fe80::2"), {}, ("fe80::2", "unicast_peer", "IPv4")),
        ({"family": 6, **peers("10.9.0.2")}, {}, ("10.9.0.2", "unicast_peer", "IPv6")),
    ],
)
def test_what_cannot_be_used_is_said(
    settings: dict[str, Any], secrets: dict[str, str], words: tuple[str, ...]
) -> None:
    made = Expected.of(config(**settings), secrets)
    assert made.problem.startswith("VI_1: ")
    assert all(word in made.problem for word in words), made.problem
    assert not any(secret and secret in made.problem for secret in secrets.values())
    # it goes on being something that can be listened with
    assert not isinstance(Directory().put("vi_1", made), Drop)
    assert made.group or made.peers


def test_no_secret_is_shown() -> None:
    for made in (expected(auth_pass="password"), expected(version=3, hmac=HMAC)):
        shown = repr((made, made.keyring))
        assert "VI_1" in shown
        assert not any(secret.removeprefix("hex:") in shown for secret in SECRETS.values())
        assert "x00" not in shown


def test_a_key_may_be_text_or_digits() -> None:
    made = expected(version=3, hmac=HMAC)
    assert made.keyring is not None
    assert made.keyring.keys == {1: bytes(range(32)), 2: SECRETS["two"].encode()}
    assert msgspec.structs.replace(made.keyring, active=2).active == 2
