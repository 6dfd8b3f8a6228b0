"""The same file read by keepalived and by config-service: both understand the same.

keepalived dumps its whole configuration at the start (``-d``) into its log.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_service.load import load
from tests.lab.namespace import Namespace
from tests.support.waiting import eventually
from vipbus.contracts import SyncGroup, Track, VirtualAddress, VirtualRule, VrrpInstance, VrrpScript

_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host"}

CASES: dict[str, str] = {
    "plain": "",
    "priority_150": "priority 150",
    "owner": "priority 255",
    "master_without_priority": "state MASTER",
    "master_with_priority": "state MASTER\npriority 150\npreempt_delay 5",
    "nopreempt": "nopreempt",
    "nopreempt_voided": "state MASTER\npriority 150\nnopreempt",
    "preempt_delay_voided": "nopreempt\npreempt_delay 7",
    "version_3": "version 3\nadvert_int 0.25",
    "interval": "advert_int 5",
    "down_timer": "down_timer_adverts 5",
    "no_accept": "no_accept",
    "lower_prio": "lower_prio_no_advert\nhigher_prio_send_advert",
    "strict_2": "strict_mode",
    "strict_3": "strict_mode\nversion 3\naccept",
    "strict_owner": "strict_mode\npriority 255",
    "strict_master": "strict_mode\nstate MASTER\npriority 100",
    "strict_voids": "strict_mode\nhigher_prio_send_advert\nlower_prio_no_advert off\ndown_timer_adverts 9",
    "strict_garp": "strict_mode\ngarp_lower_prio_repeat 4",
    "garp": "garp_master_delay 3\ngarp_master_repeat 2\ngarp_master_refresh 60\ngarp_master_refresh_repeat 4",
    "garp_lower": "garp_lower_prio_delay 1\ngarp_lower_prio_repeat 0",
    "promote": "promote_secondaries",
    "not_primary": "dont_track_primary",
    "group_address": "mcast_dst_ip 224.0.0.99",
    "source": "mcast_src_ip 10.9.0.10",
    "peers": "unicast_peer {\n10.9.0.11 min_ttl 4\n10.9.0.12\n}\nunicast_ttl 5",
    "password": "authentication {\nauth_type PASS\nauth_pass secret\n}",
    "password_of_version_3": "version 3\nauthentication {\nauth_type PASS\nauth_pass secret\n}",
    "password_without_type": "authentication {\nauth_pass secret\n}",
    "addresses": "virtual_ipaddress {\n10.9.6.1/24 brd + label eth0:3\n10.9.6.2/24 brd - scope link\n"
    "10.9.6.3 dev eth1\n10.9.6.4 peer 10.9.6.5\n10.9.6.8/24 home noprefixroute autojoin\n}",
    "ipv6": "virtual_ipaddress {\nfe80::9\n2001:db8::5\n2001:db8::7/64 -nodad mngtmpaddr\n"
    "2001:db8::8/64 preferred_lft 0\n2001:db8::9 preferred_lft forever\n}",
    "excluded": "virtual_ipaddress_excluded {\n2001:db8:1::5\n10.9.5.1\n}",
    "rules": "virtual_rules {\nfrom 10.1.0.0/24 to 10.2.0.0/24 table 5 preference 39\n"
    "fwmark 24/12 tos 22 table 6 preference 40\nuidrange 10-20 blackhole preference 42\n"
    "not from 10.5.0.1 table 7 preference 43\nsuppress_prefixlength 0 table main preference 44\n"
    "from 10.7.0.0/24 table 8 realms 9 preference 46 fwmark 0x10\niif eth1 goto 60 preference 47\n}",
    "tracks": "track_interface {\neth1 weight 5 reverse\neth0\n}\ntrack_script {\ns\nr weight 9\n}\n"
    "track_file {\nf\n}\ntrack_process {\np\n}",
    "owner_without_weights": "priority 255\ntrack_script {\ns\n}\ntrack_interface {\neth1\n}",
    "member_1": "track_script {\ns\n}",
    "member_2": "",
}

HEAD = """\
global_defs {
    script_user root
    enable_script_security
    vrrp_garp_lower_prio_delay 6
}
vrrp_script s {
    script "/bin/true a 'b c' \\"d e\\""
    weight 5
    fall 2
}
vrrp_script r {
    script /bin/true
    weight 3 reverse
    interval 2
}
track_file f {
    file /run/vipbus-test-track
}
vrrp_track_process p {
    process no-such-process
}
vrrp_sync_group g {
    group {
        member_1
        member_2
    }
    track_script {
        r weight 4
    }
}
"""


def whole_file() -> str:
    blocks = [HEAD]
    for number, (name, lines) in enumerate(CASES.items(), 1):
        own = "" if "virtual_ipaddress {" in lines else f"virtual_ipaddress {{\n10.9.7.{number}\n}}\n"
        blocks.append(
            f"vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {number}\n{lines}\n{own}}}\n"
        )
    return "".join(blocks)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keepalived") / "x.conf"
    path.write_text(whole_file())
    return path


@pytest.fixture(scope="module")
def dump(file: Path) -> Iterator[str]:
    """Run keepalived over the file in a namespace of its own until it has dumped what it read."""
    space = Namespace(f"cfg{secrets.token_hex(4)}")
    space.open(sysctl={"ipv6.conf.all.disable_ipv6": 0})
    try:
        for name in ("eth0", "eth1"):
            space.ip("link", "add", name, "type", "veth", "peer", "name", f"p{name}")
            space.ip("link", "set", name, "up")
            space.ip("link", "set", f"p{name}", "up")
        space.ip("address", "add", "10.9.0.10/24", "dev", "eth0")
        log = file.with_name("log")
        pids = [part for option in "pr" for part in (f"-{option}", str(file.with_name(f"{option}.pid")))]
        running = space.spawn(["keepalived", "-n", "-l", "-D", "-d", "-P", "-f", str(file), *pids], log)
        try:
            eventually(lambda: "------< Interfaces >" in log.read_text(), "keepalived dumps", within=20)
        finally:
            running.terminate()
            running.wait(10)
        yield re.sub(r"(?m)^[A-Z][a-z]{2} [A-Z][a-z]{2} .*?: ", "", log.read_text())
    finally:
        space.close()


@pytest.fixture(scope="module")
def instances(file: Path) -> dict[str, VrrpInstance]:
    entities = load(file, "r1").entities
    return {one.name: one for one in entities if isinstance(one, VrrpInstance)}


def part(dump: str, kind: str, name: str) -> dict[str, list[str]]:
    """Give one object's lines by what stands before the sign of equality; lists by their heading."""
    (text,) = re.findall(rf"(?ms)^ ?{kind} = {re.escape(name)}\n(.*?)(?=^ ?VRRP |^------)", dump)
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        key, equals, value = line.strip().partition(" = ")
        if equals and indent <= 3:
            found[key] = [value]
        elif line.rstrip().endswith(":") and indent <= 3:
            heading = re.sub(r" (\(\d+\))?:$| :$", "", line.strip())
            found[heading] = []
        elif indent > 3:
            found.setdefault(heading, []).append(line.strip())
        else:
            found.setdefault(line.strip(), [])
    return found


