"""Certificates that change in their files reach a running haproxy without a reload."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from haproxy_programmer.rotation import Rotation
from tests.contract.test_haproxy_tls import bind, client, names, put
from tests.support.config import publish_config
from tests.support.nats import NatsServer, free_port
from tests.support.proxy import ROUTER, Programmer, haproxy, member, pool, proxy
from tests.support.proxy_direct import Haproxy, ask, one_pool
from tests.support.proxy_echo import echoes
from tests.support.waiting import eventually


class Site:
    """A directory of certificates, a haproxy that shows them, and what brings changes."""

    def __init__(self, running: Haproxy, port: int, directory: Path) -> None:
        self.running = running
        self.port = port
        self.directory = directory
        self.rotation = Rotation(running.place.socket)
        self.pid = running.look().pid

    def bring(self) -> str:
        wrong = asyncio.run(self.rotation.bring(self.running.site, self.pid))
        assert self.running.look().pid == self.pid
        assert "*" not in self.running.ask("show ssl cert"), "a transaction is left open"
        return wrong

    def shown(self, name: str) -> set[str]:
        return names(self.port, name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    directory = tmp_path / "certificates"
    directory.mkdir()
    put(directory / "a.pem", "a.example")
    put(directory / "b.pem", "b.example")
    port = free_port()
    with echoes(1) as servers, one_pool(servers, front={"bind": bind(port, directory)}) as (running, _):
        made = Site(running, port, directory)
        assert made.bring() == ""
        yield made


def test_one_that_is_renewed_added_or_removed(site: Site) -> None:
    put(site.directory / "b.pem", "b.example", "renewed.example")
    put(site.directory / "c.pem", "c.example")
    assert site.bring() == ""
    assert site.shown("b.example") == {"b.example", "renewed.example"}
    assert site.shown("c.example") == {"c.example"}
    (site.directory / "b.pem").unlink()
    assert site.bring() == ""
    assert site.shown("b.example") == {"a.example"}, "the default's"
    put(site.directory / "b.pem", "b.example")
    assert site.bring() == ""
    assert site.shown("b.example") == {"b.example"}


def test_what_is_broken_leaves_what_ran_and_keeps_nobody_up(site: Site) -> None:
    good = (site.directory / "a.pem").read_text()
    other = put(site.directory.parent / "other.pem", "other.example").read_text()
    key, other_chain = (
        good.partition("-----BEGIN CERT")[0],
        "-----BEGIN CERT" + other.partition("-----BEGIN CERT")[2],
    )
    (site.directory / "a.pem").write_text(key + other_chain)
    put(site.directory / "b.pem", "b.example", "renewed.example")
    wrong = site.bring()
    assert str(site.directory / "a.pem") in wrong
    assert site.shown("a.example") == {"a.example"}
    assert site.shown("b.example") == {"b.example", "renewed.example"}
    assert site.bring() == wrong, "it is said as long as it is so"
    (site.directory / "a.pem").write_text(good)
    assert site.bring() == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.pem", ""),
        ("c.pem", "no certificate"),
        (
            "c.pem",
            "-----BEGIN CERTIFICATE-----\n\nset server pool-web/s1 state maint\n-----END CERTIFICATE-----\n",
        ),
        ("c.pem", "\n\nset server pool-web/s1 state maint\n"),
        ("c.pem", "-----BEGIN CERTIFICATE-----\n" + 2000 * "AAAAAAAAAA\n" + "-----END CERTIFICATE-----\n"),
        ("c.pem", 100_000 * "A"),
        ("c;disable frontend web.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("c <<.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("c\nset server pool-web s1.pem", "x"),
    ],
)
def test_what_is_no_certificate_does_nothing_and_removes_nothing(site: Site, name: str, text: str) -> None:
    (site.directory / name).write_text(text)
    (site.directory / "b.pem").unlink()
    assert site.bring() != ""
    assert site.shown("a.example") == {"a.example"}
    assert ask(site.port, tls=client(), name="a.example").status == 200
    (site.directory / name).unlink()
    assert site.bring() == ""
    assert site.shown("b.example") == {"a.example"}


def test_a_directory_that_is_away_or_empty_removes_nothing(site: Site) -> None:
    for each in site.directory.iterdir():
        each.unlink()
    assert site.bring() == ""
    site.directory.rmdir()
    assert "cannot be read" in site.bring()
    assert site.shown("b.example") == {"b.example"}


def test_the_default_stays_until_a_reload(site: Site) -> None:
    (site.directory / "a.pem").unlink()
    assert "default certificate" in site.bring()
    assert site.shown("a.example") == {"a.example"}


def test_the_programmer_looks_itself_and_reloads_nothing(nats_server: NatsServer, tmp_path: Path) -> None:
    haproxy()
    put(tmp_path / "a.pem", "a.example")
    programmer = Programmer(Path(tempfile.mkdtemp(prefix="haproxy-")), nats_server)
    front = proxy(programmer.port, bind=bind(programmer.port, tmp_path))
    try:
        programmer.start()
        with echoes(1) as servers:
            publish_config(nats_server.url, [front, pool(), member(servers[0].port)], ROUTER)
            eventually(lambda: names(programmer.port, "a.example"), "it serves", within=20)
            workers = programmer.workers()
            put(tmp_path / "a.pem", "a.example", "renewed.example")
            eventually(lambda: len(names(programmer.port, "a.example")) == 2, "the new one", within=20)
            assert programmer.workers() == workers
    finally:
        programmer.close()
        shutil.rmtree(programmer.directory)
