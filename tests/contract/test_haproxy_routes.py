"""Requests go where routes say and as they say, with a real haproxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.nats import free_port
from tests.support.proxy import pool, proxy
from tests.support.proxy_direct import Haproxy, ask, up
from tests.support.proxy_echo import Seen, echoes
from vipbus.contracts import HeaderChange, HeaderMatch, PathChange, ProxyRoute, Redirect

HARD = r"""a 'b' "c" \d; #{}$HOME %[src] <<"""
"""All that means something in HAProxy's configuration."""
ROUTES = {
    "host": {"host": ("www.example.org", "*.shop.example.org")},
    "path": {"path": ("/exact",), "path_prefix": ("/api", "/docs/")},
    "regex": {"path_regex": (r"^/item's/[0-9]{1,3}#?$",)},
    "method": {"method": ("DELETE", "PURGE")},
    "header": {"header": (HeaderMatch(name="X-Who", value=HARD), HeaderMatch(name="X-There"))},
    "header-regex": {"header": (HeaderMatch(name="X-Re", regex=r"^a 'b' [#\"]\d$"),)},
    "dash": {"header": (HeaderMatch(name="X-Dash", value="-f"),)},
    "both": {"host": ("both.example.org",), "path_prefix": ("/only",)},
    "rewritten": {
        "path_prefix": ("/old",),
        "rewrite": PathChange(regex=r"^/old/?(.*)$", by=r"/api/\1%20%[src]"),
        "request_header": (
            HeaderChange(name="X-Added", value=HARD),
            HeaderChange(name="X-Gone"),
        ),
        "response_header": (HeaderChange(name="Server-Secret"), HeaderChange(name="X-Back", value="100%")),
    },
}
ANSWERED = (
    ProxyRoute(path_prefix=("/admin",), deny=403),
    ProxyRoute(path=("/gone",), deny=410),
    ProxyRoute(path_prefix=("/moved",), redirect=Redirect(to="https://new.example.org/", keep_path=True)),
    ProxyRoute(path=("/there",), redirect=Redirect(to="https://new.example.org/100%25?a=b'", status=308)),
)


class Site:
    """A pool for each route and one for the rest."""

    def __init__(self, port: int, names: dict[int, str]) -> None:
        self.port = port
        self._names = names

    def goes(self, path: str = "/", **how: Any) -> str:
        return self._names.get(self.ask(path, **how).port, "")

    def ask(self, path: str = "/", **how: Any) -> Seen:
        return ask(self.port, path, **how)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    port = free_port()
    with echoes(len(ROUTES) + 1) as servers:
        names = dict(zip([*ROUTES, "web"], servers, strict=True))
        pools = [pool(name=name) for name in names]
        members = {f"pool-{name}": [up(each.port)] for name, each in names.items()}
        routes = tuple(ProxyRoute(pool=name, **conditions) for name, conditions in ROUTES.items())
        front = proxy(
            port,
            route=(*ANSWERED, *routes),
            response_header=(HeaderChange(name="X-All", value="yes"),),
            request_header=(HeaderChange(name="X-In", value="1", add=True),),
        )
        with Haproxy([front], pools, members):
            yield Site(port, {each.port: name for name, each in names.items()})


@pytest.mark.parametrize(
    ("path", "how", "where"),
    [
        ("/", {}, "web"),
        ("/", {"Host": "www.example.org"}, "host"),
        ("/", {"Host": "WWW.Example.org:8080"}, "host"),
        ("/", {"Host": "a.b.shop.example.org"}, "host"),
        ("/", {"Host": "shop.example.org"}, "web"),
        ("/", {"Host": "evilshop.example.org"}, "web"),
        ("/", {"Host": "www.example.org.evil.net"}, "web"),
        ("/exact", {}, "path"),
        ("/exact?query", {}, "path"),
        ("/exact/", {}, "web"),
        ("/Exact", {}, "web"),
        ("/api", {}, "path"),
        ("/api/v1", {}, "path"),
        ("/apis", {}, "web"),
        ("/%61pi/v1", {}, "path"),
        ("/docs/a", {}, "path"),
        ("/docs", {}, "web"),
        ("/item's/12", {}, "regex"),
        ("/item's/1234", {}, "web"),
        ("/", {"method": "DELETE"}, "method"),
        ("/", {"method": "POST"}, "web"),
        ("/", {"X_Who": HARD, "X_There": ""}, "header"),
        ("/", {"X_Who": HARD}, "web"),
        ("/", {"X_Re": "a 'b' \"7"}, "header-regex"),
        ("/", {"X_Re": "a 'b' 7"}, "web"),
        ("/", {"X_Dash": "-f"}, "dash"),
        ("/only/a", {"Host": "both.example.org"}, "both"),
        ("/only/a", {}, "web"),
        ("/", {"Host": "both.example.org"}, "web"),
        ("/old/a", {}, "rewritten"),
    ],
)
def test_it_goes_to(site: Site, path: str, how: dict[str, str], where: str) -> None:
    assert site.goes(path, **how) == where


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/admin", 403, None),
        ("/%61dmin/x", 403, None),
        ("/gone", 410, None),
        ("/moved/a?b=c", 302, "https://new.example.org/moved/a?b=c"),
        ("/there", 308, "https://new.example.org/100%25?a=b'"),
    ],
)
def test_it_is_answered(site: Site, path: str, status: int, location: str | None) -> None:
    seen = site.ask(path)
    assert (seen.port, seen.status, seen.answer.get("location")) == (0, status, location)
    assert seen.answer["x-all"] == "yes", "what HAProxy answers itself has the headers too"


def test_paths_and_headers_are_changed_and_nothing_in_a_value_means_anything(site: Site) -> None:
    seen = site.ask("/old/a?q=1", X_Gone="secret", X_Added="theirs", X_In="0")
    assert seen.path == "/api/a%20%[src]?q=1"
    assert seen.headers["x-added"] == HARD
    assert "x-gone" not in seen.headers
    assert seen.headers["x-in"] == "1"  # the last of two
    assert "server-secret" not in seen.answer
    assert (seen.answer["x-back"], seen.answer["x-all"]) == ("100%", "yes")
    assert "server-secret" in site.ask("/").answer