def address(one: VirtualAddress) -> str:
    """Write an address as keepalived dumps it."""
    longest = 128 if one.family == 6 else 32
    prefix = "" if one.prefix == longest else f"/{one.prefix}"
    words = [f"{one.address}{prefix}"]
    words += ["brd", one.broadcast] if one.broadcast else []
    words += ["dev", one.dev, "scope", _SCOPES[one.scope]]
    words += ["label", one.label] if one.label else []
    words += ["peer", one.peer] if one.peer else []
    words += ["home"] if one.home else []
    words += ["-nodad"] if not one.nodad else []
    words += ["mngtmpaddr"] if one.managed_temporary else []
    words += ["noprefixroute"] if one.no_prefix_route else []
    words += ["autojoin"] if one.auto_join else []
    if one.family == 6:
        lifetime = 0 if one.preferred_lifetime is None and one.prefix == 128 else one.preferred_lifetime
        words += ["deprecated"] if lifetime == 0 else ["preferred_lft", "forever"]
    return " ".join(words)


def rule(one: VirtualRule) -> str:
    """Write a rule as keepalived dumps it."""

    def prefix(text: str) -> str:
        return text.removesuffix("/32")

    words = ["not"] if one.invert else []
    words += ["from", prefix(one.source) if one.source else "all"]
    words += ["to", prefix(one.destination)] if one.destination else []
    words += ["priority", str(one.priority), "tos", f"{one.tos:#x}"]
    if one.mark is not None:
        words += ["fwmark", f"{one.mark:#x}" + (f"/{one.mask:#x}" if one.mask is not None else "")]
    words += ["iif", one.iif] if one.iif else []
    if one.suppress_prefix_length is not None:
        words += ["suppress_prefixlen", str(one.suppress_prefix_length)]
    words += ["uidrange", "{}-{}".format(*one.user_ids)] if one.user_ids else []
    words += ["protocol", "18"]
    words += ["realms", f"{one.realm >> 16}/{one.realm & 0xFFFF}"] if one.realm is not None else []
    words += {
        "lookup": ["lookup", str(one.table)],
        "goto": ["goto", str(one.goto)],
    }.get(one.action, ["type", one.action])
    return " ".join(words)


def track(one: Track) -> str:
    sign = {"interface": " weight", "script": " weight"}.get(one.kind, ", weight")
    return f"{one.name}{sign} {one.weight}" + (" reverse" if one.reverse else "")


