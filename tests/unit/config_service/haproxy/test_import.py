"""What lines of haproxy.cfg become: a table of rules, servers, checks and what is refused where."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from config_service.haproxy.compile import compile_text
from config_service.problems import ConfigError
from vipbus.contracts import (
    Check,
    HttpCheck,
    PoolTimeouts,
    Proxy,
    ProxyPool,
    ProxySettings,
    ProxyTimeouts,
    RealServer,
)

TIMES = "    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n"
FRONT = "frontend f\n    mode http\n    bind 192.0.2.1:80\n    default_backend b\n"
BACK = "backend b\n    mode http\n"
SERVER = "    server s 10.0.0.1:80\n"


def entities(front: str = "", back: str = SERVER, more: str = "") -> tuple[Any, ...]:
    text = f"defaults\n{TIMES}{FRONT}{_lines(front)}{BACK}{_lines(back)}{more}"
    return compile_text(text, "haproxy.cfg", "lb-a").entities


def _lines(text: str) -> str:
    return "".join(f"    {line.strip()}\n" for line in text.strip().splitlines())


def proxy(front: str, **more: str) -> Proxy:
    return next(each for each in entities(front, **more) if isinstance(each, Proxy))


def pool_of(back: str) -> tuple[ProxyPool, list[RealServer]]:
    found = entities(back=back)
    return (
        next(each for each in found if isinstance(each, ProxyPool) and each.name == "b"),
        [each for each in found if isinstance(each, RealServer) and each.virtual_server == "pool-b"],
    )


def lines(proxy_or_pool: Proxy | ProxyPool) -> list[str]:
    return [each for each in (proxy_or_pool.snippet or "").splitlines() if not each.startswith("#")]


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("use_backend b if { path /a }", {"route": [{"path": ("/a",), "pool": "b"}]}),
        ("use_backend b if { path -i /a }", {"route": [{"path_regex": ("(?i)^/a$",), "pool": "b"}]}),
        ("use_backend b if { path_beg /a/ }", {"route": [{"path_prefix": ("/a/",), "pool": "b"}]}),
        ("use_backend b if { path_beg /a }", {"route": [{"path_regex": ("^/a",), "pool": "b"}]}),
        ("use_backend b if { path_end .x }", {"route": [{"path_regex": (r"\.x$",), "pool": "b"}]}),
        ("use_backend b if { path -m sub (a) }", {"route": [{"path_regex": (r"\(a\)",), "pool": "b"}]}),
        ("use_backend b if { path_dir a }", {"route": [{"path_regex": ("(?:^|/)a(?:/|$)",), "pool": "b"}]}),
        ("use_backend b", {"route": [{"pool": "b"}]}),
        (
            "acl a hdr(host) -i A.example b.example\nacl a hdr_end(host) -i .c.example\nuse_backend b if a",
            {"route": [{"host": ("a.example", "b.example", "*.c.example"), "pool": "b"}]},
        ),
        (
            "use_backend b if { method GET } { path /a } or { req.hdr(X-A) 1 }",
            {
                "route": [
                    {"path": ("/a",), "method": ("GET",), "pool": "b"},
                    {"header": ({"name": "X-A", "value": "1"},), "pool": "b"},
                ]
            },
        ),
        (
            "acl a path /a\nacl a hdr(host) a.example\nuse_backend b if a METH_POST",
            {
                "route": [
                    {"path": ("/a",), "method": ("POST",), "pool": "b"},
                    {"host": ("a.example",), "method": ("POST",), "pool": "b"},
                ]
            },
        ),
        ("http-request deny if { path /a }", {"route": [{"path": ("/a",), "deny": 403}]}),
        ("http-request deny deny_status 404", {"route": [{"deny": 404}]}),
        (
            "redirect location /b code 308 if { path /a }",
            {"route": [{"path": ("/a",), "redirect": {"to": "/b", "status": 308}}]},
        ),
        (
            "http-request redirect prefix https://a.example if { path_beg /a/ }",
            {
                "route": [
                    {"path_prefix": ("/a/",), "redirect": {"to": "https://a.example", "keep_path": True}}
                ]
            },
        ),
        ("redirect scheme https if !{ ssl_fc }", {"redirect_https": 443, "redirect_status": 302}),
        ("http-request redirect scheme https code 308 unless { ssl_fc }", {"redirect_https": 443}),
        (
            "acl tls ssl_fc\nredirect scheme https code 301 if !tls",
            {"redirect_https": 443, "redirect_status": 301},
        ),
        ("http-request set-header X-A b%%", {"request_header": [{"name": "X-A", "value": "b%"}]}),
        ("http-request del-header X-A", {"request_header": [{"name": "X-A"}]}),
        (
            'http-response add-header X-A "b c"',
            {"response_header": [{"name": "X-A", "value": "b c", "add": True}]},
        ),
        ("monitor-uri /x", {"monitor": "/x"}),
        ("monitor-uri /x\nmonitor fail if { nbsrv(b) eq 0 }", {"monitor": "/x"}),
        ("monitor-uri /x\nmonitor fail if { nbsrv(b) lt 3 }", {"monitor": "/x", "monitor_members": 3}),
        ("monitor-uri /x\nmonitor fail if { nbsrv(b) le 1 }", {"monitor": "/x", "monitor_members": 2}),
        ("maxconn 7", {"max_connections": 7}),
        (
            "acl bad src 10.0.0.0/8\ntcp-request connection reject if bad or { src ::1 }",
            {"deny": ["10.0.0.0/8", "::1"]},
        ),
        (
            """stick-table type ip size 1k expire 9s store conn_cur,http_req_rate(1m)
            tcp-request connection track-sc0 src
            acl much sc0_http_req_rate gt 5
            tcp-request connection reject if { sc_conn_cur(0) ge 4 }
            http-request deny if much""",
            {"limit": {"rate": 5, "period": 60, "status": 403, "connections": 3, "size": 1024}},
        ),
        ("compression algo gzip", {"compression": {"algorithms": ["gzip"], "types": []}}),
    ],
)
def test_rules_become_keys(front: str, expected: dict[str, Any]) -> None:
    made = proxy(front)
    assert made == msgspec.convert(msgspec.to_builtins(proxy("")) | expected, Proxy)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("use_backend b if { src 10.0.0.0/8 }", ["use_backend pool-b if { src 10.0.0.0/8 }"]),
        ("use_backend b if !{ path /a }", ["use_backend pool-b if !{ path /a }"]),
        ("use_backend b unless { path /a }", ["use_backend pool-b unless { path /a }"]),
        ("use_backend b if { path -f /etc/a }", ["use_backend pool-b if { path -f /etc/a }"]),
        (
            "use_backend b if { path /a } { path_beg /b/ }",
            ["use_backend pool-b if { path /a } { path_beg /b/ }"],
        ),
        ('use_backend b if { path "$A" }', ['use_backend pool-b if { path "$A" }']),
        ("use_backend b if TRUE", ["use_backend pool-b if TRUE"]),
        ("use_backend %[path,map(/m)]", ["use_backend pool-%[path,map(/m)]"]),
        (
            "acl inside src 10.0.0.1\nacl other path /o\nhttp-request deny if !inside",
            ["acl inside src 10.0.0.1", "http-request deny if !inside"],
        ),
        # what comes before one that stays, stays
        (
            "http-request set-header X-A b\nhttp-request return status 200 if { path /x }",
            ["http-request set-header X-A b", "http-request return status 200 if { path /x }"],
        ),
        # a redirect of the old kind comes after these
        (
            "redirect location /b if { path /a }\nredirect location /c if { src 10.0.0.1 }",
            ["redirect location /b if { path /a }", "redirect location /c if { src 10.0.0.1 }"],
        ),
        # a route looks at the header that came
        ("http-request set-header X-A b\nuse_backend b if { hdr(X-A) b }", ["http-request set-header X-A b"]),
        ("http-request set-header X-A %[src]", ["http-request set-header X-A %[src]"]),
        (
            "http-response set-header X-A b if { status 200 }",
            ["http-response set-header X-A b if { status 200 }"],
        ),
        (
            "monitor-uri /x\nmonitor fail if { nbsrv(b) gt 2 }",
            ["monitor-uri /x", "monitor fail if { nbsrv(pool-b) gt 2 }"],
        ),
        ("bind 192.0.2.1:8443 ssl crt /a crt /b", ["bind 192.0.2.1:8443 ssl crt /a crt /b"]),
        ("bind 192.0.2.1:1-1000", ["bind 192.0.2.1:1-1000"]),
        (
            "filter bwlim-in a key src table b limit 1m min-size 1",
            ["filter bwlim-in a key src table pool-b limit 1m min-size 1"],
        ),
        ("something-new a b", ["something-new a b"]),
        ("option forwardfor except 127.0.0.1", ["option forwardfor except 127.0.0.1"]),
    ],
)
def test_rules_that_no_key_has_stay(front: str, expected: list[str]) -> None:
    assert lines(proxy(front)) == expected


def test_the_forwarded_headers_are_set_once() -> None:
    made = proxy(
        "option forwardfor\nhttp-request del-header X-Forwarded-For\n"
        "http-request set-header X-Forwarded-Proto https if { ssl_fc }\n"
        "http-request set-header X-Forwarded-Proto http unless { ssl_fc }\n"
        "http-request set-header X-Forwarded-Port %[dst_port]"
    )
    assert (made.forwarded_for, made.request_header, made.snippet) == (True, (), None)


def test_https_is_no_answer_before_others_that_came_first() -> None:
    made = proxy("http-request deny if { path /a }\nhttp-request redirect scheme https unless { ssl_fc }")
    assert (made.redirect_https, made.route, len(lines(made))) == (None, (), 2)
    made = proxy("redirect scheme https if !{ ssl_fc }\nhttp-request deny if { path /a }")
    assert (made.redirect_https, len(made.route)) == (None, 1), "http-request comes first, wherever it stands"


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ("balance leastconn", {"balance": {"algorithm": "leastconn"}}),
        ("balance url_param a\nhash-type consistent",
         {"balance": {"algorithm": "url-param", "parameter": "a", "hash": "consistent"}}),
        ("balance hdr(X-A)", {"balance": {"algorithm": "header", "parameter": "X-A"}}),
        ("cookie C insert indirect nocache maxlife 1m",
         {"persistence": {"kind": "cookie", "name": "C", "max_life": 60}}),
        ("stick-table type ipv6 size 10k expire 1h\nstick on src",
         {"persistence": {"kind": "source", "expire": 3600, "size": 10240}}),
        ("retries 0", {"retries": 0}),
        ("default-server maxconn 9 slowstart 1m send-proxy-v2",
         {"max_connections": 9, "slow_start": 60.0, "send_proxy": "v2"}),
        ("default-server ssl verify none alpn h2", {"tls": {"verify": False, "http2": True}}),
        ("default-server ssl verify required verifyhost A.example ca-file /ca crt /c ssl-min-ver TLSv1.3",
         {"tls": {"name": "a.example", "ca": "/ca", "certificate": "/c", "minimum": "1.3"}}),
        ("balance uri depth 3", {"snippet": "# haproxy.cfg:11\nbalance uri depth 3\n"}),
        ("default-server ssl verify none sni req.hdr(host)",
         {"snippet": "# haproxy.cfg:12\ndefault-server ssl verify none sni req.hdr(host)\n"}),
        ("stick on hdr(x)", {"snippet": "# haproxy.cfg:11\nstick on hdr(x)\n"}),
        ("acl a path /a\nhttp-request deny if a",
         {"snippet": "# haproxy.cfg:11\nacl a path /a\nhttp-request deny if a\n"}),
        ("http-reuse safe", {"snippet": "# haproxy.cfg:11\nhttp-reuse safe\n"}),
        ("option forwardfor", {"snippet": "# haproxy.cfg:11\noption forwardfor\n"}),
    ],
)  # fmt: skip
def test_backends_become_pools(back: str, expected: dict[str, Any]) -> None:
    made, reals = pool_of(f"{back}\n{SERVER}")
    assert made == msgspec.convert(msgspec.to_builtins(pool_of(SERVER)[0]) | expected, ProxyPool)
    assert [(each.address, each.port) for each in reals] == [("10.0.0.1", 80)]


CHECKS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("", "", None),
    ("", "check", {}),
    ("", "check inter 1500 rise 1 fall 5 port 81 addr 10.0.0.9",
     {"interval": 1.5, "timeout": 1.5, "rise": 1, "fall": 5, "port": 81, "address": "10.0.0.9"}),
    ("timeout check 4s", "check", {"timeout": 4.0}),
    ("", "check ssl verify none", {"kind": "tls", "tls": {"verify": False}}),
    ("option tcp-check\ntcp-check send a\ntcp-check expect rstring b", "check",
     {"exchanges": [{"send": "a", "expect_regex": "b"}]}),
    ("option redis-check", "check", {"exchanges": [{"send": "*1\r\n$4\r\nPING\r\n", "expect": "+PONG"}]}),
    ("option smtpchk EHLO a.example", "check", {"kind": "smtp", "helo_name": "a.example"}),
    ("option ssl-hello-chk", "check", {"kind": "tls", "tls": {"verify": False}}),
    ("option tcp-check\noption httpchk /x", "check",
     {"kind": "http", "version": "1.0",
      "requests": [{"method": "OPTIONS", "path": "/x", "status": [(200, 399)]}]}),
]  # fmt: skip


@pytest.mark.parametrize(("back", "options", "expected"), CHECKS)
def test_servers_are_checked(back: str, options: str, expected: dict[str, Any] | None) -> None:
    _, (real,) = pool_of(f"{back}\nserver s 10.0.0.1:80 {options}")
    if expected is None:
        assert real.checks == ()
        return
    for request in expected.get("requests", []):
        request["status"] = [{"first": first, "last": last} for first, last in request["status"]]
    base = {"kind": "tcp", "address": "10.0.0.1", "port": 80, "interval": 2.0, "timeout": 2.0, "retry": 0}
    assert real.checks == (msgspec.convert({**base, "rise": 2, "fall": 3, **expected}, Check),)


@pytest.mark.parametrize(
    ("back", "requests"),
    [
        ("option httpchk", [("OPTIONS", "/", None, "200-399")]),
        ("option httpchk HEAD /h HTTP/1.1\\r\\nHost:\\ a.example", [("HEAD", "/h", "a.example", "200-399")]),
        ("option httpchk\nhttp-check send meth GET uri /a hdr Host b", [("GET", "/a", "b", "200-399")]),
        ("option httpchk GET /a\nhttp-check expect status 200,204", [("GET", "/a", None, "200-200 204-204")]),
        ("option httpchk GET /a\nhttp-check expect rstatus ^2", [("GET", "/a", None, "200-299")]),
        ("option httpchk GET /a\nhttp-check expect ! string a.b", [("GET", "/a", None, r"not a\.b")]),
        (
            """option httpchk
            http-check send meth GET uri /a
            http-check expect status 200
            http-check send uri /b
            http-check expect string ok""",
            [("GET", "/a", None, "200-200"), ("GET", "/b", None, "ok")],
        ),
    ],
)
def test_requests_of_checks(back: str, requests: list[tuple[str, str, str | None, str]]) -> None:
    _, (real,) = pool_of(f"{back}\nserver s 10.0.0.1:80 check")
    (check,) = real.checks
    assert isinstance(check, HttpCheck)
    found = []
    for each in check.requests:
        expects = " ".join(f"{one.first}-{one.last}" for one in each.status)
        regex = f"{'not ' if each.regex_no_match else ''}{each.regex}" if each.regex else expects
        found.append((each.method, each.path, each.host, regex))
    assert found == requests


def test_timeouts_that_are_not_said_are_as_haproxy_has_them() -> None:
    made, (pool, _) = proxy(""), pool_of("")
    assert made.timeouts == ProxyTimeouts(client=5.0, http_request=5.0, http_keep_alive=5.0)
    assert pool.timeouts == PoolTimeouts(connect=5.0, server=5.0, queue=5.0, tunnel=5.0)
    made = proxy("timeout client 0\ntimeout http-request 3s\ntimeout http-keep-alive 1m")
    assert made.timeouts == ProxyTimeouts(client=24 * 86400.0, http_request=3.0, http_keep_alive=60.0)
    pool, _ = pool_of("timeout server 90\ntimeout tunnel 1h\ntimeout queue 7s")
    assert pool.timeouts == PoolTimeouts(connect=5.0, server=0.09, queue=7.0, tunnel=3600.0)


def test_backup_servers_are_a_pool_of_their_own() -> None:
    found = entities(back="server a 10.0.0.1:80\nserver z 10.0.0.9:80 backup")
    pools = {each.name: each for each in found if isinstance(each, ProxyPool)}
    assert pools["b"].fallback == "b-backup"
    reals = {each.virtual_server: each.address for each in found if isinstance(each, RealServer)}
    assert reals == {"pool-b": "10.0.0.1", "pool-b-backup": "10.0.0.9"}


def test_a_frontend_without_a_backend_has_a_pool_of_nobody() -> None:
    text = f"defaults\n{TIMES}frontend f\n    mode http\n    bind :80\n    redirect scheme https code 301\n"
    found = compile_text(text, "haproxy.cfg", "lb-a").entities
    assert [(each.name, each.pools) for each in found if isinstance(each, Proxy)] == [("f", ("nobody",))]
    assert [each.name for each in found if isinstance(each, ProxyPool)] == ["nobody"]


@pytest.mark.parametrize("where", ["front", "defaults", "listen"])
def test_a_page_with_a_password_stands_open_nowhere(where: str) -> None:
    lines = {"stats": "    stats enable\n    stats uri /page\n", "auth": "    stats auth a:not-to-be-shown\n"}
    front = FRONT + lines["auth"] + (lines["stats"] if where == "front" else "")
    shared = TIMES + (lines["stats"] if where == "defaults" else "")
    more = (
        f"listen s\n    mode http\n    bind :1\n{lines['stats']}{lines['auth']}" if where == "listen" else ""
    )
    made = compile_text(f"defaults\n{shared}{front}{BACK}{SERVER}{more}", "haproxy.cfg", "lb-a")
    assert (
        "page"
        not in msgspec.json.encode([each for each in made.entities if each.key.endswith(".f")]).decode()
    )
    assert not [each for each in made.entities if isinstance(each, ProxySettings)]
    assert [each for each in made.warnings if "without its password" in each.text]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("bind :80\n", "1:1", "'bind' stands in no section"),
        ("global\n", "1:1", "there is no frontend, backend or listen"),
        ("frontend\n", "1:1", "frontend needs a name"),
        ("frontend a :80\n", "1:12", "':80' is too much here"),
        ("backend a from x\n", "1:16", "there is no defaults section 'x'"),
        ("backend a\n  .if 1\n", "2:3", "'.if' depends on the machine"),
        ("backend a\n  server b 'x\n", "2:12", "the quote ' is not closed"),
        ("backend a\n  retries x\n", "2:11", "'x' is no number from 0 to 100"),
        ("backend a\n  timeout server 5x\n", "2:18", "'5x' is no time"),
        ("backend a\n  timeout server 900d\n", "2:18", "longer than 31 days"),
        ("backend a\n  server b\n", "2:3", "a server needs a name and an address"),
        ("backend a\n  server b 10.0.0.1:80 inter\n", "2:24", "inter has nothing after it"),
        ("backend a\n  server b 10.0.0.1:80 weight 300\n", "2:3", "the weight of b: '300' is no number"),
        ("backend a\n  server b 10.0.0.1:80 check port 0\n", "2:3", "the check of b: "),
        ("frontend a\n  default_backend b\n", "2:19", "there is no backend 'b'"),
        ("frontend a\n  bind :80\n  use_backend b if { path / }\n", "3:15", "there is no backend 'b'"),
        ("frontend a\n", "1:1", "frontend a has no bind"),
        ("backend a\nbackend A\n", "2:1", "would be of one name; rename one"),
        ("frontend a\n bind :80\nfrontend b\n bind *:80\n", "4:2", "which a does already"),
        ("backend a\n mode health\n", "2:2", "'health' is no mode of vipbus"),
        ("backend a\n 'x y' z\n", "2:2", "'x y' is no keyword"),
        ("backend a\n option''httplog\n", "2:2", "'optionhttplog' is quoted; write it plainly"),
        ('backend a\n "no" option httplog\n', "2:2", "'option' is quoted; write it plainly"),
    ],
)
def test_what_is_refused_is_said_with_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compile_text(text, "haproxy.cfg", "lb-a")
    found = [str(each) for each in refused.value.problems]
    assert any(each.startswith(f"haproxy.cfg:{place}: ") and says in each for each in found), found
