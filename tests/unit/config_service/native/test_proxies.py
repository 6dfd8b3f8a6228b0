"""Proxies and pools in vipbus.toml: a table of what is read, and of what is refused where."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest

from config_service.native.document import read
from config_service.problems import ConfigError, Problem
from config_service.schema import text
from vipbus.contracts import (
    Cache,
    Compression,
    CookiePersistence,
    Entity,
    HttpCheck,
    Proxy,
    ProxyBind,
    ProxyLog,
    ProxyPool,
    ProxySettings,
    RealServer,
    Track,
    VrrpInstance,
)

DOCUMENT = """
[[proxy]]
name = "web"
bind = ["192.0.2.10:80", { address = "[2001:db8::1]:80", accept_proxy = true }]
pool = "app"
monitor = "/alive"
timeouts = { client = "30s", http_request = "5s" }

[[pool]]
name = "app"
balance = { algorithm = "leastconn" }
retries = 2
weight = 10
real_server = [
    { address = "10.1.0.21:8080", weight = 20 },
    { address = "10.1.0.22:8080" },
]

[[pool.check]]
kind = "http"
path = "/health"
"""


def entities(document: str, warnings: list[Problem] | None = None) -> tuple[Entity, ...]:
    return read(document, "v.toml", "lb-a", str, warnings)


def test_a_proxy_with_its_pool() -> None:
    warnings: list[Problem] = []
    found = entities(DOCUMENT, warnings)
    assert warnings == []
    (proxy,) = (each for each in found if isinstance(each, Proxy))
    assert proxy.bind == (
        ProxyBind(address="192.0.2.10", port=80),
        ProxyBind(address="2001:db8::1", port=80, accept_proxy=True),
    )
    assert (proxy.timeouts.client, proxy.timeouts.http_request, proxy.monitor) == (30.0, 5.0, "/alive")
    (pool,) = (each for each in found if isinstance(each, ProxyPool))
    assert (pool.id, pool.balance.algorithm, pool.retries) == ("pool-app", "leastconn", 2)
    reals = [each for each in found if isinstance(each, RealServer)]
    assert [(each.virtual_server, each.address, each.port, each.weight) for each in reals] == [
        ("pool-app", "10.1.0.21", 8080, 20),
        ("pool-app", "10.1.0.22", 8080, 10),
    ]
    for real in reals:
        (check,) = real.checks
        assert isinstance(check, HttpCheck)
        assert check.address == real.address


def test_a_proxy_on_an_instances_address_is_that_instances() -> None:
    instance = '[[vrrp_instance]]\nname = "VI_1"\ninterface = "eth0"\nvirtual_router_id = 51\n'
    whole = f'{instance}virtual_ipaddress = ["192.0.2.10/24"]\n{DOCUMENT}'
    (proxy,) = (each for each in entities(whole) if isinstance(each, Proxy))
    assert proxy.instance == "VI_1"


@pytest.mark.parametrize(
    ("written", "log"),
    [
        ("true", ProxyLog()),
        ("false", None),
        ("{ sample = 100 }", ProxyLog(sample=100)),
        ("{ errors = false, sample = 1 }", ProxyLog(errors=False, sample=1)),
    ],
)
def test_what_a_proxy_tells_of_requests(written: str, log: ProxyLog | None) -> None:
    whole = DOCUMENT.replace('monitor = "/alive"', f"log = {written}")
    jsonschema.validate(tomllib.loads(whole), json.loads(text()))
    (proxy,) = (each for each in entities(whole) if isinstance(each, Proxy))
    assert proxy.log == log


def test_a_pool_that_nobody_uses_is_told() -> None:
    warnings: list[Problem] = []
    entities(DOCUMENT + '[[pool]]\nname = "b"\nreal_server = [{ address = "10.1.0.9:80" }]\n', warnings)
    assert [each.text for each in warnings] == ["pool[1]: no proxy hands to it"]


RULES = """
[[proxy.route]]
host = ["*.example.org"]
path_prefix = ["/api"]
pool = "app"

[[proxy.route]]
path = ["/old"]
redirect = { to = "https://example.org/", keep_path = true }

