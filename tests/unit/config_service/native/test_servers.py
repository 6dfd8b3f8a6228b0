"""Virtual servers in vipbus.toml: what they mean, and what is said of a wrong one, with its line."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_service.load import load
from config_service.native.document import read
from config_service.problems import ConfigError, Problem
from vipbus.contracts import (
    Damping,
    DnsCheck,
    Entity,
    Exchange,
    Header,
    HttpCheck,
    HttpRequest,
    Program,
    RealServer,
    ScriptCheck,
    StatusRange,
    TcpCheck,
    Tls,
    VirtualServer,
)

SHOP = Path(__file__).parent / "examples" / "shop.toml"
TEXT = SHOP.read_text()


def servers(text: str = TEXT, router: str = "lb-a") -> list[VirtualServer | RealServer]:
    entities = read(text, "v.toml", router, str)
    return [one for one in entities if isinstance(one, VirtualServer | RealServer)]


def refused(text: str, router: str = "lb-a") -> Problem:
    with pytest.raises(ConfigError) as caught:
        servers(text, router)
    (problem,) = caught.value.problems
    return problem


def warned(text: str) -> list[tuple[int, str]]:
    found: list[Problem] = []
    read(text, "v.toml", "lb-a", str, found)
    return [(one.line, one.text) for one in found]


WEB = HttpCheck(
    address="10.1.0.21",
    port=443,
    interval=2.0,
    timeout=1.5,
    rise=2,
    fall=3,
    tls=Tls(server_name="shop.example"),
    requests=(
        HttpRequest(
            host="shop.example",
            status=(StatusRange(first=200, last=200), StatusRange(first=300, last=302)),
            headers=(Header(name="X-Probe", value="1"), Header(name="Accept", value="text/plain")),
        ),
    ),
)


def test_the_shop_means_this() -> None:
    web = "192-0-2-10_443_tcp"
    assert servers() == [
        VirtualServer(
            router="lb-a",
            name="web",
            address="192.0.2.10",
            port=443,
            protocol="TCP",
            scheduler="wrr",
            forwarding="NAT",
            persistence_timeout=300,
            instance="VI_1",
            hold_below=40,
            hold_window=30.0,
        ),
        RealServer(
            router="lb-a",
            virtual_server=web,
            address="10.1.0.21",
            port=443,
            weight=5,
            alpha=True,
            vantages=3,
            checks=(WEB,),
        ),
        RealServer(
            router="lb-a",
            virtual_server=web,
            address="10.1.0.22",
            port=8443,
            damping=Damping(half_life=120.0),
            checks=(
                msgspec.structs.replace(WEB, address="10.1.0.22", port=8443),
                ScriptCheck(
                    address="10.1.0.22",
                    port=8443,
                    interval=5.0,
                    program=Program(arguments=("/usr/bin/test", "-e", "/run/ready"), user="nobody"),
                ),
            ),
        ),
        VirtualServer(
            router="lb-a",
            address="192.0.2.11",
            port=5432,
            protocol="TCP",
            scheduler="wlc",
            forwarding="DR",
            instance="VI_1",
        ),
        RealServer(
            router="lb-a",
            virtual_server="192-0-2-11_5432_tcp",
            address="10.1.0.31",
            port=5432,
            checks=(
                TcpCheck(
                    address="10.1.0.31",
                    port=8008,
                    exchanges=(Exchange(send="GET /primary HTTP/1.0\r\n\r\n", expect="200 OK"),),
                ),
            ),
        ),
        VirtualServer(
            router="lb-a",
            address="2001:db8::10",
            port=53,
            protocol="UDP",
            scheduler="rr",
            forwarding="NAT",
            instance="VI_6",
        ),
        RealServer(
            router="lb-a",
            virtual_server="2001-db8--10_53_udp",
            address="2001:db8:1::41",
            port=53,
            suspect_after=50,
            checks=(
                DnsCheck(
                    address="2001:db8:1::41",
                    port=53,
                    type="A",
                    name="shop.example",
                    source="2001:db8:1::9",
                    retry=0,
                ),
            ),
        ),
    ]


def test_a_router_has_what_is_its_own() -> None:
    found = servers(router="lb-b")
    virtuals = [one for one in found if isinstance(one, VirtualServer)]
    assert [(one.scheduler, one.hold_below) for one in virtuals] == [("sh", 40), ("wlc", 50), ("rr", 0)]
    (script,) = (
        check
        for one in found
        if isinstance(one, RealServer)
        for check in one.checks
        if isinstance(check, ScriptCheck)
    )
    assert script.program.user == "root"


def test_it_is_whole_and_can_be_read_again() -> None:
    found = load(SHOP, "lb-a")
    assert found.summary == "2 instances, 3 virtual servers, 4 real servers"
    told = [str(one).rpartition("/")[2] for one in found.warnings]
    assert [one.partition(": when")[0] for one in told] == [
        "shop.toml:5:1: vrrp_instance[0].priority: 100 is the priority of VI_1 on lb-b, too",
        "shop.toml:11:1: vrrp_instance[1].priority: 100 is the priority of VI_6 on lb-b, too",
    ]
    for entity in found.entities:
        assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity


WRONG = [
    (
        '"192.0.2.10:443"',
        '"192.0.2.10:0"',
        '"192.0.2.10:0"',
        "virtual_server[0].address: '0' is no whole number from 1",
    ),
    (
        '"192.0.2.10:443"',
        '"192.0.2.10"',
        '"192.0.2.10"',
        "virtual_server[0].address: there is no port; write address = ",
    ),
    (
        '"192.0.2.10:443"',
        '"192.0.2.300:443"',
        '"192.0.2.300:443"',
        "virtual_server[0].address: '192.0.2.300' is no IP address",
    ),
    ('"192.0.2.10:443"', '"[192.0.2.10]:443"', '"[192.0.2.10]:443"', "brackets are for IPv6 alone"),
    (
        '"192.0.2.10:443"',
        '"192.0.2.10:443"\nport = 443',
        "port = 443",
        "stands beside an address that has a port",
    ),
    ('"192.0.2.10:443"', "7", "[[virtual_server]]", "'7' is no address; write address ="),
    (
        'address = "192.0.2.10:443"\n',
        "",
        "[[virtual_server]]",
        "virtual_server[0]: there is no address; write address =",
    ),
    ('scheduler = "wrr"', 'scheduler = "wwr"', 'scheduler = "wwr"', "Invalid enum value 'wwr'"),
    (
        'scheduler = "wrr"',
        'schedular = "wrr"',
        'schedular = "wrr"',
        "unknown key 'schedular'; did you mean 'scheduler'?",
    ),
    ('scheduler = "wrr"', 'router = "x"', 'router = "x"', "unknown key 'router'; remove it"),
    ('"5m"', '"1500ms"', '"1500ms"', "'1500ms' is not in whole seconds; round it"),
    ('"5m"', '"never"', '"never"', "'never' is no duration"),
    ('"5m"', '"60d"', '"60d"', "Expected `int` <= 2678400"),
    ('"40%"', '"140%"', '"140%"', "'140%' is no share; write one like \"30%\""),
    ('"40%"', "101", "101", "Expected `int` <= 100"),
    ('"30s"', '"soon"', '"soon"', "'soon' is no duration"),
    (
        'address = "192.0.2.11"\nport = 5432',
        'name = "192.0.2.11"\naddress = "192.0.2.10"\nport = 443',
        "[[virtual_server]]",
        "192-0-2-10_443_tcp is virtual_server[0] al",
    ),
    ('forwarding = "DR"', 'instance = "VI_2"', 'instance = "VI_2"', "there is no vrrp_instance 'VI_2'"),
    (
        'forwarding = "DR"',
        "hold_below = 5\ncheck = [7]",
        "check = [7]",
        "virtual_server[1].check[0]: is no table",
    ),
    (
        '"10.1.0.31"',
        '"10.1.0.31:5433"',
        '"10.1.0.31:5433"',
        "DR cannot change the port 5432 to 5433; remove it",
    ),
    (
        '"10.1.0.31"',
        '"2001:db8::31"',
        '"2001:db8::31"',
        "2001:db8::31 is IPv6 and the virtual server IPv4; only TUN forwards",
    ),
    (
        '"10.1.0.22:8443"',
        '"10.1.0.21:443"',
        "[[virtual_server.real_server]]",
        "10.1.0.21 port 443 is virtual_server[0].real_server[0] already",
    ),
    ("weight = 5", "weight = -1", "weight = -1", "Expected `int` >= 0"),
    ("weight = 5", "wieght = 5", "wieght = 5", "unknown key 'wieght'; did you mean 'weight'?"),
    ("weight = 5", "checks = []", "checks = []", "unknown key 'checks'"),
    ("vantages = 1\n", "vantages = 0\n", "vantages = 0", "Expected `int` >= 1"),
    ('{half_life = "2m"}', '{half_life = "2"}', '{half_life = "2"}', "'2' is no duration"),
    (
        '{half_life = "2m"}',
        "{halflife = 2}",
        "{halflife = 2}",
        "unknown key 'halflife'; did you mean 'half_life'?",
    ),
    ('{half_life = "2m"}', "{reuse = 9000}", "{reuse = 9000}", "reuse 9000 is not below suppress 2500"),
    ('{half_life = "2m"}', "7", "7", "Expected `object | null`, got `int`"),
    ('kind = "http"', 'kind = "htpp"', 'kind = "htpp"', "kind 'htpp' is not known; one of tcp tls http smtp"),
    (
        'kind = "http"\n',
        "",
        "[[virtual_server.check]]",
        "virtual_server[0].check[0]: there is no kind; one of tcp tls http smtp",
    ),
    ('kind = "http"', "kind = [1]", "kind = [1]", "kind '[1]' is not known"),
    ("rise = 2", "rise = 0", "rise = 0", "Expected `int` >= 1"),
    ("rise = 2", "raise = 2", "raise = 2", "unknown key 'raise'; did you mean 'rise'?"),
    (
        'interval = "2s"',
        'interval = "0s"',
        'interval = "0s"',
        "an interval of 0 leaves no time for anything else",
    ),
    ('"1500ms"', '"0s"', '"0s"', "a timeout of 0 leaves no time for an answer"),
    ("[200,", "[20,", "[20,", "'20' is no status code or range; write 200, or \"200-299\""),
    ('"300-302"', '"302-300"', "status =", "302-300 is no range"),
    ('"300-302"', "true", "true", "'True' is no status code or range"),
    ('X-Probe = "1"', "X-Probe = 1", "X-Probe = 1", "Expected `str`, got `int`"),
    ('X-Probe = "1"', '"X Probe" = "1"', '"X Probe" = "1"', "Expected `str` matching regex"),
    ('X-Probe = "1"', 'X-Probe = "1\\r\\nX: y"', 'X-Probe = "1\\r\\nX: y"', "Expected `str` matching regex"),
    (
        '{server_name = "shop.example"}',
        "{serer_name = 1}",
        "{serer_name = 1}",
        "unknown key 'serer_name'; did you mean",
    ),
    (
        '{server_name = "shop.example"}',
        '{}\nregex = "("',
        'regex = "("',
        "'(' is no regular expression: missing )",
    ),
    (
        '{server_name = "shop.example"}',
        "{}\nregex_no_match = true",
        "regex_no_match = true",
        "regex_no_match: there is no regex; add one",
    ),
    (
        '{server_name = "shop.example"}',
        "{}\nrequests = [{}]",
        'host = "shop.example"',
        "stands beside requests; move it into",
    ),
    ('host = "shop.example"', 'path = "index.html"', 'path = "index.html"', "Expected `str` matching regex"),
    ('"/usr/bin/test -e /run/ready"', '"\'x"', '"\'x"', "the quote ' inside the command is never closed"),
    ('"/usr/bin/test -e /run/ready"', "[]", "[]", "the command is empty; name a program"),
    ('"/usr/bin/test -e /run/ready"', "7", "7", "Expected `object`, got `int`"),
    ("port = 8008", "port = 65536", "port = 65536", "Expected `int` <= 65535"),
    ("port = 8008", 'interface = "a/b"', 'interface = "a/b"', "'a/b' is no network interface's name"),
    (
        '"200 OK"',
        '"x"\nexpect_regex = "x"',
        "[[virtual_server.real_server.check]]",
        "expect and expect_regex are both given",
    ),
    ('expect = "200 OK"', 'expect_regex = "["', 'expect_regex = "["', "'[' is no regular expression"),
    (
        '"a"\nname = "shop.example"',
        '"a"\nname = "shop..example"',
        'name = "shop..example"',
        "'shop..example' is no domain name",
    ),
    (
        '"2001:DB8:1::9"',
        '"192.0.2.9"',
        "[[virtual_server.check]]",
        "source 192.0.2.9 and address 2001:db8:1::41 are of two families",
    ),
    ('"2001:DB8:1::9"', '"here"', '"here"', "'here' is no IP address"),
    (
        "virtual_server.web]",
        "virtual_server.wbe]",
        "virtual_server.wbe]",
        "there is no virtual_server named 'wbe'",
    ),
    ('scheduler = "sh"', 'scheduler = "hs"', 'scheduler = "hs"', "Invalid enum value 'hs'"),
]


@pytest.mark.parametrize(("right", "wrong", "where", "text"), WRONG)
def test_what_is_wrong_is_told_with_its_line(right: str, wrong: str, where: str, text: str) -> None:
    assert right in TEXT
    changed = TEXT.replace(right, wrong, 1)
    problem = refused(changed, "lb-b" if "[router" in changed[: changed.index(wrong)] else "lb-a")
    assert text in problem.text
    assert where in changed.splitlines()[problem.line - 1], problem


ONE = """\
[[virtual_server]]
address = "10.0.0.1:80"
{virtual}
[[virtual_server.real_server]]
address = "10.0.1.1"
{real}
[[virtual_server.real_server.check]]
kind = "{kind}"
{check}
"""


def one(kind: str = "tcp", check: str = "", virtual: str = "", real: str = "") -> str:
    return ONE.format(kind=kind, check=check, virtual=virtual, real=real)


UNCHECKED = """\
[[virtual_server]]
address = "10.0.0.1:80"
alpha = true
vantages = 3
[[virtual_server.real_server]]
address = "10.0.1.1"
damping = true
suspect_after = 5
"""


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (one(virtual="vantages = 4"), [(3, "4 replicas can be of two minds")]),
        (one(real="vantages = 2"), [(6, "2 replicas can be of two minds")]),
        (one(virtual='hold_window = "5s"'), [(3, "has no effect without hold_below")]),
        (one("ping", virtual="vantages = 3", check='interval = "9s"'), []),
        (
            UNCHECKED,
            [
                (3, "has no effect on 10.0.1.1: nothing checks it"),
                (4, "has no effect on 10.0.1.1: nothing checks it"),
                (7, "has no effect on 10.0.1.1: nothing checks it"),
                (8, "has no effect on 10.0.1.1: nothing checks it"),
            ],
        ),
        (
            (
                '[[virtual_server]]\naddress = "10.0.0.1:80"\n[[virtual_server]]\naddress = "10.0.0.2:80"\n'
                'real_server = [{address = "10.0.1.1"}]\n'
            ),
            [(1, "there is no real_server in it, and it is left")],
        ),
    ],
)
def test_what_may_not_be_meant_so_is_told(text: str, warnings: list[tuple[int, str]]) -> None:
    said = warned(text)
    assert [line for line, _ in said] == [line for line, _ in warnings]
    for (_, told), (_, start) in zip(said, warnings, strict=True):
        assert told.partition(": ")[2].startswith(start)


def test_holding_a_pool_that_nothing_checks_is_refused() -> None:
    text = (
        '[[virtual_server]]\naddress = "10.0.0.1:80"\nhold_below = "30%"\n'
        '[[virtual_server.real_server]]\naddress = "10.0.1.1"\n'
    )
    problem = refused(text)
    assert (problem.line, problem.text) == (
        3,
        "virtual_server[0].hold_below: nothing checks this pool; add a check, or remove it",
    )


def test_tunnels_forward_between_families() -> None:
    text = one(virtual='forwarding = "TUN"').replace('"10.0.1.1"', '"2001:db8::1"')
    assert servers(text)[1].address == "2001:db8::1"


def check_of(text: str) -> object:
    (found,) = (one for one in servers(text) if isinstance(one, RealServer))
    return found.checks[0]


@pytest.mark.parametrize(
    ("kind", "lines", "field", "value"),
    [
        ("tcp", 'address = "10.9.9.9"', "address", "10.9.9.9"),
        ("tcp", 'address = "10.9.9.9:81"', "port", 81),
        ("tcp", 'address = "[2001:DB8::9]:81"', "address", "2001:db8::9"),
        ("tcp", "port = 81", "port", 81),
        ("tcp", 'warmup = "10s"\njitter = 0.5\nmark = 7', "warmup", 10.0),
        ("tls", "tls = true", "tls", Tls()),
        ("tls", 'tls = {warn_before = "7d"}', "tls", Tls(warn_before=7 * 86400.0)),
        ("http", "tls = true", "tls", Tls()),
        ("http", "tls = false", "tls", None),
        ("http", "status = 204", "requests", (HttpRequest(status=(StatusRange(first=204, last=204),)),)),
        ("http", "status = []", "requests", (HttpRequest(status=()),)),
        (
            "http",
            "status = [{first = 200, last = 201}]",
            "requests",
            (HttpRequest(status=(StatusRange(first=200, last=201),)),),
        ),
        (
            "http",
            'requests = [{path = "/a"}, {headers = [{name = "A", value = "1"}, {name = "A", value = "2"}]}]',
            "requests",
            (
                HttpRequest(path="/a"),
                HttpRequest(headers=(Header(name="A", value="1"), Header(name="A", value="2"))),
            ),
        ),
        ("dns", 'expect = "192.0.2.1"', "expect", ("192.0.2.1",)),
        ("dns", 'type = "Aaaa"', "type", "AAAA"),
        ("udp", 'payload = "0d 0A"', "payload", "0d0A"),
        ("script", 'program = ["/bin/a", "b c"]', "program", Program(arguments=("/bin/a", "b c"))),
        (
            "script",
            'program = "/bin/a"\nuser = "u"\ngroup = "g"',
            "program",
            Program(arguments=("/bin/a",), user="u", group="g"),
        ),
        ("script", 'program = {arguments = ["/bin/a"], user = "u"}', "secure", False),
        ("file", 'path = "/run/x"', "interval", 1.0),
        ("file", 'path = "/run/x"\ninterval = "5s"', "interval", 5.0),
        ("grpc", "tls = true", "tls", Tls()),
        ("smtp", 'security = "tls"', "security", "tls"),
        ("ping", "", "port", 80),
    ],
)
def test_forms(kind: str, lines: str, field: str, value: object) -> None:
    assert getattr(check_of(one(kind, lines)), field) == value


@pytest.mark.parametrize(
    ("kind", "lines", "text"),
    [
        ("tls", "tls = false", "this check is TLS"),
        ("smtp", "tls = true", 'write security = "starttls"'),
        ("http", "requests = []", "there is no request in it"),
        ("http", "requests = 7", "Expected `array`"),
        (
            "http",
            "regex = 'a'\nregex_min_offset = 5\nregex_max_offset = 5",
            "is not beyond regex_min_offset 5",
        ),
        ("http", 'regex = "' + "a" * 5000 + '"', "is longer than 4096 characters"),
        ("udp", 'payload = "0"', "Expected `str` matching regex"),
        (
            "udp",
            'require_reply = true\nreply = "0102"\nreply_mask = "ff"',
            "reply_mask is not as long as reply",
        ),
        ("udp", 'reply = "0102"', "a reply is described but not required"),
        ("udp", "require_reply = true\nmin_reply_length = 9\nmax_reply_length = 8", "is greater than"),
        ("file", 'path = "x"', "Expected `str` matching regex"),
        ("file", "", "Object missing required field `path`"),
        ("script", "", "Object missing required field `program`"),
        ("dns", 'name = ""', "Expected `str` of length >= 1"),
        ("tcp", 'send = "a"\nsend_octets = "00"', "send and send_octets are both given"),
        ("ping", 'address = "10.0.0.1:1"\nport = 1', "stands beside an address that has a port"),
        ("grpc", "tls = 7", "Expected `object | null`"),
    ],
)
def test_forms_that_are_none(kind: str, lines: str, text: str) -> None:
    assert text in refused(one(kind, lines)).text


_WORDS = sorted(set(re.findall(r"[\w\"']+|[^\s\w]", TEXT)))


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(TEXT)), words=st.lists(st.sampled_from(_WORDS), max_size=6))
def test_damage_is_refused_in_words(at: int, words: list[str]) -> None:
    for text in (TEXT[:at], TEXT[:at] + " ".join(words) + TEXT[at + 9 :]):
        with contextlib.suppress(ConfigError):  # and nothing else
            servers(text)


_KEYS = sorted(set(re.findall(r"^(\w+) =", TEXT, re.MULTILINE)))
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
    "[1, 2]",
    "{a = 1}",
    "1979-05-27",
]


@pytest.mark.parametrize("value", _VALUES)
def test_any_value_of_any_key_is_accepted_or_refused_in_words(value: str) -> None:
    for key in _KEYS:
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", TEXT)
        with contextlib.suppress(ConfigError):  # and nothing else
            for entity in servers(text):
                assert msgspec.json.decode(msgspec.json.encode(entity), type=Entity) == entity
