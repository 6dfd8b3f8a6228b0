"""Lines of an operator's own in a real haproxy: they work, or what ran before goes on and says why."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_haproxy_programmer import read
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, Server, answers, haproxy, member, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, up
from tests.support.proxy_echo import Echo, echoes
from tests.support.waiting import eventually
from vipbus.contracts import Proxy, ProxyRoute, ProxySettings


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with echoes(1) as made:
        yield made[0]


def run(echo: Echo, front: Proxy, settings: ProxySettings | None = None, **back: Any) -> Haproxy:
    made = pool(**back)
    return Haproxy([front], [made], {made.id: [up(echo.port)]}, settings)


def test_of_a_proxy_it_stands_before_the_rules_and_after_what_is_set(echo: Echo) -> None:
    port = free_port()
    front = proxy(
        port,
        route=(ProxyRoute(path_prefix=("/admin",), deny=403),),
        snippet="""
            # whoever is inside
            acl inside hdr(x-inside) -m found
            http-request return status 418 content-type text/plain string "short \\#1" if inside  # early
            timeout client 7s""",
    )
    with run(echo, front):
        assert ask(port, "/admin").status == 403
        assert ask(port, "/admin", x_inside="1").status == 418
        assert ask(port, "/").status == 200


def test_of_a_pool_it_stands_before_the_servers(echo: Echo) -> None:
    port = free_port()
    lines = "http-request set-header X-Snippet yes\nhttp-request replace-path ^/a/(.*) /\\1\n"
    with run(echo, proxy(port), snippet=lines):
        seen = ask(port, "/a/b")
        assert (seen.path, seen.headers["x-snippet"]) == ("/b", "yes")


def test_of_the_process_and_its_defaults(echo: Echo) -> None:
    port = free_port()
    settings = ProxySettings(
        router=ROUTER,
        global_snippet="description 'by a snippet'\n",
        defaults_snippet="option http-server-close\nerrorloc 403 http://sorry.example/\n",
    )
    front = proxy(port, route=(ProxyRoute(path=("/no",), deny=403),))
    with run(echo, front, settings) as running:
        assert "by a snippet" in running.ask("show info")
        seen = ask(port, "/no")
        assert (seen.status, seen.answer["location"]) == (302, "http://sorry.example/")


@pytest.fixture
def programmer(nats_server: NatsServer) -> Iterator[Programmer]:
    haproxy()
    made = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    made.start()
    yield made
    made.close()
    shutil.rmtree(made.directory)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("proxy", "line 3 of the snippet of proxy web: 'no-such-keyword at all'"),
        ("pool", "line 3 of the snippet of pool web: 'no-such-keyword at all'"),
        ("global", "line 3 of the snippet of global: 'no-such-keyword at all'"),
        ("defaults", "line 3 of the snippet of defaults: 'no-such-keyword at all'"),
    ],
)
def test_one_that_haproxy_refuses_leaves_what_ran_and_is_named(
    programmer: Programmer, nats_server: NatsServer, server: Server, where: str, place: str
) -> None:
    broken = "# first\n\nno-such-keyword at all\n"

    def publish(text: str | None, **more: Any) -> None:
        settings = {f"{where}_snippet": text} if where in ("global", "defaults") else {}
        entities = [
            ProxySettings(router=ROUTER, **settings),
            proxy(programmer.port, snippet=text if where == "proxy" else None, **more),
            pool(snippet=text if where == "pool" else None),
            member(server.port),
        ]
        publish_config(nats_server.url, entities, ROUTER)

    publish(None)
    eventually(lambda: answers(programmer.port, 1) == {str(server.port)}, "it serves", within=20)
    good = (programmer.haproxy / "haproxy.cfg").read_text()
    worker = programmer.workers()
    publish(broken)
    eventually(
        lambda: place in (getattr(read(nats_server), "error", "") or ""), f"{place} is told", within=20
    )
    assert answers(programmer.port, 1) == {str(server.port)}
    assert (programmer.workers(), (programmer.haproxy / "haproxy.cfg").read_text()) == (worker, good)
    publish("# mended\n", max_connections=99)
    eventually(
        lambda: "maxconn 99" in (programmer.haproxy / "haproxy.cfg").read_text(), "it is taken", within=20
    )
