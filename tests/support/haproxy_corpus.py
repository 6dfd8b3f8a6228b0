"""The corpus of haproxy.cfg: its files, what they need to run here, and what they become."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import trustme

from config_service.haproxy.compile import compile_text
from config_service.keepalived.compile import Configuration
from config_service.native.document import read
from config_service.native.writer.document import write_document
from haproxy_programmer.listing import Listing
from haproxy_programmer.members import Member
from haproxy_programmer.render import render
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slots, assign
from haproxy_programmer.state_file import state_file
from tests.support.proxy import haproxy
from vipbus.contracts import Entity, Proxy, ProxyPool, ProxySettings, RealServer

CORPUS: Final = Path(__file__).parents[1] / "corpus" / "haproxy"
FILES: Final = sorted(CORPUS.glob("*.cfg"))
ENVIRONMENT: Final = {**os.environ, "LOG_TARGET": "127.0.0.1:5514"}
_ERROR: Final = "HTTP/1.0 503 Gone for lunch\r\nContent-Type: text/plain\r\n\r\nlunch\n"


class Converted(NamedTuple):
    """What a file becomes."""

    configuration: Configuration
    document: str
    entities: tuple[Entity, ...]
    """As the document is read."""


def prepared(text: str, directory: Path) -> str:
    """Make the files that a corpus file names, and name them where they are."""
    for each in ("certs", "errors", "run", "lib"):
        (directory / each).mkdir(exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.issue_cert("www.example.org").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "certs" / "site.pem")
    )
    (directory / "errors" / "503.http").write_text(_ERROR)
    (directory / "hosts.map").write_text("example.org two\n")
    (directory / "filter.lua").write_text("core.Debug('here')\n")
    text = text.replace("/etc/haproxy", str(directory)).replace("/run/haproxy", str(directory / "run"))
    text = text.replace("/var/lib/haproxy", str(directory / "lib"))
    # whoever runs the tests is nobody in particular
    return re.sub(r"^\s*(?:user|group|chroot|daemon)\b.*$", "", text, flags=re.MULTILINE)


def convert(text: str, file: str) -> Converted:
    """Convert a file and read what came of it."""
    made = compile_text(text, file, "lb-a")
    document = write_document({"lb-a": made}, "secrets", str).text
    return Converted(made, document, read(document, "vipbus.toml", "lb-a", str))


def site(entities: Sequence[Entity]) -> Site:
    """Give what haproxy-programmer makes of entities; every member is up."""
    pools = tuple(each for each in entities if isinstance(each, ProxyPool))
    members: Mapping[str, tuple[Member, ...]] = {
        pool.id: tuple(
            Member(address=each.address, port=each.port, weight=each.weight, usual=each.weight, state="up")
            for each in entities
            if isinstance(each, RealServer) and each.virtual_server == pool.id
        )
        for pool in pools
    }
    return Site(
        proxies=tuple(each for each in entities if isinstance(each, Proxy)),
        pools=pools,
        settings=next((each for each in entities if isinstance(each, ProxySettings)), None),
        members=members,
        slots={
            token: assign(Slots(size=0), each, idle=(), now=0, drain=60) for token, each in members.items()
        },
    )


def written(made: Site, directory: Path) -> Path:
    """Write what haproxy-programmer would."""
    place = Place(directory=directory, connections=500)
    Listing(place).write(made)
    place.state.write_text(state_file(made, {}))
    place.config.write_text(render(made, place))
    return place.config


def refusal(path: Path) -> str:
    """Ask ``haproxy -c``; empty: it takes the file."""
    asked = subprocess.run(
        [haproxy(), "-c", "-f", str(path)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    return "" if asked.returncode == 0 else f"{asked.stderr}\n{path.read_text()}"