[[pool]]
name = "app"
fallback = "sorry"
persistence = { kind = "cookie", name = "WHO", secure = true, max_life = 3600 }
tls = { name = "app.internal" }
slow_start = "30s"
"""


def test_rules_of_a_proxy_and_what_a_pool_keeps_to() -> None:
    warnings: list[Problem] = []
    sorry = '[[pool]]\nname = "sorry"\nreal_server = [{ address = "10.1.0.9:80" }]\n'
    whole = DOCUMENT.replace('\n[[pool]]\nname = "app"\n', RULES, 1) + sorry
    found = entities(whole, warnings)
    assert warnings == []
    jsonschema.validate(tomllib.loads(whole), json.loads(text()))
    (proxy,) = (each for each in found if isinstance(each, Proxy))
    assert [each.pool for each in proxy.route] == ["app", None]
    pool = next(each for each in found if isinstance(each, ProxyPool))
    assert pool.persistence == CookiePersistence(name="WHO", secure=True, max_life=3600)
    assert (pool.fallback, pool.slow_start) == ("sorry", 30.0)
    for old, new, says in (
        (
            'pool = "app"\n\n[[proxy.route',
            'pool = "ap"\n\n[[proxy.route',
            "proxy[0].route[0].pool: there is no pool",
        ),
        ("max_life", "maxlife", "pool[0].persistence.maxlife: unknown key"),
        ('"cookie"', '"cooky"', "pool[0].persistence"),
    ):
        with pytest.raises(ConfigError) as refused:
            entities(whole.replace(old, new, 1))
        assert any(each.text.startswith(says) for each in refused.value.problems), refused.value.problems


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('pool = "app"', 'pool = "ap"', "proxy[0].pool: there is no pool 'ap'"),
        ('"192.0.2.10:80"', '"192.0.2.10"', "proxy[0].bind[0]: '192.0.2.10' has no port"),
        ('"192.0.2.10:80"', '"web:80"', "proxy[0].bind[0]: "),
        (
            '"192.0.2.10:80", ',
            '"192.0.2.10:80", "192.0.2.10:80",',
            "proxy[0].bind[1]: 192.0.2.10",
        ),
        ('"/alive"', '"/a b"', "proxy[0].monitor: "),
        ('"/alive"', '"/a\\n    bind :99"', "proxy[0].monitor: "),
        ('monitor = "/alive"', 'log = "all"', "proxy[0].log: "),
        ('monitor = "/alive"', "log = { errors = false }", "proxy[0].log: it tells of nothing"),
        ('monitor = "/alive"', "log = { sample = 0 }", "proxy[0].log.sample: "),
        ("retries = 2", "retrys = 2", "pool[0].retrys: unknown key 'retrys'"),
        ('"10.1.0.22:8080"', '"10.1.0.22"', "pool[0].real_server[1].address: there is no port"),
        (
            '"10.1.0.22:8080"',
            '"10.1.0.22:80", forwarding = "DR"',
            "pool[0].real_server[1].forwarding: ",
        ),
        ('"10.1.0.22:8080"', '"10.1.0.21:8080"', "pool[0].real_server[1]: 10.1.0.21 port 8080 is"),
        ('"leastconn"', '"url-param"', "pool[0].balance: url-param needs a parameter"),
        ("[[pool]]", '[[pool]]\nname = "app"\n[[pool]]', "pool[1].name: there are two of the name app"),
        ("[[proxy]]", "[[prxy]]", "prxy: unknown table 'prxy'; did you mean 'proxy'"),
    ],
)
def test_what_is_refused_is_said_with_its_place(old: str, new: str, says: str) -> None:
    assert old in DOCUMENT
    with pytest.raises(ConfigError) as refused:
        entities(DOCUMENT.replace(old, new, 1))
    assert any(problem.text.startswith(says) for problem in refused.value.problems), refused.value.problems


OWN = """
[haproxy]
global_snippet = '''
tune.bufsize 32768
'''
defaults_snippet = "option httplog"

[[proxy]]
name = "every"
bind = ["0.0.0.0:80", "[::]:80"]
pool = "app"
compression = { algorithms = ["gzip"], types = ["text/"] }
cache = { size = 32, max_object = 4096, max_age = "1h" }
redirect_https = 8443
redirect_status = 301
snippet = """
LINES = """
http-request deny if { path /.git }
\t# as it was
tcp-request inspect-delay 5s
"""


def test_snippets_compression_and_caches() -> None:
    whole = f"{DOCUMENT}{OWN}'''{LINES}'''\n"
    jsonschema.validate(tomllib.loads(whole), json.loads(text()))
    found = entities(whole)
    proxy = next(each for each in found if isinstance(each, Proxy) and each.name == "every")
    assert proxy.snippet == LINES.removeprefix("\n")
    assert proxy.cache == Cache(size=32, max_object=4096, max_age=3600)
    assert proxy.compression == Compression(types=("text/",))
    assert (proxy.redirect_status, [each.address for each in proxy.bind]) == (301, ["0.0.0.0", "::"])
    (settings,) = (each for each in found if isinstance(each, ProxySettings))
    assert settings == ProxySettings(
        router="lb-a", global_snippet="tune.bufsize 32768\n", defaults_snippet="option httplog"
    )


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (f"'''{LINES}  listen a\n'''", 4),
        ('"""\n\nlisten a"""', 2),
        ("'''listen a'''", 1),
        ('"listen a"', 1),
    ],
)
def test_a_snippets_line_is_the_place_of_what_is_wrong_with_it(written: str, number: int) -> None:
    whole = f"{DOCUMENT}{OWN}{written}\n"
    with pytest.raises(ConfigError) as refused:
        entities(whole)
    (problem,) = refused.value.problems
    assert problem.text == (
        f"proxy[1].snippet: line {number} begins the section 'listen'; a snippet stays in its own"
    )
    assert "listen a" in whole.split("\n")[problem.line - 1]


def test_the_schema_knows_them() -> None:
    told = json.loads(text())
    jsonschema.validate(tomllib.loads(DOCUMENT), told)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(DOCUMENT.replace("retries", "retrys")), told)


def test_an_instance_tracks_a_proxy_of_its_own_router() -> None:
    tracking = """
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
tracks = [{ kind = "proxy", name = "web", weight = -60 }]
"""
    whole = DOCUMENT + tracking
    (instance,) = (each for each in entities(whole) if isinstance(each, VrrpInstance))
    assert instance.tracks == (Track(kind="proxy", name="web", weight=-60),)
    jsonschema.validate(tomllib.loads(whole), json.loads(text()))
    for document in (
        whole.replace('kind = "proxy", name = "web"', 'kind = "proxy", name = "wep"'),
        whole.replace("[[proxy]]", '[[proxy]]\nrouters = ["lb-b"]') + "[router.lb-a]\n[router.lb-b]\n",
    ):
        with pytest.raises(ConfigError) as refused:
            entities(document)
        says = "vrrp_instance[0].tracks[0].name: there is no proxy"
        assert any(each.text.startswith(says) for each in refused.value.problems), refused.value.problems