@pytest.mark.parametrize("name", CASES)
def test_an_instance_is_read_the_same(dump: str, instances: dict[str, VrrpInstance], name: str) -> None:
    said, ours = part(dump, "VRRP Instance", name), instances[name]
    garp = ours.garp
    lower_delay = garp.master_delay if garp.lower_prio_delay is None else garp.lower_prio_delay
    lower_repeat = garp.master_repeat if garp.lower_prio_repeat is None else garp.lower_prio_repeat
    unit = "sec" if ours.version == 2 else "milli-sec"
    interval = ours.advert_int * (1 if ours.version == 2 else 1000)
    expected = {
        "VRRP Version": f"{ours.version}",
        "Virtual Router ID": f"{ours.virtual_router_id}",
        "Priority": f"{ours.priority}",
        "Advert interval": f"{interval:g} {unit}",
        "Accept": "enabled" if ours.accept else "disabled",
        "Preempt": "disabled" if ours.nopreempt else "enabled",
        "Promote_secondaries": "enabled" if ours.promote_secondaries else "disabled",
        "Down timer adverts": f"{ours.down_timer_adverts}",
        "Send advert after receive lower priority advert": "false" if ours.lower_prio_no_advert else "true",
        "Send advert after receive higher priority advert": str(ours.higher_prio_send_advert).lower(),
        "Gratuitous ARP delay": f"{ours.garp.master_delay:g}",
        "Gratuitous ARP repeat": f"{ours.garp.master_repeat}",
        "Gratuitous ARP refresh": f"{ours.garp.master_refresh:g}",
        "Gratuitous ARP refresh repeat": f"{ours.garp.master_refresh_repeat}",
        "Gratuitous ARP lower priority delay": f"{lower_delay:g}",
        "Gratuitous ARP lower priority repeat": f"{lower_repeat}",
    }
    assert {key: said[key][0] for key in expected} == expected
    assert ("Enforcing strict VRRP compliance" in said) == ours.strict
    assert ("VRRP interface tracking disabled" in said) == (not ours.track_interface)
    assert ("Password" in said) == (ours.auth_pass is not None)
    assert said["Virtual IP"] == [address(one) for one in ours.virtual_ipaddress]
    assert said.get("Virtual IP Excluded", []) == [address(one) for one in ours.virtual_ipaddress_excluded]
    assert said.get("Virtual Rules", []) == [rule(one) for one in ours.virtual_rules]


def test_unicast_peers_are_read_the_same(dump: str, instances: dict[str, VrrpInstance]) -> None:
    said, ours = part(dump, "VRRP Instance", "peers"), instances["peers"]
    assert said["Unicast TTL"] == [f"{ours.unicast_ttl}"]
    assert said["Unicast Peer"] == [
        f"{one.address} min_ttl {one.min_ttl} max_ttl {one.max_ttl}" for one in ours.unicast_peers
    ]
    assert ours.check_unicast_source


@pytest.mark.parametrize("name", ["tracks", "owner_without_weights", "plain"])
def test_tracks_are_read_the_same(dump: str, instances: dict[str, VrrpInstance], name: str) -> None:
    said, ours = part(dump, "VRRP Instance", name), instances[name]
    for kind in ("interface", "script", "file"):
        mine = [track(one) for one in ours.tracks if one.kind == kind]
        assert said.get(f"Tracked {kind}s", []) == mine


def test_a_sync_group_is_read_the_same(dump: str, file: Path, instances: dict[str, VrrpInstance]) -> None:
    (group,) = (one for one in load(file, "r1").entities if isinstance(one, SyncGroup))
    said = part(dump, "VRRP Sync Group", "g, BACKUP")
    assert said["VRRP member instances"] == list(group.members)
    # a member's own weight does not count, the group's is every member's
    for member in group.members:
        assert [track(one) for one in instances[member].tracks] == said["Tracked scripts"]


@pytest.mark.parametrize("name", ["s", "r"])
def test_a_script_is_read_the_same(dump: str, file: Path, name: str) -> None:
    (ours,) = (one for one in load(file, "r1").entities if isinstance(one, VrrpScript) and one.name == name)
    said = part(dump, "VRRP Script", name)
    first, *rest = re.findall(r"'([^']*)'", said["Command"][0])
    assert (Path(first).name, *rest) == (Path(ours.command.arguments[0]).name, *ours.command.arguments[1:])
    assert (said["Interval"], said["Fall"], said["Rise"]) == (
        [f"{ours.interval:g} sec"],
        [f"{ours.fall}"],
        [f"{ours.rise}"],
    )


def test_keepalived_knows_every_keyword_in_it(file: Path) -> None:
    done = subprocess.run(["keepalived", "-t", "-f", str(file)], capture_output=True, text=True, check=False)
    assert "Unknown keyword" not in done.stderr
