"""The engine's JSON becomes a container or an event, or is refused as no engine's."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from config_service.docker_labels.containers import (
    MalformedError,
    Network,
    container_of,
    event_of,
    signal_number,
)

INSPECTED: dict[str, Any] = {
    "Id": "80c4",
    "Name": "/shop-web-1",
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Restarting": False,
        "StartedAt": "2026-11-30T04:09:11.542655936Z",
        "Health": {"Status": "healthy", "FailingStreak": 0, "Log": []},
    },
    "Config": {
        "Env": ["PASSWORD=geheim"],
        "Labels": {"vipbus.virtual-server": "web", "com.docker.compose.project": "shop", "other": "x"},
        "StopSignal": "SIGQUIT",
    },
    "HostConfig": {"NetworkMode": "shop_servers"},
    "NetworkSettings": {
        "Networks": {
            "shop_servers": {
                "IPAddress": "10.91.2.130",
                "IPPrefixLen": 24,
                "GlobalIPv6Address": "fd00::2",
                "GlobalIPv6PrefixLen": 64,
                "Aliases": None,
            }
        }
    },
}
KILLED: dict[str, Any] = {
    "Type": "container",
    "Action": "kill",
    "Actor": {"ID": "80c4", "Attributes": {"signal": "15", "vipbus.virtual-server": "web"}},
    "scope": "local",
    "time": 1796011751,
    "timeNano": 1796011751542655936,
}


def test_an_inspection_is_read_and_its_environment_is_not() -> None:
    found = container_of(INSPECTED)
    assert (found.name, found.project, found.running, found.health) == ("shop-web-1", "shop", True, "healthy")
    assert found.labels == {"vipbus.virtual-server": "web"}
    assert found.stop_signal == signal.SIGQUIT
    assert found.started == datetime(2026, 11, 30, 4, 9, 11, 542655, UTC)
    assert found.networks == (Network("shop_servers", "10.91.2.130", 24, "fd00::2", 64),)
    assert "geheim" not in repr(found)


def test_what_the_engine_may_leave_out_may_be_left_out() -> None:
    least = {
        "Id": "1",
        "Name": "/x",
        "State": {"Running": True, "StartedAt": ""},
        "Config": {"Labels": None},
        "NetworkSettings": {"Networks": None},
    }
    found = container_of(least)
    assert (found.labels, found.health, found.networks) == ({}, "none", ())
    assert found.stop_signal == signal.SIGTERM


@pytest.mark.parametrize(
    "body",
    ["{}", "[]", "null", '{"Id": 1, "Name": "/x"}', '{"Id": "1", "Name": "/x", "State": [], "Config": {}}'],
)
def test_what_is_no_inspection_is_no_empty_container(body: str) -> None:
    with pytest.raises(MalformedError, match="cannot be read"):
        container_of(json.loads(body))


def test_events_of_containers_and_of_networks() -> None:
    heard = event_of(KILLED)
    assert (heard.container, heard.action, heard.signal, heard.labelled) == ("80c4", "kill", 15, True)
    assert heard.at.replace(microsecond=0) == datetime.fromtimestamp(1796011751, UTC)
    joined = {
        **KILLED,
        "Type": "network",
        "Action": "connect",
        "Actor": {"ID": "net", "Attributes": {"container": "80c4", "name": "servers"}},
    }
    assert (event_of(joined).container, event_of(joined).labelled) == ("80c4", False)


@pytest.mark.parametrize("body", ["{}", "7", '{"Type": "container", "Action": null}'])
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(MalformedError):
        event_of(json.loads(body))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGTERM", 15),
        ("term", 15),
        ("15", 15),
        ("9", 9),
        ("SIGWINCH", 28),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("", 15),
        ("SIG_DFL", 15),
        ("nonsense", 15),
        ("²", 15),
    ],
)
def test_a_stop_signal_in_all_its_forms(text: str, number: int) -> None:
    assert signal_number(text) == number
