"""What a lab consists of, declared; and the keepalived.conf of each router, whatever software reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Software = Literal["vipbus", "keepalived"]

NETWORK = "10.9.0"
"""A /24 that exists only between the lab's namespaces."""
CLIENT_ADDRESS = f"{NETWORK}.200"
COLLECTOR_ADDRESS = f"{NETWORK}.250"
COLLECTOR_PORT = 4318
TRACES_TO_COLLECTOR = (
    ("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{COLLECTOR_ADDRESS}:{COLLECTOR_PORT}"),
    ("OTEL_METRICS_EXPORTER", "none"),
    ("OTEL_LOGS_EXPORTER", "none"),
)
"""The usual variables that send traces, and nothing else, to the lab's OTLP receiver."""
_FIRST_ROUTER = 11
_FIRST_SERVER = 21
PORT = 80


@dataclass(frozen=True)
class Instance:
    """A VRRP instance that every router takes part in, and the address that moves with it."""

    name: str = "VI_1"
    virtual_router_id: int = 51
    version: Literal[2, 3] = 3
    advert_int: float = 1.0
    address: str = f"{NETWORK}.100"


@dataclass(frozen=True)
class RouterSpec:
    """One router: its software and how much it wants to be active."""

    name: str
    priority: int
    software: Software = "vipbus"


@dataclass(frozen=True)
class Timing:
    """A TCP_CHECK's times in seconds (keepalived.conf(5))."""

    delay_loop: int = 1
    connect_timeout: int = 1
    retry: int = 1
    delay_before_retry: int = 1

    @property
    def detection(self) -> float:
        """The longest time from a port's closing to the table without it, by the definitions of the four."""
        return (
            self.delay_loop + (self.retry + 1) * self.connect_timeout + self.retry * self.delay_before_retry
        )


@dataclass(frozen=True)
class Declaration:
    """A flat network of routers, real servers and a client; forwarding is direct routing."""

    routers: tuple[RouterSpec, ...]
    servers: tuple[str, ...] = ("s1", "s2", "s3")
    instances: tuple[Instance, ...] = (Instance(),)
    timing: Timing = field(default_factory=Timing)
    nopreempt: bool = False
    global_defs: tuple[str, ...] = ()
    """Further lines of the block of that name."""
    options: tuple[str, ...] = ()
    """Further options of ``vipbus run``."""
    environment: tuple[tuple[str, str], ...] = ()
    """Further environment of the routers' software."""

    def router_address(self, name: str) -> str:
        """Give a router's primary address."""
        return f"{NETWORK}.{_FIRST_ROUTER + [router.name for router in self.routers].index(name)}"

    def server_address(self, name: str) -> str:
        """Give a real server's address."""
        return f"{NETWORK}.{_FIRST_SERVER + self.servers.index(name)}"

    def master_down(self, name: str, instance: Instance | None = None) -> float:
        """Give a router's master-down interval in seconds (RFC 9568 and RFC 3768, section 6.1)."""
        instance = instance or self.instances[0]
        priority = next(router.priority for router in self.routers if router.name == name)
        skew = (256 - priority) / 256
        if instance.version == 3:
            skew *= instance.advert_int
        return 3 * instance.advert_int + skew


def keepalived_conf(declaration: Declaration, router: RouterSpec) -> str:
    """Write a router's configuration (keepalived.conf(5)); vipbus and keepalived read the same file."""
    lines = "".join(f"    {line}\n" for line in (f"router_id {router.name}", *declaration.global_defs))
    blocks = [f"global_defs {{\n{lines}}}\n"]
    for instance in declaration.instances:
        blocks.append(
            f"vrrp_instance {instance.name} {{\n"
            f"    state BACKUP\n"
            f"    interface eth0\n"
            f"    virtual_router_id {instance.virtual_router_id}\n"
            f"    priority {router.priority}\n"
            f"    advert_int {instance.advert_int:g}\n"
            f"    version {instance.version}\n"
            + ("    nopreempt\n" if declaration.nopreempt else "")
            + f"    virtual_ipaddress {{\n        {instance.address}/24 dev eth0\n    }}\n}}\n"
        )
        blocks.append(
            f"virtual_server {instance.address} {PORT} {{\n"
            f"    delay_loop {declaration.timing.delay_loop}\n"
            f"    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
            + "".join(_real_server(declaration, name) for name in declaration.servers)
            + "}\n"
        )
    return "\n".join(blocks)


def _real_server(declaration: Declaration, name: str) -> str:
    timing = declaration.timing
    return (
        f"    real_server {declaration.server_address(name)} {PORT} {{\n"
        f"        weight 1\n"
        f"        TCP_CHECK {{\n"
        f"            connect_timeout {timing.connect_timeout}\n"
        f"            retry {timing.retry}\n"
        f"            delay_before_retry {timing.delay_before_retry}\n"
        f"        }}\n    }}\n"
    )
