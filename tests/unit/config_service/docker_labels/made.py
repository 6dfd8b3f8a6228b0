"""Containers, members and configurations for the tests of labels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config_service.docker_labels.containers import LABEL, Container, Event, Network
from config_service.docker_labels.labels import Member
from config_service.load import load
from vipbus.contracts import Entity

START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SERVERS = Network("servers", "10.91.2.130", 24)
LABELS = {LABEL: "10.91.1.100:80", "vipbus.port": "8080"}


def container(name: str = "web-1", labels: dict[str, str] | None = None, **said: Any) -> Container:
    """Make a container that runs."""
    whole: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "labels": LABELS if labels is None else labels,
        "started": START,
        "networks": (SERVERS,),
        **said,
    }
    return Container(**whole)


def event(action: str, name: str = "web-1", *, after: float = 1.0, signal: int = 0) -> Event:
    """Make an event so many seconds after the start."""
    at = START + timedelta(seconds=after)
    return Event(container=f"id-{name}", action=action, signal=signal, at=at, labelled=True)


def member(name: str = "web-1", virtual_server: str = "10.91.1.100:80", **said: Any) -> Member:
    """Make a member."""
    whole = {"port": 8080, "networks": (SERVERS,), **said}
    return Member(container=name, virtual_server=virtual_server, **whole)


def entities(text: str, directory: Path, name: str = "x.conf") -> tuple[Entity, ...]:
    """Compile a file whose pools may be empty."""
    file = directory / name
    file.write_text(text)
    return load(file, "r1", empty_pools=True).entities
