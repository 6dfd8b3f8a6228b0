"""Every bucket, subject and stream there is: the whole of what crosses the bus, in one place."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from vipbus.contracts.documents import ConfigDocument, ConfigOutline
from vipbus.contracts.proxy import ProxyPoolTable
from vipbus.contracts.proxy_process import ProxyProcess
from vipbus.contracts.state import Member, OperatorState, Opinion, Role, TableDocument, Verdict

T = TypeVar("T")


class Bucket(msgspec.Struct, Generic[T], frozen=True):
    """A key-value bucket: its name, the type of its documents and who writes it."""

    name: str
    document: type[T]
    writer: str
    history: int = 16
    """Values kept a key. The history stream reads the bucket behind the writer; more than one value lets
    it catch up after a burst. A bucket with leases keeps 1: only then is a key's time to live exact."""
    leases: bool = False
    """True: values expire (per-message TTL) and leave a marker behind."""

    @property
    def subject(self) -> str:
        """The plain subjects that carry a copy of every write."""
        return f"vipbus.state.{self.name}.>"


CONFIG: Final[Bucket[ConfigDocument]] = Bucket(
    "config",
    ConfigDocument,  # type: ignore[arg-type]  # a union is no class to mypy
    "config-service",
)
CONFIG_OUTLINE: Final[Bucket[ConfigOutline]] = Bucket(
    CONFIG.name,
    ConfigOutline,  # type: ignore[arg-type]  # a union is no class to mypy
    CONFIG.writer,
)
"""The same bucket for whoever does not read all real servers; no bucket of its own."""
ROLE: Final = Bucket("role", Role, "vrrp-agent")
HEALTH: Final = Bucket("health", Verdict, "health-prober")
TABLE: Final[Bucket[TableDocument]] = Bucket(
    "table",
    TableDocument,  # type: ignore[arg-type]  # a union is no class to mypy
    "ipvs-programmer",
)
MEMBER: Final = Bucket("member", Member, "health-prober", history=1, leases=True)
# its values do not expire, but their marks do: replicas have new names each time, and marks would pile up
OPINION: Final = Bucket("opinion", Opinion, "health-prober", history=1, leases=True)
OPERATOR: Final = Bucket("operator", OperatorState, "config-service")
PROXY: Final = Bucket("proxy", ProxyPoolTable, "haproxy-programmer")
PROXY_PROCESS: Final = Bucket("proxy-process", ProxyProcess, "haproxy-programmer")

BUCKETS: Final[tuple[Bucket[object], ...]] = (  # type: ignore[assignment]  # Bucket is invariant
    CONFIG,
    ROLE,
    HEALTH,
    TABLE,
    MEMBER,
    OPINION,
    OPERATOR,
    PROXY,
    PROXY_PROCESS,
)

HISTORY_STREAM: Final = "vipbus_history"
EVENT_SUBJECTS: Final = "vipbus.event.>"


def command_subject(service: str, verb: str) -> str:
    """Name a command's subject, for example ``vipbus.cmd.config-service.reload``."""
    return f"vipbus.cmd.{service}.{verb}"


def per_router(verb: str, router_token: str) -> str:
    """Name a verb as it is said to one router: ``reload.router-a``."""
    return f"{verb}.{router_token}"


def per_prober(verb: str, prober_token: str) -> str:
    """Name a verb as it is said to one replica of the prober: ``probe.p1``."""
    return f"{verb}.{prober_token}"
