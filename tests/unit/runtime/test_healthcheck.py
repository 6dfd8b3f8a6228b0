"""The container health check against the endpoint that services answer on."""

from __future__ import annotations

import pytest

from tests.support.nats import free_port
from vipbus.runtime import endpoint, healthcheck
from vipbus.runtime.readiness import Readiness
from vipbus.runtime.settings import ListenAddress


@pytest.fixture
def service() -> tuple[Readiness, str]:
    readiness = Readiness("config-service", None)
    port = free_port()
    assert endpoint.start(ListenAddress("127.0.0.1", port), readiness.condition) == ""
    return readiness, f"127.0.0.1:{port}"


def test_a_ready_service(service: tuple[Readiness, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main([service[1]]) == 0
    assert capsys.readouterr().out == "ready\n"


def test_what_is_wrong_is_printed_a_line_each(
    service: tuple[Readiness, str], capsys: pytest.CaptureFixture[str]
) -> None:
    readiness, listen = service
    readiness.problem("ipvs", "this kernel has no IPVS")
    readiness.problem("bus", "the bus is away")
    assert healthcheck.main([listen]) == 1
    assert capsys.readouterr().out == "this kernel has no IPVS\nthe bus is away\n"


def test_it_asks_where_the_service_was_told_to_listen(
    service: tuple[Readiness, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPBUS_LISTEN", service[1].replace("127.0.0.1", "0.0.0.0"))
    assert healthcheck.main([]) == 0


@pytest.mark.parametrize("listen", ["127.0.0.1:{free}", "no-address", "127.0.0.1:x"])
def test_no_answer_is_not_ready(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    listen = listen.format(free=free_port())
    assert healthcheck.main([listen]) == 1
    assert f"{listen} gives no answer" in capsys.readouterr().out


def test_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIPBUS_LISTEN", raising=False)
    assert healthcheck.main([]) == 1
