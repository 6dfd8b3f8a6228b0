"""Compile pieces of configuration, and say what came of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config_service.keepalived.compile import Configuration, compile_text
from config_service.keepalived.expand import Machine
from config_service.keepalived.iproute2 import Names
from config_service.keepalived.lexer import Brace, Line, Part, Shape
from config_service.keepalived.outside import Outside
from config_service.problems import ConfigError
from vipbus.contracts import RealServer, VirtualServer, VrrpInstance, VrrpSettings
from vipbus.runtime.secrets import Secrets

GOOD = (Path(__file__).parent / "good.conf").read_text()
SECRETS = Secrets.in_memory()
OUTSIDE = Outside(SECRETS.reference, Names(), Machine("m", {}, Path("/nowhere/x.conf")))


def compiled(text: str, router: str | None = "r1") -> Configuration:
    return compile_text(text, "x.conf", router, "host", OUTSIDE)


def errors(text: str) -> list[str]:
    """Compile what must be refused; give its errors without the file's name."""
    with pytest.raises(ConfigError) as caught:
        compiled(text)
    assert all(str(problem).startswith("x.conf:") for problem in caught.value.problems)
    return [re.sub(r"^x\.conf:(\d+)(?::\d+)?:", r"\1:", line) for line in caught.value.lines()]


def warnings(text: str) -> list[str]:
    return [f"{one.line}: {one.text}" for one in compiled(text).warnings]


def instance(*lines: str, name: str = "VI_1") -> str:
    """Write an instance: head on line 1, the given lines from line 2, a valid rest on the last lines."""
    given = {line.split()[0] for line in lines}
    rest = [
        line
        for line in ("interface eth0", "virtual_router_id 51", "virtual_ipaddress { 10.9.0.1 }")
        if line.split()[0] not in given
    ]
    return "\n".join((f"vrrp_instance {name} {{", *lines, *rest, "}", ""))


def server(*lines: str, head: str = "10.9.0.1 80", real: str = "10.9.1.21 80", inside: str = "") -> str:
    """Write a virtual server with one real server: head on line 1, the given lines from line 2."""
    given = {line.split()[0] for line in lines}
    rest = ["protocol TCP"] if "protocol" not in given else []
    return "\n".join(
        (f"virtual_server {head} {{", *lines, f"real_server {real} {{", inside, "}", *rest, "}", "")
    )


def the_instance(text: str) -> VrrpInstance:
    (found,) = (entity for entity in compiled(text).entities if isinstance(entity, VrrpInstance))
    return found


def the_server(text: str) -> tuple[VirtualServer, RealServer]:
    entities = compiled(text).entities
    (virtual,) = (entity for entity in entities if isinstance(entity, VirtualServer))
    (real,) = (entity for entity in entities if isinstance(entity, RealServer))
    return virtual, real


def the_settings(text: str) -> VrrpSettings:
    (found,) = (entity for entity in compiled(text).entities if isinstance(entity, VrrpSettings))
    return found


def global_defs(*lines: str) -> str:
    """Write the block on lines 1 to N + 2, and an instance after it."""
    return "\n".join(("global_defs {", *lines, "}", "")) + instance()


def parts_of(line: Line) -> list[Part]:
    """Give all parts of a line, the brace that its shape says included."""
    _, _, shape, parts = line
    braces = {Shape.OPENING: [Brace.OPEN], Shape.CLOSING: [Brace.CLOSE]}
    return [*parts, *braces.get(shape, [])]
